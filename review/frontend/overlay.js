// Points, endplates, walls, names and ellipses over the film, in screen pixels.

import { rem, svg } from "./dom.js";
import { centre, IA, IM, IP, SA, SM, SP } from "./model.js";
import { ellipse, toScreen } from "./view.js";

const SLAB = 3; // mm from its middle to its faces

// A curve through three points; a line where the middle is missing.
function endplate(a, m, b) {
  if (!a || !b) return "";
  if (!m) return `M${a}L${b}`;
  const c = [2 * m[0] - (a[0] + b[0]) / 2, 2 * m[1] - (a[1] + b[1]) / 2];
  return `M${a}Q${c} ${b}`;
}

function line(a, b) {
  return a && b ? `M${a}L${b}` : "";
}

export function bodyPaths(points) {
  return {
    superior: endplate(points[SA], points[SM], points[SP]),
    inferior: endplate(points[IA], points[IM], points[IP]),
    walls: line(points[SA], points[IA]) + line(points[SP], points[IP]),
  };
}

// On a CT: whether a point lies on another slab than the one shown.
function isOff(v, i, aside) {
  return Boolean(v.aside) && Math.abs((v.aside[i] ?? 0) - aside) > SLAB;
}

function body(v, at, view, chosen, options, size) {
  const points = v.points.map((p) => p && toScreen(view, p).map((x) => Math.round(x * 100) / 100));
  const paths = bodyPaths(points);
  const mine = chosen && chosen.at === at;
  const group = svg("g", { class: `body${mine ? " mine" : ""}`, "data-level": v.level });
  group.append(
    svg("path", { class: "wall", d: paths.walls }),
    svg("path", { class: "endplate superior", d: paths.superior }),
    svg("path", { class: "endplate inferior", d: paths.inferior })
  );
  if (options.ellipses) {
    points.forEach((p, i) => {
      const covariance = v.covariance[i];
      if (!p || !covariance) return;
      const e = ellipse(covariance, view);
      group.append(
        svg("ellipse", {
          class: "ellipse",
          rx: e.rx.toFixed(2),
          ry: e.ry.toFixed(2),
          transform: `translate(${p}) rotate(${e.turn.toFixed(1)})`,
        })
      );
    });
  }
  points.forEach((p, i) => {
    if (!p) return;
    const picked = mine && chosen.point === i;
    const kind = (i === SM || i === IM ? "middle" : "corner") + (isOff(v, i, options.aside) ? " off" : "");
    group.append(
      svg("circle", {
        class: `point ${kind}${picked ? " picked" : ""}`,
        cx: p[0],
        cy: p[1],
        r: (picked ? 5 : i !== SM && i !== IM ? 3.5 : 2.5) * size,
      })
    );
  });
  const tag = label(v, points, size);
  if (tag) group.append(...tag);
  return group;
}

// The name beside the posterior wall, with signs for what is marked.
function label(v, points, size) {
  const behind = points[SP] && points[IP] ? [points[SP], points[IP]] : [points[SP], points[SP]];
  if (!behind[0] || !points[SA]) return null;
  const away = Math.sign(behind[0][0] - points[SA][0]) || 1;
  const x = (behind[0][0] + behind[1][0]) / 2 + away * 16 * size;
  const y = (behind[0][1] + behind[1][1]) / 2 + 5 * size;
  const signs = (v.fractured ? " ▼" : "") + (v.cement ? " ●" : "") + (v.hardware ? " ╪" : "");
  const place = { x: x.toFixed(1), y: y.toFixed(1), "text-anchor": away > 0 ? "start" : "end" };
  return [svg("text", { class: "name", ...place, text: v.level + signs })];
}

// Bodies as they were drawn last: while a point is dragged all but one stay as they are.
const drawn = new WeakMap();

function bodyOnce(v, at, view, chosen, options, size) {
  const picked = chosen && chosen.at === at ? chosen.point : -1;
  const look = [v.covariance, at, view, picked, options.ellipses, options.aside, size];
  const known = drawn.get(v);
  if (known && look.every((x, i) => x === known.look[i])) return known.node;
  const node = body(v, at, view, chosen, options, size);
  drawn.set(v, { look, node });
  return node;
}

// Children that differ are replaced, the others left alone.
function keep(root, parts) {
  parts.forEach((part, i) => {
    const now = root.childNodes[i];
    if (!now) root.append(part);
    else if (now !== part) root.replaceChild(part, now);
  });
  while (root.childNodes.length > parts.length) root.lastChild.remove();
}

export function drawOverlay(root, doc, view, chosen, options) {
  const parts = [];
  // Marks grow with the letters of the page, for screens of many pixels.
  const size = rem(1) / 15;
  if (options.marks) {
    doc.vertebrae.forEach((v, at) => parts.push(bodyOnce(v, at, view, chosen, options, size)));
  }
  for (const [i, place] of (options.clicks || []).entries()) {
    const [x, y] = toScreen(view, place);
    parts.push(svg("path", { class: "click", d: `M${x - 9},${y}h18M${x},${y - 9}v18` }));
    if (i > 0) parts.push(svg("path", { class: "click", d: line(toScreen(view, options.clicks[i - 1]), [x, y]) }));
  }
  if (options.cross) {
    const [x, y] = options.cross;
    parts.push(svg("path", { class: "click cross", d: `M${x - 14},${y}h10m8,0h10M${x},${y - 14}v10m0,8v10` }));
  }
  keep(root, parts);
}

// Where the whole column lies, for turning to it: the mean of the centres.
export function columnCentre(doc) {
  const all = doc.vertebrae.map(centre).filter(Boolean);
  if (!all.length) return null;
  return [0, 1].map((k) => all.reduce((s, c) => s + c[k], 0) / all.length);
}
