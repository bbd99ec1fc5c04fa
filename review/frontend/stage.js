// The film with its overlay and loupe: what the pointer does to them.

import { el, rem, svg } from "./dom.js";
import { fitCanvas } from "./film.js";
import { marked, nearestPoint } from "./model.js";
import { drawOverlay } from "./overlay.js";
import { fit, fitBox, pan, toFilm, zoomAt } from "./view.js";

const LOUPE = 12.7; // letters across
const REACH = 0.93;

export class Stage {
  // hooks: doc(), chosen(), options(), tool(), onChoose(chosen), onDrag(at, point, place),
  // onDragEnd(), onClick(place), onTone(change), onScroll(step): true if it was used
  constructor(hooks) {
    this.hooks = hooks;
    this.film = null;
    this.view = { zoom: 1, aspect: 1, x: 0, y: 0 };
    this.pointer = null;
    this.canvas = el("canvas", { class: "film" });
    this.marks = svg("svg", { class: "marks", "aria-hidden": "true" });
    this.loupeSize = rem(LOUPE);
    this.loupe = el("canvas", { class: "loupe", width: this.loupeSize * 2, height: this.loupeSize * 2 });
    this.loupe.hidden = true;
    this.node = el(
      "div",
      {
        class: "stage",
        tabindex: "0",
        role: "application",
        onpointerdown: (e) => this.onDown(e),
        onpointermove: (e) => this.onMove(e),
        onpointerup: (e) => this.onUp(e),
        onpointercancel: (e) => this.onUp(e),
        onpointerleave: () => this.leave(),
        oncontextmenu: (e) => e.preventDefault(),
        ondblclick: (e) => this.hooks.tool() === "move" && !this.near(this.at(e)) && this.whole(),
      },
      this.canvas,
      this.marks,
      this.loupe
    );
    this.node.addEventListener("wheel", (e) => this.onWheel(e), { passive: false });
    this.watch = new ResizeObserver(() => this.resized());
    this.watch.observe(this.node);
    this.context = this.canvas.getContext("2d", { alpha: false });
  }

  close() {
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
  }

  show(film, aspect) {
    this.film = film;
    this.aspect = aspect;
    this.spine();
    this.paint(); // at once: what was asked for is there when this returns
  }

  // Another picture of the same size in the same view: the next slab of a CT.
  swap(film) {
    this.film = film;
    this.redraw();
  }

  whole() {
    if (!this.film) return;
    const { width, height } = fitCanvas(this.canvas);
    this.view = fit(this.film.columns, this.film.rows, width, height, this.aspect);
    this.redraw();
  }

  // The part of the film that is marked, for points are small on a film of the whole spine.
  spine() {
    const around = marked(this.hooks.doc());
    if (!this.film || !around) {
      this.whole();
      return;
    }
    const { width, height } = fitCanvas(this.canvas);
    const { columns, rows } = this.film;
    this.view = fitBox(around, [columns, rows], width, height, fit(columns, rows, width, height, this.aspect));
    this.redraw();
  }

  // The whole film, and if that is what is shown, the marked part of it.
  wholeOrSpine() {
    if (!this.film) return;
    const { width, height } = fitCanvas(this.canvas);
    const all = fit(this.film.columns, this.film.rows, width, height, this.aspect);
    const shown = ["zoom", "x", "y"].every((k) => Math.abs(all[k] - this.view[k]) < 0.5);
    if (shown) this.spine();
    else this.whole();
  }

  resized() {
    if (!this.film) return;
    const before = [this.canvas.width, this.canvas.height];
    const { width, height, ratio } = fitCanvas(this.canvas);
    const dx = (width - before[0] / ratio) / 2, dy = (height - before[1] / ratio) / 2;
    this.view = pan(this.view, dx, dy);
    this.paint();
  }

  zoom(factor) {
    const box = this.node.getBoundingClientRect();
    this.view = zoomAt(this.view, factor, [box.width / 2, box.height / 2]);
    this.redraw();
  }

  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  paint() {
    if (!this.film) return;
    const { ratio } = fitCanvas(this.canvas);
    // While a point is dragged the film stays as it is.
    const look = [this.film, this.film.version, this.view, this.canvas.width, this.canvas.height];
    if (!this.look || look.some((x, i) => x !== this.look[i])) this.film.draw(this.context, this.view, ratio);
    this.look = look;
    drawOverlay(this.marks, this.hooks.doc(), this.view, this.hooks.chosen(), { ...this.hooks.options(), cross: this.cross && this.hooks.tool() !== "move" ? this.pointer : null });
    this.paintLoupe();
  }

  // Bring a point into sight if it is not.
  reveal(point) {
    const { width, height } = fitCanvas(this.canvas);
    const x = (point[0] + 0.5) * this.view.zoom + this.view.x;
    const y = (point[1] + 0.5) * this.view.zoom * this.view.aspect + this.view.y;
    const edge = 40;
    const dx = x < edge ? edge - x : x > width - edge ? width - edge - x : 0;
    const dy = y < edge ? edge - y : y > height - edge ? height - edge - y : 0;
    if (dx || dy) this.view = pan(this.view, dx, dy);
    this.redraw();
  }

  // For who has no pointer: a cross moved by keys, which clicks where it stands.
  moveCross(dx, dy) {
    const box = this.node.getBoundingClientRect();
    const [x, y] = this.pointer || [box.width / 2, box.height / 2];
    this.pointer = [Math.min(Math.max(x + dx, 0), box.width), Math.min(Math.max(y + dy, 0), box.height)];
    this.cross = true;
    this.redraw();
  }

