// Making elements without markup in strings, so that no text from outside can become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else if (name in node && typeof value !== "string" && !(node instanceof SVGElement)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

export function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function replace(node, ...children) {
  node.replaceChildren(...children.filter((x) => x !== null && x !== undefined));
}

// Lengths in letters of the page, in pixels: 15 to the letter, more on screens of many pixels.
export function rem(letters) {
  return Math.round(letters * parseFloat(getComputedStyle(document.documentElement).fontSize));
}

// Tell a screen reader; said again only if it differs.
export function speak(text) {
  const place = document.getElementById("spoken");
  if (place.textContent !== text) place.textContent = text;
}

export function toast(text, kind = "good") {
  const note = el("div", { class: `toast ${kind}`, text });
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), kind === "bad" ? 7000 : 3500);
}

// A modal question; resolves with the value of the button pressed, "" for none.
export function ask({ title, body = [], buttons }) {
  return new Promise((resolve) => {
    const heading = el("h2", { id: "dialog-title", text: title });
    const row = el("div", { class: "dialog-buttons" });
    const form = el("form", { method: "dialog" }, heading, ...body, row);
    const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
    for (const [value, text, kind] of buttons) {
      // Enter in a field presses the first button that submits: not the one that means no.
    const none = { type: "button", onclick: () => dialog.close("") };
    row.append(el("button", { value, class: kind || "", ...(value ? {} : none), text }));
    }
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
