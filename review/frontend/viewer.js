// The film page: the state of the edit, and what shows it.

import { getJson } from "./api.js";
import { el, replace, speak, toast } from "./dom.js";
import { onFilmKey } from "./film_keys.js";
import { FilmTools } from "./film_tools.js";
import { hintNode, hintSeen } from "./hint.js";
import { showKeys } from "./keys.js";
import { worst } from "./measures.js";
import { Measuring } from "./measuring.js";
import * as model from "./model.js";
import { Side } from "./side.js";
import { SignBar } from "./signbar.js";
import { Slabs } from "./slabs.js";
import { Stage } from "./stage.js";
import { drawToolbar } from "./toolbar.js";
import { moment, reason, refusal, t } from "./words.js";

export class Viewer {
  // app: { session, neighbours(key), go(hash), signedRow(row), nextToDo(key), list() }
  constructor(app, key) {
    this.app = app;
    this.key = key;
    this.session = app.session;
    this.chosen = null;
    this.options = app.options;
    this.tools = new FilmTools(this);
    this.measuring = new Measuring(this);
    this.signBar = new SignBar(this);
    this.measured = { measurements: [], start: [], error: "" };
    this.side = new Side(this);
    this.stage = new Stage({
      doc: () => this.doc,
      chosen: () => this.chosen,
      options: () => ({ ...this.options, clicks: this.tools.clicks, aside: this.aside }),
      tool: () => this.tool,
      onChoose: (chosen) => this.choose(chosen),
      onDrag: (at, point, place) => this.dragTo(at, point, place),
      onDragEnd: () => this.dragged(),
      onClick: (place) => this.tools.clicked(place),
      onTone: (change) => this.setTone(change),
      onScroll: (travel) => this.scroll(travel),
    });
    this.history = model.begin({ vertebrae: [], spacing_mm: null, position: null, index_level: null });
    this.build();
    this.load();
  }

  get doc() {
    return this.live || this.history.now;
  }

  get tool() {
    return this.tools.now;
  }

  get dirty() {
    return this.film && (this.history.now !== this.start || this.signBar.dirty);
  }

  // ---- page -------------------------------------------------------------------------------

  build() {
    this.title = el("h1", { class: "film-title" });
    this.about = el("p", { class: "film-about" });
    this.reasons = el("ul", { class: "reasons" });
    this.prompt = el("p", { class: "prompt", role: "status" });
    this.prompt.hidden = true;
    this.toolbar = el("div", { class: "tools", role: "toolbar", "aria-label": t("tools"), "aria-orientation": "vertical" });
    this.node = el(
      "main",
      { class: "viewer", onkeydown: (e) => onFilmKey(this, e) },
      this.toolbar,
      (this.box = el("div", { class: "stage-box" }, (this.room = el("div", { class: "stage-room" }, this.stage.node, this.prompt)))),
      el("aside", { class: "side" }, el("header", {}, this.title, this.about, this.reasons), this.side.tabs, this.side.panel, this.signBar.node)
    );
    this.drawTools();
    this.side.drawTabs();
  }

  onBodyKey(event) {
    onFilmKey(this, event);
  }

  close() {
    this.closed = true;
    this.slabs?.close();
    this.stage.close();
  }

  // On a CT: how many mm to the patient's left of the sheet the slab on the screen lies.
  get aside() {
    return this.slabs ? this.slabs.aside : 0;
  }

  // Why the networks do not help with this film, "" if they do.
  get noHelp() {
    return this.session.assist || this.film?.assist || "";
  }

