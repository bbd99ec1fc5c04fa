// The list of keys.

import { ask, el } from "./dom.js";
import { t } from "./words.js";

const KEYS = ["points", "nudge", "cross", "undo", "zoom", "pan", "window", "show", "add", "snap", "slabs", "shift", "sign", "films", "leave"];

export function showKeys() {
  const rows = KEYS.map((name) => {
    const [keys, does] = t(`key_${name}`).split("|");
    return el("tr", {}, el("th", { scope: "row", text: keys }), el("td", { text: does }));
  });
  return ask({
    title: t("keys_title"),
    body: [el("table", { class: "keys" }, el("tbody", {}, ...rows))],
    buttons: [["", t("close"), "primary"]],
  });
}
