// The edited film as plain values; every function returns new ones and changes none.
//
// doc = { vertebrae: [{ level, points: [[x, y] | null] x 6, covariance, origin, hardware, cement,
//         fractured, aside }], spacing_mm, position, index_level }
//
// `aside` is there on a CT only: how many mm to the left of the sheet each point lies.

export const SA = 0, SM = 1, SP = 2, IP = 3, IM = 4, IA = 5;

export function docOf(film) {
  return {
    vertebrae: film.vertebrae,
    spacing_mm: null,
    position: film.position,
    index_level: film.index_level,
  };
}

export function wireOf(doc, base) {
  return {
    base,
    vertebrae: doc.vertebrae.map((v) => ({
      level: v.level,
      points: v.points,
      origin: v.origin,
      hardware: v.hardware,
      cement: v.cement,
      fractured: v.fractured,
      ...(v.aside ? { aside: v.aside } : {}),
    })),
    spacing_mm: doc.spacing_mm,
    position: doc.position,
    index_level: doc.index_level,
  };
}

function withVertebra(doc, at, change) {
  const vertebrae = doc.vertebrae.map((v, i) => (i === at ? { ...v, ...change } : v));
  return { ...doc, vertebrae };
}

function rounded([x, y]) {
  return [Math.round(x * 1000) / 1000, Math.round(y * 1000) / 1000];
}

export function movePoint(doc, at, point, place, aside = 0) {
  const v = doc.vertebrae[at];
  const points = v.points.map((p, i) => (i === point ? rounded(place) : p));
  const covariance = v.covariance.map((c, i) => (i === point ? null : c));
  const sideways = v.aside ? { aside: v.aside.map((x, i) => (i === point ? aside : x)) } : {};
  return withVertebra(doc, at, { points, covariance, ...sideways });
}

export function nudgePoint(doc, at, point, dx, dy, aside = 0) {
  const p = doc.vertebrae[at].points[point];
  return p ? movePoint(doc, at, point, [p[0] + dx, p[1] + dy], aside) : doc;
}

export function setMark(doc, at, mark, value) {
  return withVertebra(doc, at, { [mark]: value });
}

export function remove(doc, at) {
  const gone = doc.vertebrae[at].level;
  return {
    ...doc,
    vertebrae: doc.vertebrae.filter((_, i) => i !== at),
    index_level: doc.index_level === gone ? null : doc.index_level,
  };
}

// A body is put where its name belongs; `at` replaces that one.
export function put(doc, vertebra, order, at = -1) {
  const others = doc.vertebrae.filter((_, i) => i !== at);
  const all = [...others, vertebra];
  all.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
  return { ...doc, vertebrae: all };
}

export function rename(doc, at, level, order) {
  const old = doc.vertebrae[at].level;
  const index_level = doc.index_level === old ? level : doc.index_level;
  return { ...put(doc, { ...doc.vertebrae[at], level }, order, at), index_level };
}

// All names one up (-1) or down (+1) in a regular spine; null if a name would leave the spine, or
// a body below S1 would come.
export function shift(doc, by, regular) {
  const names = new Map();
  for (const v of doc.vertebrae) {
    const to = regular[regular.indexOf(v.level) + by];
    if (regular.indexOf(v.level) < 0 || to === undefined) return null;
    const whole = v.points[IP] !== null || v.points[IA] !== null;
    if ((to === "S1" && whole) || (v.level === "S1" && to !== "S1")) return null;
    names.set(v.level, to);
  }
  const vertebrae = doc.vertebrae.map((v) => ({ ...v, level: names.get(v.level) }));
  const index_level = doc.index_level === null ? null : names.get(doc.index_level) || null;
  return { ...doc, vertebrae, index_level };
}

export function centre(v) {
  const seen = [SA, SP, IP, IA].map((i) => v.points[i]).filter(Boolean);
  if (!seen.length) return null;
  const sum = seen.reduce((s, p) => [s[0] + p[0], s[1] + p[1]], [0, 0]);
  return [sum[0] / seen.length, sum[1] / seen.length];
}