  async load() {
    const row = this.app.list().find((r) => r.key === this.key);
    this.say(t(row?.modality === "CT" ? "loading_ct" : "loading"));
    try {
      const [film, pixels] = await Promise.all([
        getJson(`api/films/${this.key}`),
        this.app.pixels(this.key).catch((e) => ({ error: e })),
      ]);
      if (this.closed) return;
      this.film = film;
      this.start = model.docOf(film);
      this.history = model.begin(this.start);
      this.measured = { measurements: film.measurements, start: film.measurements, error: "" };
      this.level = film.index_level || worst(film.measurements, film.vertebrae.map((v) => v.level));
      if (pixels.error) this.say(film.found ? refusal(pixels.error.message) : t("film_missing"), true);
      else {
        this.picture = pixels;
        if (film.inverted) this.picture.setTone({ invert: true });
        this.stage.show(this.picture, film.aspect);
        this.showHint();
        this.showSlabs();
        this.say("");
      }
      if (this.session.blinded && !film.signed && this.tool === "move") this.tools.take("corners");
      this.stage.node.focus({ preventScroll: true });
      this.drawAll();
      performance.mark("endplate-drawn");
      document.body.dataset.ready = this.key;
      this.app.prefetch(this.key);
    } catch (error) {
      this.app.failed(error);
    }
  }

  showHint() {
    this.hint?.remove();
    this.hint = this.session.blinded || !this.doc.vertebrae.length ? null : hintNode(this.film.ct);
    if (this.hint) this.room.append(this.hint);
  }

  // Beside a CT: the coronal strip and what scrolls through the slabs.
  showSlabs() {
    const before = this.aside;
    this.slabs?.close();
    this.slabs?.node.remove();
    this.slabs = null;
    if (!this.film.ct) return;
    this.slabs = new Slabs(this.key, this.film.ct, this.picture, {
      show: (film) => {
        this.picture = film;
        this.stage.swap(film);
      },
      failed: (error) => this.app.failed(error),
    });
    this.box.append(this.slabs.node);
    if (before) this.slabs.to(before);
  }

  scroll(travel) {
    this.slabs?.wheel(travel);
    return Boolean(this.slabs);
  }

  say(text, bad = false) {
    this.prompt.hidden = !text;
    this.prompt.classList.toggle("bad", bad);
    this.prompt.textContent = text;
  }

  drawAll() {
    this.drawHead();
    this.drawTools();
    this.side.drawTabs();
    this.side.draw();
    this.signBar.draw();
    this.stage.node.setAttribute("aria-label", t("film_view", { n: this.doc.vertebrae.length }));
    this.stage.redraw();
  }

  drawHead() {
    const { film } = this;
    const row = this.app.list().find((r) => r.key === this.key);
    this.title.textContent = this.session.blinded ? t("film_n", { n: row ? row.name : "" }) : film.name;
    const status = film.signed ? "signed" : this.session.blinded ? "blinded" : film.status;
    const who = film.reader_kind === "person" ? "signed_by" : "read_by";
    const facts = [film.subject, this.session.blinded ? "" : t(who, { name: film.reader, time: moment(film.created) })];
    replace(this.about, el("span", { class: `status ${status}`, text: t(`status_${status}`) }), " ", facts.filter(Boolean).join(" · "));
    replace(this.reasons, ...film.reasons.map((r) => el("li", { text: reason(r) })));
    // What scrolls must be reached by keys.
    this.reasons.tabIndex = this.reasons.scrollHeight > this.reasons.clientHeight ? 0 : -1;
  }

  drawTools() {
    const noCalibration = this.film?.ct ? t("ct_calibrated") : "";
    const { past, future } = this.history;
    const state = { tool: this.tool, noHelp: this.noHelp, noCalibration, past: past.length, future: future.length };
    drawToolbar(this.toolbar, state, {
      tool: (name) => this.tools.take(name),
      snap: () => this.tools.snap(),
      remove: () => this.removeBody(this.chosen?.at),
      undo: () => this.step(model.undo),
      redo: () => this.step(model.redo),
      fit: () => this.stage.wholeOrSpine(),
      keys: () => showKeys(),
    });
  }

  // ---- editing ----------------------------------------------------------------------------

  commit(doc) {
    if (doc === this.doc) return;
    this.history = model.change(this.history, doc);
    this.afterChange();
  }

