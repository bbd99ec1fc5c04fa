// What stands beside the film, measures apart: bodies, display, history.

import { el, replace } from "./dom.js";
import { moment, t } from "./words.js";

// act: { choose(at), rename(at, level), mark(at, mark, value), remove(at), shift(by), set(change) }
export function drawBodies(node, { doc, chosen, session, nextLevel }, act) {
  const focus = document.activeElement && node.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const { levels } = session;
  const index = el(
    "select",
    { id: "index-level", "data-focus": "index", onchange: (e) => act.set({ index_level: e.target.value || null }) },
    el("option", { value: "", text: t("automatic") }),
    ...doc.vertebrae.map((v) => el("option", { value: v.level, text: v.level }))
  );
  index.value = doc.index_level || "";
  const position = el(
    "select",
    { id: "position", "data-focus": "position", onchange: (e) => act.set({ position: e.target.value || null }) },
    el("option", { value: "", text: t("not_recorded") }),
    ...session.positions.map((x) => el("option", { value: x, text: t(`position_${x}`) }))
  );
  position.value = doc.position || "";
  const next = el(
    "select",
    { id: "next-body", "data-focus": "next", onchange: (e) => act.nextLevel(e.target.value) },
    el("option", { value: "", text: t("automatic") }),
    ...levels.filter((x) => !doc.vertebrae.some((v) => v.level === x)).map((x) => el("option", { value: x, text: x }))
  );
  next.value = nextLevel;
  const field = (label, input) => el("label", { class: "field" }, el("span", { text: label }), input);
  const rows = doc.vertebrae.map((v, at) => bodyRow(v, at, chosen, levels, act));
  replace(
    node,
    el("div", { class: "fields" }, field(t("index_level"), index), field(t("position"), position), field(t("next_body"), next)),
    el(
      "div",
      { class: "row gap" },
      el("button", { id: "shift-up", text: `↑ ${t("shift_up")}`, onclick: () => act.shift(-1) }),
      el("button", { id: "shift-down", text: `↓ ${t("shift_down")}`, onclick: () => act.shift(1) })
    ),
    rows.length
      ? el(
          "table",
          { class: "bodies" },
          el("thead", {}, el("tr", {}, ...["level", "fractured", "cement", "hardware"].map((k) => el("th", { scope: "col", text: t(k) })), el("td", {}))),
          el("tbody", {}, ...rows)
        )
      : el("p", { class: "hint", text: t("no_bodies") })
  );
  if (focus) node.querySelector(`[data-focus="${focus}"]`)?.focus();
}

function bodyRow(v, at, chosen, levels, act) {
  const name = el(
    "select",
    { "aria-label": t("name_of", { level: v.level }), "data-focus": `name-${at}`, onchange: (e) => act.rename(at, e.target.value) },
    ...levels.map((x) => el("option", { value: x, text: x }))
  );
  name.value = v.level;
  const mark = (key) =>
    el(
      "td",
      {},
      el("input", {
        type: "checkbox",
        checked: v[key],
        "data-focus": `${key}-${at}`,
        "aria-label": `${v.level}: ${t(key)}`,
        onchange: (e) => act.mark(at, key, e.target.checked),
      })
    );
  return el(
    "tr",
    { class: chosen && chosen.at === at ? "mine" : "", onclick: (e) => e.target.tagName === "TD" && act.choose(at) },
    el("td", {}, name),
    mark("fractured"),
    mark("cement"),
    mark("hardware"),
    el("td", {}, el("button", { class: "quiet", "data-focus": `delete-${at}`, "aria-label": `${t("tool_delete")}: ${v.level}`, text: "✕", onclick: () => act.remove(at) }))
  );
}

