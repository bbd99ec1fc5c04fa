// A small curve over time with 90 % intervals.

import { rem, svg } from "./dom.js";
import { day, quantity } from "./words.js";


function ticks(low, high) {
  const rough = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const out = [];
  for (let v = Math.ceil(low / step) * step; v <= high + 1e-9; v += step) out.push(v);
  return out;
}

// points: [{ time, label, m }] with m a measurement; reference: index or -1; size in pixels.
export function chart(points, unit, reference, label, [W, H]) {
  const letter = rem(0.8);
  const PAD = { left: 4.8 * letter, right: 1.7 * letter, top: 1.2 * letter, bottom: 2.6 * letter };
  const times = points.map((p) => p.time);
  const [t0, t1] = [Math.min(...times), Math.max(...times)];
  const values = points.flatMap((p) => [p.m.value, ...(p.m.interval90 || [])]);
  const spread = Math.max(...values) - Math.min(...values) || 1;
  const [low, high] = [Math.min(...values) - 0.08 * spread, Math.max(...values) + 0.08 * spread];
  const x = (time) => PAD.left + ((time - t0) / (t1 - t0 || 1)) * (W - PAD.left - PAD.right) * (t1 > t0 ? 1 : 0);
  const y = (value) => H - PAD.bottom - ((value - low) / (high - low)) * (H - PAD.top - PAD.bottom);
  const root = svg("svg", { class: "chart", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label });
  for (const v of ticks(low, high)) {
    root.append(
      svg("line", { class: "grid", x1: PAD.left, x2: W - PAD.right, y1: y(v), y2: y(v) }),
      svg("text", { x: PAD.left - 8, y: y(v) + letter / 3, "text-anchor": "end", text: quantity(v, unit) })
    );
  }
  if (reference >= 0) {
    const level = y(points[reference].m.value);
    root.append(svg("line", { class: "reference", x1: PAD.left, x2: W - PAD.right, y1: level, y2: level }));
  }
  root.append(svg("polyline", { class: "course", points: points.map((p) => `${x(p.time)},${y(p.m.value)}`).join(" ") }));
  let free = -Infinity; // where the last date ends, so that none is written over another
  points.forEach((p, i) => {
    const [px, py] = [x(p.time), y(p.m.value)];
    if (p.m.interval90) {
      root.append(svg("line", { class: "bar", x1: px, x2: px, y1: y(p.m.interval90[0]), y2: y(p.m.interval90[1]) }));
    }
    root.append(
      svg("circle", { class: i === reference ? "dot reference" : "dot", cx: px, cy: py, r: 0.38 * letter }, svg("title", { text: `${p.label}: ${quantity(p.m.value, unit)}` }))
    );
    const anchor = i === 0 ? "start" : i === points.length - 1 ? "end" : "middle";
    const wide = 7 * letter;
    const left = px - { start: 0, middle: wide / 2, end: wide }[anchor];
    if (left > free) {
      root.append(svg("text", { x: px, y: H - 0.7 * letter, "text-anchor": anchor, text: day(p.label) }));
      free = left + wide;
    }
  });
  return root;
}