  afterChange() {
    this.live = null;
    if (this.chosen && !this.doc.vertebrae[this.chosen.at]?.points[this.chosen.point]) this.chosen = null;
    if (this.doc === this.start) this.measured = { ...this.measured, measurements: this.measured.start, focus: null, error: "" };
    this.measure();
    this.drawTools();
    this.signBar.draw();
    this.side.redraw("bodies", "measures");
    this.stage.redraw();
  }

  step(by) {
    const before = this.history;
    this.history = by(before);
    if (this.history !== before) this.afterChange();
  }

  choose(chosen) {
    this.chosen = chosen;
    this.stage.redraw();
    if (!chosen) return;
    const v = this.doc.vertebrae[chosen.at];
    const p = v.points[chosen.point];
    const point = t(`point_${this.session.points[chosen.point]}`);
    if (p) speak(t("chosen", { level: v.level, point, x: p[0].toFixed(1), y: p[1].toFixed(1) }));
    if (v.level !== this.level && this.side.tab === "measures") {
      this.level = v.level;
      this.side.drawMeasured();
    }
    this.side.redraw("bodies");
  }

  dragTo(at, point, place) {
    this.live = model.movePoint(this.doc, at, point, place, this.aside);
    this.measure();
  }

  dragged() {
    if (!this.live) return;
    const doc = this.live;
    this.live = null;
    this.commit(doc);
    hintSeen();
  }

  // Arrow keys move the chosen point; while a tool waits for a click, its cross; else the film.
  arrow([dx, dy], fine) {
    const far = fine ? 1 : 12;
    if (this.tool !== "move") this.stage.moveCross(Math.sign(dx) * far, Math.sign(dy) * far);
    else if (this.chosen) this.nudge(dx, dy);
    else this.stage.panBy(-Math.sign(dx) * 40, -Math.sign(dy) * 40);
  }

  nudge(dx, dy) {
    const { chosen } = this;
    this.commit(model.nudgePoint(this.doc, chosen.at, chosen.point, dx, dy, this.aside));
    this.choose(chosen);
    const p = this.doc.vertebrae[chosen.at].points[chosen.point];
    this.stage.reveal(p);
  }

  rename(at, level) {
    if (this.doc.vertebrae.some((v, i) => v.level === level && i !== at)) {
      toast(t("name_taken", { level }), "bad");
      this.side.draw();
      return;
    }
    this.chosen = null;
    this.commit(model.rename(this.doc, at, level, this.session.levels));
  }

  shift(by) {
    const doc = model.shift(this.doc, by, this.session.regular_levels);
    if (!doc) {
      toast(t("shift_not"), "bad");
      return;
    }
    const names = this.doc.vertebrae.map((v) => v.level);
    const at = names.indexOf(this.level);
    if (at >= 0) this.level = doc.vertebrae[at].level;
    this.commit(doc);
  }

  removeBody(at) {
    if (at === undefined || at === null) {
      toast(t("choose_body"), "bad");
      return;
    }
    const { level } = this.doc.vertebrae[at];
    this.chosen = null;
    this.commit(model.remove(this.doc, at));
    toast(t("removed", { level }));
  }

  measure() {
    this.measuring.ask(this.doc);
  }

  setTone(change, redrawPanel = true) {
    if (!this.picture) return;
    this.picture.setTone(change);
    if (this.slabs) this.slabs.tone = this.picture.tone;
    this.stage.redraw();
    if (redrawPanel) this.side.redraw("display");
  }

  setOptions(change) {
    Object.assign(this.options, change);
    this.side.redraw("display");
    this.stage.redraw();
  }

  async reload() {
    const { view } = this.stage;
    await this.load();
    this.stage.view = view;
    this.stage.redraw();
  }

  walk(by) {
    const to = model.stepPoint(this.doc, this.chosen, by);
    if (!to) return;
    this.choose(to);
    this.stage.reveal(this.doc.vertebrae[to.at].points[to.point]);
  }
}