// act: { tone(change), options(change), reset() }
export function drawDisplay(node, { film, options }, act) {
  if (!film) {
    replace(node);
    return;
  }
  const { tone, auto } = film;
  const top = film.pixels.bits === 8 ? 255 : 65535;
  const slider = (id, label, min, max, value, step, change) =>
    el(
      "label",
      { class: "field" },
      el("span", { text: label }),
      el("input", { type: "range", id, min, max, step, value: String(value), oninput: (e) => change(Number(e.target.value)) })
    );
  const box = (id, label, value, change) =>
    el("label", { class: "check" }, el("input", { type: "checkbox", id, checked: value, onchange: (e) => change(e.target.checked) }), label);
  const focus = document.activeElement?.id;
  replace(
    node,
    slider("tone-width", t("window"), 2, Math.min(top * 1.2, auto.width * 2), tone.width, 1, (width) => act.tone({ width })),
    slider("tone-level", t("level_grey"), 0, top, tone.level, 1, (level) => act.tone({ level })),
    slider("tone-sharp", t("sharpening"), 0, 3, tone.sharpening, 0.5, (sharpening) => act.tone({ sharpening })),
    box("tone-invert", t("invert"), tone.invert, (invert) => act.tone({ invert })),
    box("show-marks", t("show_marks"), options.marks, (marks) => act.options({ marks })),
    box("show-ellipses", t("show_ellipses"), options.ellipses, (ellipses) => act.options({ ellipses })),
    box("show-loupe", t("show_loupe"), options.loupe, (loupe) => act.options({ loupe })),
    el("button", { text: t("reset"), onclick: () => act.reset() })
  );
  if (focus) node.querySelector(`#${focus}`)?.focus();
}

export function drawHistory(node, { readings, audit }) {
  const line = (text, small) => el("li", {}, text, small ? el("small", { text: small }) : "");
  replace(
    node,
    el("h3", { text: t("history_readings") }),
    el("ul", { class: "trail" }, ...readings.map((r) =>
      line(t("history_reading", { name: r.reader, time: moment(r.created), status: t(`status_${r.status}`) }))
    )),
    el("h3", { text: t("history_audit") }),
    el("ul", { class: "trail" }, ...audit.map((a) => line(`${a.person}, ${moment(a.time)}: ${didText(a)}`, changesText(a))))
  );
}

function didText(a) {
  if (a.action === "sign") return t(a.overrules ? "did_overrule" : "did_sign", { verdict: t(`status_${a.verdict}`) });
  if (a.action === "export") return t("did_export", { kind: a.kind });
  return a.action;
}

// "L1 cement: yes" of the trail in the reader's language.
function markText(text) {
  const found = /^(\S+) (hardware|cement): (yes|no)$/.exec(text);
  return found ? `${found[1]} ${t(found[2])}: ${t(found[3])}` : text;
}

// Lines of earlier versions hold the new value only.
function changeText(name, change) {
  const one = (value) => {
    if (value === null || (Array.isArray(value) && !value.length)) return "–";
    if (name === "position") return t(`position_${value}`);
    if (name === "spacing_mm") return `${value.map((v) => v.toPrecision(3)).join(" × ")} mm`;
    return Array.isArray(value) ? value.join(", ") : value;
  };
  if (typeof change === "object" && "after" in change) return `${one(change.before)} → ${one(change.after)}`;
  return one(change);
}

export function changesText(a) {
  if (!a.changes) return "";
  const parts = [];
  const moved = Object.entries(a.changes.moved_px).map(([level, px]) => `${level} (${px} px)`);
  if (moved.length) parts.push(t("moved", { levels: moved.join(", ") }));
  const renamed = Object.entries(a.changes.renamed || {}).map(([old, level]) => `${old} → ${level}`);
  if (renamed.length) parts.push(t("renamed_levels", { levels: renamed.join(", ") }));
  if (a.changes.added.length) parts.push(t("added_levels", { levels: a.changes.added.join(", ") }));
  if (a.changes.removed.length) parts.push(t("removed_levels", { levels: a.changes.removed.join(", ") }));
  parts.push(...a.changes.marks.map(markText));
  for (const name of ["fractured", "index_level", "position", "spacing_mm"]) {
    const change = a.changes[name];
    if (change) parts.push(`${t(name === "spacing_mm" ? "spacing_short" : name)}: ${changeText(name, change)}`);
  }
  if (a.note) parts.push(`“${a.note}”`);
  return parts.join("; ");
}
