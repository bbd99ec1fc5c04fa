// The keys of the film page.

import { showKeys } from "./keys.js";
import * as model from "./model.js";

export function onFilmKey(viewer, event) {
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  let run = null;
  if (command && key === "Enter") run = () => viewer.signBar.sign(true);
  else if (command && key === "z") run = () => viewer.step(event.shiftKey ? model.redo : model.undo);
  else if (command && key === "y") run = () => viewer.step(model.redo);
  else if (!command && !event.altKey && !keeps(event.target, key)) run = onStage(viewer, event, key) || PLAIN[key];
  if (!run) return;
  event.preventDefault();
  run(viewer);
}

// Whether a field needs the key itself: text all of them, sliders and boxes only what moves them.
function keeps(target, key) {
  if (target.tagName === "INPUT" && target.type === "range") return /^(Arrow|Page|Home|End)/.test(key);
  if (target.tagName === "INPUT" && target.type === "checkbox") return key === " ";
  return ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName);
}

// What a key does while the film has the focus, null if nothing of its own.
function onStage(viewer, event, key) {
  const film = event.target === viewer.stage.node;
  if (!film && event.target !== document.body) return null;
  const far = event.shiftKey ? 1 : 0.1;
  const arrows = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] };
  if (key in arrows) return () => viewer.arrow(arrows[key], event.shiftKey);
  if (viewer.tool !== "move" && (key === "Enter" || key === " ")) return () => viewer.stage.clickCross();
  if (key !== "Tab" || !film) return null;
  // At either end Tab leaves the film, so that no keyboard user is caught in it.
  const by = event.shiftKey ? -1 : 1;
  const to = model.stepPoint(viewer.doc, viewer.chosen, by);
  const order = (c) => (c ? c.at * 6 + c.point : by > 0 ? -1 : Infinity);
  if (!to || (order(to) - order(viewer.chosen)) * by <= 0) return null;
  return () => viewer.walk(by);
}

const PLAIN = {
  n: (v) => v.walk(1),
  p: (v) => v.walk(-1),
  "+": (v) => v.stage.zoom(1.25),
  "=": (v) => v.stage.zoom(1.25),
  "-": (v) => v.stage.zoom(0.8),
  0: (v) => v.stage.wholeOrSpine(),
  v: (v) => v.tools.take("move"),
  a: (v) => v.tools.take("add"),
  c: (v) => v.tools.take("corners"),
  k: (v) => v.tools.take("calibrate"),
  r: (v) => v.tools.snap(),
  Delete: (v) => v.removeBody(v.chosen?.at),
  "[": (v) => v.shift(-1),
  "]": (v) => v.shift(1),
  i: (v) => v.setTone({ invert: !v.picture?.tone.invert }),
  e: (v) => v.setOptions({ ellipses: !v.options.ellipses }),
  h: (v) => v.setOptions({ marks: !v.options.marks }),
  l: (v) => v.setOptions({ loupe: !v.options.loupe }),
  "?": () => showKeys(),
  ",": (v) => v.slabs?.step(-1),
  ".": (v) => v.slabs?.step(1),
  PageDown: (v) => v.app.goFilm(v.key, 1),
  PageUp: (v) => v.app.goFilm(v.key, -1),
  Escape: (v) => (v.tool !== "move" ? v.tools.take("move") : v.app.go("#/")),
};
