// The table of measures beside the film.

import { el, replace } from "./dom.js";
import { flag, has, measureLabel, number, quantity, t } from "./words.js";

const OF_LEVEL = [
  "vertebral_kyphosis_deg", "TVK_deg", "regional_kyphosis_deg", "ART_deg",
  "gardner_mono_above_deg", "farcy_sagittal_index_deg", "loss_ant_pct", "loss_mid_pct",
  "loss_post_pct", "max_height_loss_pct", "genant_grade_from_max_loss", "Ha_Hp", "Hm_Hp",
  "Ha_mm", "Hm_mm", "Hp_mm", "own_plane_kyphosis_deg", "projected_kyphosis_deg",
  "coronal_tilt_deg", "sagittal_tilt_deg", "axial_rotation_deg",
];
const CURVES = [
  "thoracolumbar_T10_L2_deg", "thoracic_kyphosis_T4_T12_deg", "thoracic_kyphosis_T5_T12_deg",
  "lordosis_L1_S1_deg", "lordosis_L1_L5_deg", "sacral_slope_deg",
];
const BRIEF = ["vertebral_kyphosis_deg", "regional_kyphosis_deg", "max_height_loss_pct"];

export function measureName(name, session) {
  const key = `measure_${name}`;
  if (has(key)) return t(key);
  return measureLabel(name, session.measures[name] && session.measures[name][0]);
}

export function find(measurements, name, level) {
  return measurements.find((m) => m.name === name && (level === null || m.level === level));
}

// The level with the greatest height loss, else the first.
export function worst(measurements, levels) {
  let best = null;
  for (const m of measurements) {
    if (m.name === "max_height_loss_pct" && (!best || m.value > best.value)) best = m;
  }
  return best && best.value >= 20 ? best.level : levels[Math.floor(levels.length / 2)] || null;
}

function interval(m) {
  if (!m.interval90 || m.unit === "grade") return "";
  return `${quantity(m.interval90[0], m.unit).replace(/[^\d−,.]+$/u, "")} – ${quantity(m.interval90[1], m.unit)}`;
}

function row(m, before, session) {
  const least = { deg: 0.05, mm: 0.05, ratio: 0.005, "%": 0.5 }[m.unit] ?? 0.5;
  const differs = before && Math.abs(m.value - before.value) >= least;
  const name = measureName(m.name, session);
  const flags = m.flags.map((f) => flag(f, session.flags[f]));
  return el(
    "tr",
    { "data-measure": m.name, "data-level": m.level },
    el("th", { scope: "row", title: [m.between.join(" – "), ...flags].join("\n"), text: name }),
    el("td", { class: "value", text: quantity(m.value, m.unit) }),
    el("td", { class: "interval", text: interval(m) }),
    el("td", {
      class: "change",
      title: differs ? t("was", { value: quantity(before.value, m.unit) }) : null,
      text: differs ? (m.value > before.value ? "+" : "−") + number(Math.abs(m.value - before.value), ["%", "grade"].includes(m.unit) ? 0 : m.unit === "ratio" ? 2 : 1) : "",
    })
  );
}

function table(caption, measures, start, session) {
  const rows = measures.map((m) => row(m, find(start, m.name, m.level), session));
  const head = ["measure", "value", "interval", "change"].map((k) => el("th", { scope: "col", text: t(k) }));
  const changed = rows.some((r) => r.lastChild.textContent);
  return el("table", { class: changed ? "measures changed" : "measures" }, el("caption", { text: caption }), el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
}

// state: { measurements, start, level, levels, error }
export function drawMeasures(node, state, session, onLevel) {
  const { measurements, start, level, levels } = state;
  const parts = [];
  if (state.error) parts.push(el("p", { class: "problem", role: "alert", text: t("measuring_failed", { reason: state.error }) }));
  if (!measurements.length) {
    replace(node, ...parts, el("p", { class: "hint", text: t("no_measures") }));
    return;
  }
  const picker = el(
    "select",
    { id: "focus-level", onchange: (e) => onLevel(e.target.value) },
    ...levels.map((x) => el("option", { value: x, text: x }))
  );
  picker.value = level;
  parts.push(el("label", { class: "inline" }, t("focus_level"), " ", picker));
  const own = OF_LEVEL.map((n) => find(measurements, n, level)).filter(Boolean);
  const curves = CURVES.map((n) => find(measurements, n, null)).filter(Boolean);
  if (own.length) parts.push(table(level, own, start, session));
  if (curves.length) parts.push(table(t("curves"), curves, start, session));
  parts.push(all(measurements, levels, session));
  const opened = node.querySelector("details")?.open;
  const focused = document.activeElement?.id === "focus-level";
  replace(node, ...parts);
  if (opened) node.querySelector("details").open = true;
  if (focused) picker.focus();
}

// The brief table of all levels; its rows are made when it is open.
function all(measurements, levels, session) {
  const head = el("tr", {}, el("th", { scope: "col", text: t("level") }), ...BRIEF.map((n) => el("th", { scope: "col", text: measureName(n, session) })));
  const body = el("tbody", {});
  const row = (level) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", text: level }),
      ...BRIEF.map((n) => {
        const m = find(measurements, n, level);
        return el("td", { text: m ? quantity(m.value, m.unit) : "–" });
      })
    );
  const fill = (e) => e.target.open && replace(body, ...levels.map(row));
  return el("details", { ontoggle: fill }, el("summary", { text: t("every_level") }), el("table", { class: "brief" }, el("thead", {}, head), body));
}
