// A film on a canvas: grey values once through the table of tones, then drawn at any zoom.

import { autoWindow, paint, sharpen, table } from "./tone.js";

export class Film {
  constructor(pixels) {
    this.pixels = pixels;
    this.auto = pixels.window || autoWindow(pixels);
    this.tone = { ...this.auto, invert: false, sharpening: 0 };
    this.picture = new OffscreenCanvas(pixels.columns, pixels.rows);
    this.pen = this.picture.getContext("2d", { alpha: false });
    this.image = this.pen.createImageData(pixels.columns, pixels.rows);
    this.words = new Uint32Array(this.image.data.buffer);
    this.values = pixels.values;
    this.sharpened = 0;
    this.dirty = true;
    this.version = 0; // of what it looks like
  }

  get columns() {
    return this.pixels.columns;
  }

  get rows() {
    return this.pixels.rows;
  }

  setTone(change) {
    this.tone = { ...this.tone, ...change };
    this.dirty = true;
    this.version += 1;
  }

  develop() {
    if (!this.dirty) return;
    const { sharpening } = this.tone;
    if (sharpening !== this.sharpened) {
      const radius = Math.max(1, Math.round(this.columns / 500));
      this.values = sharpen(this.pixels, sharpening, radius);
      this.sharpened = sharpening;
    }
    paint(this.values, table(this.pixels.bits, this.tone), this.words);
    this.pen.putImageData(this.image, 0, 0);
    this.dirty = false;
  }

  // Draw into a context whose unit is a CSS pixel times `ratio`.
  draw(context, view, ratio) {
    this.develop();
    const { width, height } = context.canvas;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#05080a";
    context.fillRect(0, 0, width, height);
    const x = view.zoom * ratio, y = view.zoom * view.aspect * ratio;
    context.imageSmoothingEnabled = view.zoom * ratio < 6;
    context.imageSmoothingQuality = view.zoom * ratio < 0.5 ? "medium" : "low";
    // Only the part in sight is drawn, whatever the zoom.
    const left = Math.max(0, Math.floor(-view.x / view.zoom) - 1);
    const top = Math.max(0, Math.floor(-view.y / (view.zoom * view.aspect)) - 1);
    const right = Math.min(this.columns, Math.ceil((width / ratio - view.x) / view.zoom) + 1);
    const bottom = Math.min(
      this.rows,
      Math.ceil((height / ratio - view.y) / (view.zoom * view.aspect)) + 1
    );
    if (right <= left || bottom <= top) return;
    context.setTransform(x, 0, 0, y, view.x * ratio, view.y * ratio);
    const [w, h] = [right - left, bottom - top];
    context.drawImage(this.picture, left, top, w, h, left, top, w, h);
  }
}

// Fit a canvas to its box at the screen's own resolution; returns CSS size and ratio.
export function fitCanvas(canvas) {
  const box = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(box.width * ratio));
  const height = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return { width: box.width, height: box.height, ratio };
}
