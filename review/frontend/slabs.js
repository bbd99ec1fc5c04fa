// The slabs of a CT: scrolling left and right of the sheet, and the coronal strip that shows where.

import { getPixels } from "./api.js";
import { el, replace, speak, svg } from "./dom.js";
import { Film } from "./film.js";
import { number, t } from "./words.js";

const WHEEL = 60; // of wheel travel for a step
const AHEAD = 4; // steps fetched on either side of what is shown

// hooks: show(film, aside), failed(error)
export class Slabs {
  constructor(key, ct, first, hooks) {
    this.key = key;
    this.ct = ct;
    this.hooks = hooks;
    this.aside = 0;
    this.travel = 0;
    this.films = new Map([[0, Promise.resolve(first)]]);
    this.tone = first.tone;
    this.words = el("output", { class: "slab-place", for: "slab" });
    this.slider = el("input", {
      type: "range", id: "slab", min: String(-ct.aside), max: String(ct.aside), step: String(ct.step), value: "0",
      "aria-label": t("slab"),
      oninput: () => this.to(Number(this.slider.value)),
    });
    this.canvas = el("canvas", { class: "strip-film" });
    this.lines = svg("svg", { class: "strip-lines", "aria-hidden": "true" });
    this.node = el(
      "aside",
      { class: "slabs", "aria-label": t("slabs") },
      el("div", { class: "strip-sides", "aria-hidden": "true" }, el("span", { text: t("right_letter") }), el("span", { text: t("left_letter") })),
      el("div", { class: "coronal", role: "img", "aria-label": t("coronal") }, this.canvas, this.lines),
      el("div", { class: "slab-steps" }, this.button(-1, "‹", "slab_right"), this.slider, this.button(1, "›", "slab_left")),
      this.words
    );
    this.loadStrip();
    this.tell();
    this.fetchAround();
  }

  button(by, text, label) {
    return el("button", { class: "quiet", text, "aria-label": t(label), title: t(label), onclick: () => this.step(by) });
  }

  step(by) {
    this.to(this.aside + by * this.ct.step);
  }

  // Wheel travel in pixels; down goes to the patient's right, as leafing through a stack does.
  wheel(travel) {
    this.travel += travel;
    const steps = Math.trunc(this.travel / WHEEL);
    if (!steps) return;
    this.travel -= steps * WHEEL;
    this.step(-steps);
  }

  async to(aside) {
    const wanted = Math.max(-this.ct.aside, Math.min(this.ct.aside, aside));
    if (wanted === this.aside) return;
    this.aside = wanted;
    this.slider.value = String(wanted);
    this.tell();
    this.drawLines();
    try {
      const film = await this.film(wanted);
      if (this.aside !== wanted || this.closed) return;
      film.setTone(this.tone);
      this.hooks.show(film, wanted);
      this.fetchAround();
    } catch (error) {
      this.hooks.failed(error);
    }
  }

  film(aside) {
    let film = this.films.get(aside);
    if (!film) {
      film = getPixels(this.key, `pixels?aside=${aside}`).then((pixels) => new Film(pixels));
      film.catch(() => this.films.delete(aside));
      this.films.set(aside, film);
    }
    return film;
  }

  // What comes next is fetched beforehand, one after the other, so that leafing does not wait.
  async fetchAround() {
    if (this.fetching) return;
    this.fetching = true;
    try {
      for (let n = 1; n <= AHEAD && !this.closed; n += 1) {
        for (const side of [1, -1]) {
          const at = this.aside + side * n * this.ct.step;
          if (Math.abs(at) <= this.ct.aside) await this.film(at);
        }
      }
    } catch {
      // told when that slab is asked for
    }
    this.fetching = false;
  }

  tell() {
    const mm = number(Math.abs(this.aside), 0);
    const key = this.aside === 0 ? "slab_middle" : this.aside > 0 ? "slab_left_by" : "slab_right_by";
    this.words.textContent = t(key, { mm });
    this.slider.setAttribute("aria-valuetext", t(key, { mm }));
    if (this.told) speak(t(key, { mm }));
    this.told = true;
  }

  async loadStrip() {
    try {
      const strip = new Film(await getPixels(this.key, "strip"));
      if (this.closed) return;
      strip.develop();
      this.canvas.width = strip.columns;
      this.canvas.height = strip.rows;
      this.canvas.getContext("2d", { alpha: false }).drawImage(strip.picture, 0, 0);
      this.size = [strip.columns, strip.rows];
      this.lines.setAttribute("viewBox", `0 0 ${strip.columns} ${strip.rows}`);
      this.drawLines();
    } catch (error) {
      this.hooks.failed(error);
    }
  }

  // The sheet, the slab that is shown, and the names of the bodies.
  drawLines() {
    if (!this.size) return;
    const { path, mm, centres } = this.ct.strip;
    const line = (kind, by) => svg("polyline", { class: `strip-${kind}`, points: beside(path, by / mm).map((p) => p.join(",")).join(" ") });
    const names = centres.map(([level, x, y]) => svg("text", { x: x + 24, y: y + 4, class: "strip-name", text: level }));
    replace(this.lines, line("sheet", 0), this.aside ? line("slab", this.aside) : null, ...names);
  }

  close() {
    this.closed = true;
  }
}

// A line moved square to itself; the patient's left is to the right.
export function beside(path, by) {
  return path.map(([x, y], i) => {
    const [a, b] = [path[Math.max(i - 1, 0)], path[Math.min(i + 1, path.length - 1)]];
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const far = Math.hypot(dx, dy) || 1;
    return [Math.round((x + (by * dy) / far) * 10) / 10, Math.round((y - (by * dx) / far) * 10) / 10];
  });
}
