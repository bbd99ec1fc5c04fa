// What to do with a film, for who sees it first; gone once a point was moved or it was closed.

import { el } from "./dom.js";
import { t } from "./words.js";

const KEPT = "endplate-hint";

function known() {
  try {
    return localStorage.getItem(KEPT) === "seen";
  } catch {
    return false; // a browser that keeps nothing
  }
}

// null where it is known already.
export function hintNode(ct) {
  if (known()) return null;
  const close = el("button", { class: "quiet", id: "hint-close", "aria-label": t("hint_close"), title: t("hint_close"), text: "✕", onclick: () => hintSeen() });
  const parts = ["hint_drag", ct ? "hint_slabs" : "hint_zoom", "hint_sign"].map((key) => el("span", { text: t(key) }));
  return el("div", { class: "how", id: "hint", role: "note" }, ...parts, close);
}

export function hintSeen() {
  document.getElementById("hint")?.remove();
  try {
    localStorage.setItem(KEPT, "seen");
  } catch {
    // as above
  }
}
