// The tools at the left of the film.

import { el, replace, svg } from "./dom.js";
import { refusal, t } from "./words.js";

const ICONS = {
  move: "M5 3l12 8-5 1 3 6-2 1-3-6-4 4z",
  add: "M4 6q7 2 14 0v10q-7-2-14 0zM11 8v6M8 11h6",
  corners: "M5 6l12-1-1 12-10-1zM3.5 6a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M15.5 5a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M14.5 17a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M4.5 16a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0",
  calibrate: "M3 8h16v6H3zM7 8v3M11 8v4M15 8v3",
  snap: "M4 7q7 2 14 0M4 15q7-2 14 0M11 3v2M11 17v2M3 11h3M16 11h3",
  delete: "M6 6l10 10M16 6L6 16",
  fit: "M4 8V4h4M18 8V4h-4M4 14v4h4M18 14v4h-4",
  help: "M8 8q0-4 3-4 4 0 4 3 0 2-4 4v2M11 17v1",
};

const HELD = ["move", "add", "corners", "calibrate"]; // chosen until another one is

// state: { tool, noHelp, noCalibration, past, future }, the middle two saying why not, or "";
// act: { tool(name), snap(), remove(), undo(), redo(), fit(), keys() }
export function drawToolbar(node, state, act) {
  const focus = node.contains(document.activeElement) ? document.activeElement.dataset.tool : null;
  const button = (name, key, run, { problem = "", able = true, sign = null } = {}) => {
    const why = problem ? t("not_available", { reason: refusal(problem) }) : "";
    const picture = sign || svg("svg", { viewBox: "0 0 22 22", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
    return el(
      "button",
      {
        class: "tool",
        "data-tool": name,
        id: sign ? name : null,
        title: `${t(`tool_${name}`)} (${key})${why ? `\n${why}` : ""}`,
        "aria-label": t(`tool_${name}`) + (why ? `. ${why}` : ""),
        "aria-pressed": HELD.includes(name) ? String(state.tool === name) : null,
        disabled: Boolean(problem) || !able,
        onclick: run,
      },
      picture,
      el("span", { class: "tool-name", text: t(`short_${name}`) })
    );
  };
  const hold = (name, key, problem) => button(name, key, () => act.tool(name), { problem });
  const arrow = (text) => el("span", { class: "tool-sign", text });
  replace(
    node,
    hold("move", "V"),
    hold("add", "A", state.noHelp),
    hold("corners", "C"),
    hold("calibrate", "K", state.noCalibration),
    button("snap", "R", act.snap, { problem: state.noHelp }),
    button("delete", "Del", act.remove),
    button("undo", "Ctrl+Z", act.undo, { able: state.past > 0, sign: arrow("↶") }),
    button("redo", "Ctrl+Y", act.redo, { able: state.future > 0, sign: arrow("↷") }),
    button("fit", "0", act.fit),
    button("help", "?", act.keys)
  );
  if (focus) node.querySelector(`[data-tool="${focus}"]`)?.focus();
}