  clickCross() {
    if (!this.cross) this.moveCross(0, 0);
    this.hooks.onClick(toFilm(this.view, this.pointer));
  }

  panBy(dx, dy) {
    this.view = pan(this.view, dx, dy);
    this.redraw();
  }

  at(event) {
    const box = this.node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  near(screen) {
    if (!this.hooks.options().marks) return null;
    const [x, y] = toFilm(this.view, screen);
    return nearestPoint(this.hooks.doc(), x, y, rem(REACH) / this.view.zoom);
  }

  onDown(event) {
    if (!this.film) return;
    this.node.focus({ preventScroll: true });
    const screen = this.at(event);
    const clicking = this.hooks.tool() !== "move" && event.button === 0;
    this.drag = { kind: "pan", from: screen, last: screen, moved: false };
    if (event.button === 2) this.drag.kind = "tone";
    else if (clicking) this.drag.kind = "click";
    else if (event.button === 0) {
      const found = this.near(screen);
      if (found) {
        const place = this.hooks.doc().vertebrae[found.at].points[found.point];
        const film = toFilm(this.view, screen);
        this.drag = { ...this.drag, ...found, kind: "point", offset: [place[0] - film[0], place[1] - film[1]] };
        this.hooks.onChoose(found);
      }
    }
    this.node.setPointerCapture(event.pointerId);
    this.pointer = screen;
    this.redraw();
  }

  onMove(event) {
    const screen = this.at(event);
    this.pointer = screen;
    this.cross = false;
    const { drag } = this;
    if (!drag) {
      this.node.classList.toggle("over-point", this.hooks.tool() === "move" && Boolean(this.film && this.near(screen)));
      if (this.hooks.options().loupe) this.redraw();
      return;
    }
    const [dx, dy] = [screen[0] - drag.last[0], screen[1] - drag.last[1]];
    drag.last = screen;
    drag.moved ||= Math.hypot(screen[0] - drag.from[0], screen[1] - drag.from[1]) > 2;
    if (drag.kind === "point" && drag.moved) {
      const [x, y] = toFilm(this.view, screen);
      this.hooks.onDrag(drag.at, drag.point, [x + drag.offset[0], y + drag.offset[1]]);
    } else if (drag.kind === "tone") {
      const { tone, auto } = this.film;
      const width = Math.max(2, tone.width * Math.exp(dx / 250));
      this.hooks.onTone({ width, level: tone.level - (dy / 500) * auto.width });
    } else if (drag.kind === "pan" || (drag.kind === "click" && drag.moved)) {
      this.view = pan(this.view, dx, dy);
    }
    this.redraw();
  }

  onUp(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag || !this.film) return;
    if (drag.kind === "point" && drag.moved) this.hooks.onDragEnd();
    if (drag.kind === "click" && !drag.moved && event.type === "pointerup") {
      this.hooks.onClick(toFilm(this.view, this.at(event)));
    }
    this.redraw();
  }

  leave() {
    if (this.drag) return;
    this.pointer = null;
    this.redraw();
  }

  onWheel(event) {
    event.preventDefault();
    if (!this.film) return;
    const step = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
    if (this.hooks.onScroll && !event.ctrlKey && !event.shiftKey && this.hooks.onScroll(step)) return;
    this.view = zoomAt(this.view, Math.exp(-step / 500), this.at(event));
    this.redraw();
  }

  // A round magnifier beside the pointer: while a point is dragged or a place is to be clicked.
  paintLoupe() {
    const drag = this.drag && this.drag.kind === "point" && this.drag.moved;
    const wanted = this.pointer && (drag || this.hooks.options().loupe || this.hooks.tool() !== "move");
    this.loupe.hidden = !wanted;
    if (!wanted) return;
    let focus = toFilm(this.view, this.pointer);
    if (drag) focus = this.hooks.doc().vertebrae[this.drag.at].points[this.drag.point];
    const zoom = Math.max(this.view.zoom * 3, 2.5);
    const size = this.loupeSize;
    const half = size / 2;
    const view = {
      zoom,
      aspect: this.view.aspect,
      x: half - (focus[0] + 0.5) * zoom,
      y: half - (focus[1] + 0.5) * zoom * this.view.aspect,
    };
    const pen = this.loupe.getContext("2d", { alpha: false });
    this.film.draw(pen, view, 2);
    pen.setTransform(2, 0, 0, 2, 0, 0);
    pen.strokeStyle = "rgba(255, 214, 92, 0.9)";
    pen.lineWidth = 1;
    pen.beginPath();
    for (const [a, b] of [[0, half - 8], [half + 8, size]]) {
      pen.moveTo(a, half);
      pen.lineTo(b, half);
      pen.moveTo(half, a);
      pen.lineTo(half, b);
    }
    pen.stroke();
    const box = this.node.getBoundingClientRect();
    const gap = 26;
    const [px, py] = this.pointer;
    const left = px - size - gap > 0 ? px - size - gap : px + gap;
    const top = py - size - gap > 0 ? py - size - gap : py + gap;
    this.loupe.style.left = `${Math.min(left, box.width - size)}px`;
    this.loupe.style.top = `${Math.min(top, box.height - size)}px`;
  }
}
