// Films of one subject side by side, moved together, with the curve of a measure.

import { getJson } from "./api.js";
import { chart } from "./chart.js";
import { el, rem, replace, svg } from "./dom.js";
import { fitCanvas } from "./film.js";
import { measureName } from "./measures.js";
import { centre, depth } from "./model.js";
import { bodyPaths } from "./overlay.js";
import { centred, toScreen } from "./view.js";
import { day, quantity, t } from "./words.js";

const NINETY = 1.645; // standard errors on either side of a 90 % interval
const DEPTHS = 4.2; // body depths across a pane at first

export class FollowUp {
  constructor(app, key) {
    this.app = app;
    this.key = key;
    this.shared = { zoom: 1, dx: 0, dy: 0 }; // dx, dy in body depths
    this.panes = [];
    this.node = el("main", { class: "followup" });
    this.load();
  }

  close() {
    this.closed = true;
    this.watch?.disconnect();
  }

  async load() {
    try {
      this.data = await getJson(`api/films/${this.key}/timeline`);
      if (this.closed) return;
      this.level = this.data.index_level || this.data.levels[0] || "";
      [this.measure] = this.data.measures;
      this.shown = "value";
      this.reference = Math.max(0, this.data.films.findIndex((f) => f.treated));
      this.build();
      document.body.dataset.ready = this.key;
    } catch (error) {
      this.app.failed(error);
    }
  }

  build() {
    const { data } = this;
    const select = (id, label, values, value, change) => {
      const input = el("select", { id, onchange: (e) => change(e.target.value) }, ...values.map(([v, text]) => el("option", { value: v, text })));
      input.value = value;
      return el("label", { class: "inline" }, label, " ", input);
    };
    const name = (f) => (f.date ? day(f.date) : f.name);
    const controls = el(
      "div",
      { class: "list-bar" },
      el("h1", { text: t("followup_of", { subject: data.subject || data.films[0].name }) }),
      select("follow-level", t("level"), data.levels.map((x) => [x, x]), this.level, (x) => this.set({ level: x })),
      select("follow-measure", t("measure"), data.measures.map((x) => [x, measureName(x, this.app.session)]), this.measure, (x) => this.set({ measure: x })),
      select("follow-reference", t("reference"), data.films.map((f, i) => [String(i), name(f)]), String(this.reference), (x) => this.set({ reference: Number(x) })),
      select("follow-shown", t("shown"), [["value", t("show_value")], ["change", t("show_change")]], this.shown, (x) => this.set({ shown: x })),
      data.films.length < 2 ? el("p", { class: "hint", text: t("followup_one") }) : null
    );
    this.strip = el("div", { class: "strip" });
    this.curve = el("div", { class: "curve" });
    replace(this.node, controls, this.strip, this.curve);
    this.panes = data.films.map((film) => this.pane(film, name(film)));
    replace(this.strip, ...this.panes.map((p) => p.node));
    this.watch = new ResizeObserver(() => {
      this.draw();
      this.drawCurve();
    });
    this.watch.observe(this.strip);
    this.set({});
  }

  pane(film, title) {
    const pane = { film, canvas: el("canvas"), marks: svg("svg", { class: "marks", "aria-hidden": "true" }) };
    pane.value = el("span", { class: "value" });
    pane.change = el("span", { class: "change" });
    const area = el(
      "div",
      {
        class: "pane-film",
        tabindex: "0",
        role: "img",
        "aria-label": `${title} ${film.name}`,
        onpointerdown: (e) => {
          pane.from = [e.clientX, e.clientY];
          area.setPointerCapture(e.pointerId);
        },
        onpointermove: (e) => pane.from && this.panBy(pane, e),
        onpointerup: () => (pane.from = null),
        onkeydown: (e) => this.onKey(e),
      },
      pane.canvas,
      pane.marks
    );
    area.addEventListener("wheel", (e) => {
      e.preventDefault();
      this.zoomBy(Math.exp(-e.deltaY / 500));
    }, { passive: false });
    pane.node = el(
      "section",
      { class: "pane" },
      el("header", {}, el("strong", { text: title }), el("small", { text: film.position ? t(`position_${film.position}`) : "" }), el("span", { class: `status ${film.signed ? "signed" : film.status}`, text: t(`status_${film.signed ? "signed" : film.status}`) })),
      area,
      el("footer", {}, pane.value, pane.change, el("button", { class: "quiet", text: t("open_film", { name: "" }), "aria-label": t("open_film", { name: film.name }), onclick: () => this.app.go(`#/film/${film.key}`) }))
    );
    if (film.found) {
      this.app.pixels(film.key).then((picture) => {
        pane.picture = picture;
        this.draw();
      }, () => {});
    }
    return pane;
  }

  set(change) {
    Object.assign(this, change);
    this.shared = change.level ? { zoom: 1, dx: 0, dy: 0 } : this.shared;
    this.draw();
    this.drawCurve();
  }