// The part of a film that is marked, [left, top, right, bottom] with a body's depth around it; null
// if nothing is.
export function marked(doc) {
  const points = doc.vertebrae.flatMap((v) => v.points.filter(Boolean));
  if (!points.length) return null;
  const depths = doc.vertebrae.map(depth).filter((x) => x > 0);
  const room = depths.length ? Math.max(...depths) : 40;
  const [xs, ys] = [0, 1].map((k) => points.map((p) => p[k]));
  return [Math.min(...xs) - room, Math.min(...ys) - room, Math.max(...xs) + room, Math.max(...ys) + room];
}

export function depth(v) {
  const [a, b] = [v.points[SA], v.points[SP]];
  return a && b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : NaN;
}

// Name for a new body at a height: the free one next to its neighbours; null if there is none.
export function levelAt(doc, y, regular) {
  const placed = doc.vertebrae.map((v) => ({ level: v.level, c: centre(v) })).filter((v) => v.c);
  if (!placed.length) return "L1";
  placed.sort((a, b) => a.c[1] - b.c[1]);
  const taken = new Set(placed.map((v) => v.level));
  const higher = placed.filter((v) => v.c[1] < y).pop();
  const lower = placed.find((v) => v.c[1] >= y);
  const tries = [
    higher && regular[regular.indexOf(higher.level) + 1],
    lower && regular[regular.indexOf(lower.level) - 1],
  ];
  return tries.find((x) => x && !taken.has(x)) || null;
}

function middle(a, b) {
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

// A body from its corners: superior anterior and posterior, inferior posterior and anterior; two
// for the sacrum. The middles come halfway, to be dragged to the bone's edge.
export function bodyOfCorners(level, corners, aside = null) {
  const [sa, sp, ip, ia] = corners.map(rounded);
  const points = [sa, rounded(middle(sa, sp)), sp, null, null, null];
  if (ip && ia) {
    points[IP] = ip;
    points[IM] = rounded(middle(ip, ia));
    points[IA] = ia;
  }
  return {
    level,
    points,
    covariance: [null, null, null, null, null, null],
    origin: null,
    hardware: false,
    cement: false,
    fractured: false,
    ...(aside === null ? {} : { aside: Array(6).fill(aside) }),
  };
}

export function nearestPoint(doc, x, y, within) {
  let best = null;
  doc.vertebrae.forEach((v, at) =>
    v.points.forEach((p, point) => {
      if (!p) return;
      const far = Math.hypot(p[0] - x, p[1] - y);
      if (far <= within && (!best || far < best.far)) best = { at, point, far };
    })
  );
  return best && { at: best.at, point: best.point };
}

// The next place in the walk through all seen points, round at the ends.
export function stepPoint(doc, chosen, by) {
  const all = [];
  doc.vertebrae.forEach((v, at) => v.points.forEach((p, point) => p && all.push({ at, point })));
  if (!all.length) return null;
  const now = chosen ? all.findIndex((x) => x.at === chosen.at && x.point === chosen.point) : -1;
  if (now < 0) return all[by > 0 ? 0 : all.length - 1];
  return all[(now + by + all.length) % all.length];
}

// Undo and redo: { past, now, future }.
export function begin(doc) {
  return { past: [], now: doc, future: [] };
}

const MOST = 500;

export function change(history, doc) {
  return { past: [...history.past, history.now].slice(-MOST), now: doc, future: [] };
}

export function undo(history) {
  if (!history.past.length) return history;
  const past = history.past.slice(0, -1);
  return { past, now: history.past.at(-1), future: [history.now, ...history.future] };
}

export function redo(history) {
  if (!history.future.length) return history;
  const [now, ...future] = history.future;
  return { past: [...history.past, history.now], now, future };
}