  zoomBy(factor) {
    this.shared.zoom = Math.min(12, Math.max(0.15, this.shared.zoom * factor));
    this.draw();
  }

  panBy(pane, event) {
    const scale = pane.unit || 100;
    this.shared.dx += (event.clientX - pane.from[0]) / scale;
    this.shared.dy += (event.clientY - pane.from[1]) / scale;
    pane.from = [event.clientX, event.clientY];
    this.draw();
  }

  onKey(event) {
    const step = 0.15 / this.shared.zoom;
    const move = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (move) {
      event.preventDefault();
      this.shared.dx += move[0];
      this.shared.dy += move[1];
      this.draw();
    } else if (event.key === "+" || event.key === "=") this.zoomBy(1.2);
    else if (event.key === "-") this.zoomBy(1 / 1.2);
  }

  draw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.panes.forEach((p) => this.drawPane(p));
    });
  }

  drawPane(pane) {
    const { film } = pane;
    const { width, height, ratio } = fitCanvas(pane.canvas);
    const focus = film.vertebrae.find((v) => v.level === this.level) || film.vertebrae[Math.floor(film.vertebrae.length / 2)];
    const middle = (focus && centre(focus)) || [film.columns / 2, film.rows / 2];
    const unit = (focus && depth(focus)) || film.columns / 8;
    const zoom = ((Math.min(width, height) / DEPTHS) * this.shared.zoom) / unit;
    pane.unit = unit * zoom;
    const at = [width / 2 + this.shared.dx * pane.unit, height / 2 + this.shared.dy * pane.unit];
    const view = centred(middle, at, zoom);
    if (pane.picture) pane.picture.draw(pane.canvas.getContext("2d", { alpha: false }), view, ratio);
    const bodies = film.vertebrae.map((v) => {
      const paths = bodyPaths(v.points.map((p) => p && toScreen(view, p).map((x) => Math.round(x * 10) / 10)));
      const group = svg("g", { class: v.level === this.level ? "body mine" : "body" });
      group.append(
        svg("path", { class: "wall", d: paths.walls }),
        svg("path", { class: "endplate superior", d: paths.superior }),
        svg("path", { class: "endplate inferior", d: paths.inferior })
      );
      const c = centre(v);
      if (c) {
        const [x, y] = toScreen(view, c);
        group.append(svg("text", { class: "name", x: x.toFixed(1), y: (y + 5).toFixed(1), "text-anchor": "middle", text: v.level }));
      }
      return group;
    });
    replace(pane.marks, ...bodies);
  }

  valueOf(film) {
    return film.measurements.find((m) => m.name === this.measure && m.level === this.level) || null;
  }

  // Of the curve in pixels: all the width, as high as style.css has it.
  chartSize() {
    const wide = this.curve.clientWidth || rem(60);
    return [wide, Math.min(rem(15.5), 0.32 * window.innerHeight)];
  }

  drawCurve() {
    const reference = this.valueOf(this.data.films[this.reference]);
    for (const pane of this.panes) {
      const m = this.valueOf(pane.film);
      pane.value.textContent = m ? quantity(m.value, m.unit) : "–";
      const far = m && reference && pane.film !== this.data.films[this.reference];
      pane.change.textContent = far ? `${m.value >= reference.value ? "+" : ""}${quantity(m.value - reference.value, m.unit)} ${t("loss_since")}` : "";
    }
    const known = this.data.films.map((film, i) => ({ film, i, m: this.valueOf(film) })).filter((x) => x.m);
    const dated = known.every((x) => /^\d{8}|^\d{4}-/.test(x.film.date));
    const points = known.map((x) => ({
      time: dated ? Date.parse(x.film.date.replace(/^(\d{4})-?(\d{2})-?(\d{2}).*/, "$1-$2-$3")) : x.i,
      label: x.film.date || x.film.name,
      m: x.m,
    }));
    let at = known.findIndex((x) => x.i === this.reference);
    const values = { measure: measureName(this.measure, this.app.session), level: this.level };
    let label = t("curve_of", values);
    let drawn = points;
    if (this.shown === "change" && at >= 0) {
      label = t("change_of", { ...values, date: day(points[at].label) });
      drawn = changes(points.slice(at));
      at = 0;
    }
    replace(
      this.curve,
      el("h2", { text: label }),
      drawn.length ? chart(drawn, drawn[0].m.unit, at, label, this.chartSize()) : el("p", { class: "hint", text: t("no_measures") })
    );
  }
}

// Changes from the first point on; the errors of two films are independent of each other.
export function changes(points) {
  const [first] = points;
  return points.map((p, i) => {
    const value = p.m.value - first.m.value;
    const half = i && p.m.se && first.m.se ? NINETY * Math.hypot(p.m.se, first.m.se) : 0;
    const interval90 = half ? [value - half, value + half] : null;
    return { ...p, m: { ...p.m, value, interval90 } };
  });
}
