// The film page: state of the edit, tools, keys, live measures and signing.

import { download, getJson, post } from "./api.js";
import { ask, el, replace, speak, svg, toast } from "./dom.js";
import { showKeys } from "./keys.js";
import { drawMeasures, worst } from "./measures.js";
import * as model from "./model.js";
import { drawBodies, drawDisplay, drawHistory } from "./panels.js";
import { Slabs } from "./slabs.js";
import { Stage } from "./stage.js";
import { moment, reason, refusal, t } from "./words.js";

const CORNERS = ["superior_anterior", "superior_posterior", "inferior_posterior", "inferior_anterior"];
const TABS = ["measures", "bodies", "display", "history"];
const EXPORTS = ["report", "overlay", "csv", "json", "sr"];

const ICONS = {
  move: "M5 3l12 8-5 1 3 6-2 1-3-6-4 4z",
  add: "M4 6q7 2 14 0v10q-7-2-14 0zM11 8v6M8 11h6",
  corners: "M5 6l12-1-1 12-10-1zM3.5 6a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M15.5 5a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M14.5 17a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0M4.5 16a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0",
  calibrate: "M3 8h16v6H3zM7 8v3M11 8v4M15 8v3",
  snap: "M4 7q7 2 14 0M4 15q7-2 14 0M11 3v2M11 17v2M3 11h3M16 11h3",
  delete: "M6 6l10 10M16 6L6 16",
  fit: "M4 8V4h4M18 8V4h-4M4 14v4h4M18 14v4h-4",
  help: "M8 8q0-4 3-4 4 0 4 3 0 2-4 4v2M11 17v1",
};

export class Viewer {
  // app: { session, neighbours(key), go(hash), signedRow(row), nextToDo(key), list() }
  constructor(app, key) {
    this.app = app;
    this.key = key;
    this.session = app.session;
    this.tool = "move";
    this.chosen = null;
    this.options = app.options;
    this.clicks = [];
    this.nextLevel = "";
    this.measured = { measurements: [], start: [], error: "" };
    this.tab = app.tab || "measures";
    this.stage = new Stage({
      doc: () => this.doc,
      chosen: () => this.chosen,
      options: () => ({ ...this.options, clicks: this.clicks, aside: this.aside }),
      tool: () => this.tool,
      onChoose: (chosen) => this.choose(chosen),
      onDragStart: () => (this.beforeDrag = this.doc),
      onDrag: (at, point, place) => this.dragTo(at, point, place),
      onDragEnd: () => this.dragged(),
      onClick: (place) => this.clicked(place),
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

  get dirty() {
    return this.film && this.history.now !== this.start;
  }

  // ---- page -------------------------------------------------------------------------------

  build() {
    this.title = el("h1", { class: "film-title" });
    this.about = el("p", { class: "film-about" });
    this.reasons = el("ul", { class: "reasons" });
    this.prompt = el("p", { class: "prompt", role: "status" });
    this.prompt.hidden = true;
    this.toolbar = el("div", { class: "tools", role: "toolbar", "aria-label": t("tools"), "aria-orientation": "vertical" });
    this.tabs = el("div", { class: "tabs", role: "tablist" });
    this.panel = el("div", { class: "panel", role: "tabpanel", id: "panel", tabindex: "0" });
    this.signBar = el("form", { class: "sign", onsubmit: (e) => { e.preventDefault(); this.sign(true); } });
    this.node = el(
      "main",
      { class: "viewer", onkeydown: (e) => this.onKey(e) },
      this.toolbar,
      (this.box = el("div", { class: "stage-box" }, el("div", { class: "stage-room" }, this.stage.node, this.prompt))),
      el("aside", { class: "side" }, el("header", {}, this.title, this.about, this.reasons), this.tabs, this.panel, this.signBar)
    );
    this.drawTools();
    this.drawTabs();
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
    this.say(t("loading"));
    try {
      const [film, pixels] = await Promise.all([
        getJson(`api/films/${this.key}`).then((values) => {
          if (values.ct) this.say(t("loading_ct"));
          return values;
        }),
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
        this.showSlabs();
        this.say("");
      }
      if (this.session.blinded && !film.signed && this.tool === "move") this.setTool("corners");
      this.stage.node.focus({ preventScroll: true });
      this.drawAll();
      performance.mark("endplate-drawn");
      document.body.dataset.ready = this.key;
      this.app.prefetch(this.key);
    } catch (error) {
      this.app.failed(error);
    }
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
    this.drawTabs();
    this.drawPanel();
    this.drawSign();
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
    const { noHelp } = this;
    const tool = (name, key, run, problem = "") =>
      el(
        "button",
        {
          class: "tool",
          "data-tool": name,
          title: `${t(`tool_${name}`)} (${key})${problem ? `\n${t("not_available", { reason: refusal(problem) })}` : ""}`,
          "aria-label": t(`tool_${name}`) + (problem ? `. ${t("not_available", { reason: refusal(problem) })}` : ""),
          "aria-pressed": ["move", "add", "corners", "calibrate"].includes(name) ? String(this.tool === name) : null,
          disabled: Boolean(problem),
          onclick: run,
        },
        svg("svg", { viewBox: "0 0 22 22", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }))
      );
    const step = (id, symbol, label, run, able) =>
      el("button", { class: "tool text", id, title: label, "aria-label": label, disabled: !able, onclick: run, text: symbol });
    replace(
      this.toolbar,
      tool("move", "V", () => this.setTool("move")),
      tool("add", "A", () => this.setTool("add"), noHelp),
      tool("corners", "C", () => this.setTool("corners")),
      tool("calibrate", "K", () => this.setTool("calibrate"), this.film?.ct ? t("ct_calibrated") : ""),
      tool("snap", "R", () => this.snap(), noHelp),
      tool("delete", "Del", () => this.removeBody(this.chosen?.at)),
      step("undo", "↶", `${t("undo")} (Ctrl+Z)`, () => this.step(model.undo), this.history.past.length),
      step("redo", "↷", `${t("redo")} (Ctrl+Y)`, () => this.step(model.redo), this.history.future.length),
      tool("fit", "0", () => this.stage.whole()),
      tool("help", "?", () => showKeys())
    );
  }

  drawTabs() {
    const tabs = this.session.blinded ? TABS.slice(1, 3) : TABS;
    if (!tabs.includes(this.tab)) this.tab = tabs[0];
    replace(
      this.tabs,
      ...tabs.map((name) =>
        el("button", {
          role: "tab",
          id: `tab-${name}`,
          "aria-selected": String(this.tab === name),
          "aria-controls": "panel",
          tabindex: this.tab === name ? "0" : "-1",
          text: t(`tab_${name}`),
          onclick: () => this.openTab(name),
          onkeydown: (e) => {
            const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
            if (!by) return;
            e.stopPropagation();
            this.openTab(tabs[(tabs.indexOf(name) + by + tabs.length) % tabs.length]);
            this.tabs.querySelector('[aria-selected="true"]').focus();
          },
        })
      )
    );
    this.panel.setAttribute("aria-labelledby", `tab-${this.tab}`);
  }

  openTab(name) {
    this.tab = this.app.tab = name;
    this.drawTabs();
    replace(this.panel);
    this.drawPanel();
  }

  drawPanel() {
    if (!this.film) return;
    const { panel, doc } = this;
    if (this.tab === "measures") this.drawMeasured();
    else if (this.tab === "bodies") {
      drawBodies(panel, { doc, chosen: this.chosen, session: this.session, nextLevel: this.nextLevel }, {
        choose: (at) => this.choose({ at, point: doc.vertebrae[at].points.findIndex(Boolean) }),
        rename: (at, level) => this.rename(at, level),
        mark: (at, mark, value) => this.commit(model.setMark(this.doc, at, mark, value)),
        remove: (at) => this.removeBody(at),
        shift: (by) => this.shift(by),
        set: (change) => this.commit({ ...this.doc, ...change }),
        nextLevel: (level) => (this.nextLevel = level),
      });
    } else if (this.tab === "display") {
      drawDisplay(panel, { film: this.picture, options: this.options }, {
        tone: (change) => this.setTone(change, false),
        options: (change) => this.setOptions(change),
        reset: () => {
          this.setTone({ ...this.picture.auto, invert: false, sharpening: 0 });
          this.stage.whole();
        },
      });
    } else this.loadHistory();
  }

  drawMeasured() {
    if (this.tab !== "measures" || !this.film) return;
    const levels = this.doc.vertebrae.map((v) => v.level);
    if (!levels.includes(this.level)) this.level = worst(this.measured.measurements, levels);
    const first = this.panel.querySelector(".spacing");
    const body = this.panel.querySelector(".measured") || el("div", { class: "measured" });
    if (!first) replace(this.panel, el("p", { class: "spacing" }), body);
    this.panel.querySelector(".spacing").textContent = this.spacingText();
    if (this.measured.focus && this.measured.focus !== this.level && !this.asking) this.measure();
    drawMeasures(body, { ...this.measured, level: this.level, levels }, this.session, (level) => {
      this.level = level;
      this.drawMeasured();
    });
  }

  spacingText() {
    const spacing = this.doc.spacing_mm || this.film.spacing_mm;
    if (!spacing) return t("no_spacing");
    const source = this.doc.spacing_mm ? "fiducial" : this.film.calibration;
    return t("spacing", { row: spacing[0].toPrecision(4), column: spacing[1].toPrecision(4), source: t(`cal_${source}`) });
  }

  async loadHistory() {
    try {
      const history = await getJson(`api/films/${this.key}/history`);
      if (this.tab === "history") drawHistory(this.panel, history);
    } catch (error) {
      this.app.failed(error);
    }
  }

  drawSign() {
    const { film } = this;
    const first = film.status === "rejected" && !this.doc.vertebrae.length ? "rejected" : "accepted";
    const verdict = this.signBar.querySelector("#verdict")?.value || first;
    const note = this.signBar.querySelector("#note")?.value || "";
    const focus = this.signBar.contains(document.activeElement) ? document.activeElement.id : null;
    const n = this.history.past.length;
    const finished = this.session.blinded && film.signed;
    const choice = el("select", { id: "verdict", "aria-label": t("verdict") }, ...["accepted", "flagged", "rejected"].map((x) => el("option", { value: x, text: t(`verdict_${x}`) })));
    choice.value = verdict;
    const text = el("input", { id: "note", maxlength: "300", placeholder: t("note_hint"), title: t("note_kept"), "aria-label": t("note") });
    text.value = note;
    const state = finished ? t("study_done") : n ? (n === 1 ? t("change_one") : t("changes", { n })) : film.signed ? "" : t("unsaved");
    const exports = EXPORTS.filter((kind) => kind !== "sr" || (film.has_sr && this.session.sr));
    const canExport = !this.session.blinded;
    replace(
      this.signBar,
      el("div", { class: "row" }, choice, text),
      el(
        "div",
        { class: "row" },
        el("button", { type: "button", id: "sign", disabled: finished, text: t("sign"), onclick: () => this.sign(false) }),
        el("button", { type: "submit", id: "sign-next", class: "primary", disabled: finished, text: t("sign_next") }),
        el("span", { class: "state", id: "state", text: state })
      ),
      canExport
        ? el(
            "div",
            { class: "row exports", role: "group", "aria-label": t("exports") },
            ...exports.map((kind) =>
              el("button", {
                type: "button",
                class: "quiet",
                "data-export": kind,
                disabled: !film.signed || this.dirty,
                title: !film.signed || this.dirty ? t("export_first") : null,
                text: t(`export_${kind}`),
                onclick: () => this.export(kind),
              })
            ),
            this.app.hasFollowUp(this.key) ? el("button", { type: "button", class: "quiet", id: "to-followup", text: t("followup_open"), onclick: () => this.app.go(`#/follow/${this.key}`) }) : null
          )
        : null
    );
    if (focus) this.signBar.querySelector(`#${focus}`)?.focus();
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
    this.drawSign();
    if (this.tab === "bodies" || this.tab === "measures") this.drawPanel();
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
    if (v.level !== this.level && this.tab === "measures") {
      this.level = v.level;
      this.drawMeasured();
    }
    if (this.tab === "bodies") this.drawPanel();
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
      this.drawPanel();
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

  // Ask for measures of what is shown; one request at a time, the last state always asked for.
  async measure() {
    this.asked = this.doc;
    if (this.asking) return;
    this.asking = true;
    while (this.asked && !this.closed) {
      const doc = this.asked;
      this.asked = null;
      const begun = performance.now();
      try {
        // Only what is shown: the chosen level, the curves, the brief table of all levels.
        const focus = doc.vertebrae.some((v) => v.level === this.level) ? this.level : null;
        const answer = await post(`api/films/${this.key}/measure`, { ...model.wireOf(doc, this.film.reading), focus });
        this.measured = { ...this.measured, measurements: answer.measurements, focus, error: "" };
        this.takeCovariance(doc, answer);
      } catch (error) {
        if (error.status === undefined || error.status === 401) this.app.failed(error);
        this.measured = { ...this.measured, measurements: [], focus: null, error: refusal(error.message) };
      }
      this.app.timing = performance.now() - begun;
      this.drawMeasured();
      if (this.measured.focus && this.measured.focus !== this.level) this.asked ||= this.doc;
      document.body.dataset.measured = String(Number(document.body.dataset.measured || 0) + 1);
    }
    this.asking = false;
  }

  // Ellipses of what is shown, where it is still what was asked about.
  takeCovariance(doc, answer) {
    if (doc !== this.doc) return;
    const of = new Map(answer.levels.map((level, i) => [level, answer.covariance[i]]));
    doc.vertebrae.forEach((v) => (v.covariance = of.get(v.level) || v.covariance));
    this.stage.redraw();
  }

  // ---- tools ------------------------------------------------------------------------------

  setTool(name) {
    if ((name === "add" && this.noHelp) || (name === "calibrate" && this.film?.ct)) return;
    this.tool = this.tool === name ? "move" : name;
    this.clicks = [];
    this.stage.node.dataset.tool = this.tool;
    this.drawTools();
    this.promptTool();
    this.stage.node.focus({ preventScroll: true });
    this.stage.redraw();
  }

  promptTool() {
    const n = this.clicks.length;
    if (this.tool === "add") this.say(t("click_body"));
    else if (this.tool === "calibrate") this.say(t(n ? "click_second" : "click_first"));
    else if (this.tool === "corners") {
      const level = this.cornerLevel || this.nextLevel || "";
      const of = level === "S1" ? 2 : 4;
      this.say(t("click_corner", { level: level || "…", point: t(`point_${CORNERS[n]}`), n: n + 1, of }));
    } else this.say("");
  }

  clicked(place) {
    if (this.tool === "add") this.addAt(place);
    else if (this.tool === "calibrate") this.calibrateAt(place);
    else if (this.tool === "corners") this.cornerAt(place);
  }

  async addAt([x, y]) {
    try {
      const values = { ...model.wireOf(this.doc, this.film.reading), x, y, level: this.nextLevel };
      const vertebra = await post(`api/films/${this.key}/add`, values);
      this.place({ ...vertebra, fractured: false });
      toast(t("added", { level: vertebra.level }));
    } catch (error) {
      toast(refusal(error.message), "bad");
    }
  }

  place(vertebra, at = -1) {
    const doc = model.put(this.doc, vertebra, this.session.levels, at);
    this.nextLevel = "";
    this.level = vertebra.level;
    this.commit(doc);
    this.chosen = { at: doc.vertebrae.findIndex((v) => v.level === vertebra.level), point: 0 };
    this.stage.redraw();
  }

  cornerAt(place) {
    if (!this.clicks.length) {
      this.cornerLevel = this.nextLevel || model.levelAt(this.doc, place[1], this.session.regular_levels);
      if (!this.cornerLevel) {
        toast(t("no_level_free"), "bad");
        return;
      }
    }
    this.clicks = [...this.clicks, place];
    const level = this.cornerLevel;
    if (this.clicks.length === (level === "S1" ? 2 : 4)) {
      const body = model.bodyOfCorners(level, this.clicks, this.slabs ? this.aside : null);
      this.clicks = [];
      this.cornerLevel = "";
      this.place(body);
      toast(t("added", { level }));
    }
    this.promptTool();
    this.stage.redraw();
  }

  async calibrateAt(place) {
    this.clicks = [...this.clicks, place];
    this.stage.redraw();
    this.promptTool();
    if (this.clicks.length < 2) return;
    const [first, second] = this.clicks;
    const input = el("input", { type: "number", id: "known-mm", min: "1", max: "1000", step: "0.1", required: true, value: "25" });
    const label = el("label", { class: "field" }, el("span", { text: t("known_length") }), input);
    const pressed = await ask({ title: t("calibrate"), body: [label], buttons: [["", t("cancel")], ["yes", t("calibrate"), "primary"]] });
    this.clicks = [];
    if (pressed === "yes") {
      try {
        const { spacing_mm } = await post(`api/films/${this.key}/calibrate`, { first, second, mm: Number(input.value) });
        this.commit({ ...this.doc, spacing_mm });
        toast(t("calibrated", { mm: spacing_mm[1].toPrecision(3) }));
        this.setTool("move");
      } catch (error) {
        toast(refusal(error.message), "bad");
      }
    }
    this.promptTool();
    this.stage.redraw();
  }

  async snap() {
    if (this.noHelp) return;
    if (!this.chosen) {
      toast(t("choose_body"), "bad");
      return;
    }
    const { level, hardware, cement, fractured } = this.doc.vertebrae[this.chosen.at];
    try {
      const values = { ...model.wireOf(this.doc, this.film.reading), level };
      const snapped = await post(`api/films/${this.key}/snap`, values);
      const at = this.doc.vertebrae.findIndex((v) => v.level === level);
      this.place({ ...snapped, hardware, cement, fractured }, at);
      toast(t("snapped", { level }));
    } catch (error) {
      toast(refusal(error.message), "bad");
    }
  }

  setTone(change, redrawPanel = true) {
    if (!this.picture) return;
    this.picture.setTone(change);
    if (this.slabs) this.slabs.tone = this.picture.tone;
    this.stage.redraw();
    if (redrawPanel && this.tab === "display") this.drawPanel();
  }

  setOptions(change) {
    Object.assign(this.options, change);
    if (this.tab === "display") this.drawPanel();
    this.stage.redraw();
  }

  // ---- signing ----------------------------------------------------------------------------

  async sign(next, overrule = "") {
    if (this.signing || (this.session.blinded && this.film.signed)) return;
    this.signing = true;
    const value = (id) => this.signBar.querySelector(id).value;
    const values = { ...model.wireOf(this.history.now, this.film.reading), verdict: value("#verdict"), note: value("#note"), overrule };
    try {
      const done = await post(`api/films/${this.key}/sign`, values);
      this.app.signedRow(done.row);
      toast(this.session.blinded ? t("status_signed") : t("signed_note"));
      this.start = this.history.now;
      const to = next ? this.app.nextToDo(this.key) : null;
      if (to) this.app.go(`#/film/${to}`);
      else if (next) this.app.go("#/");
      else await this.reload();
    } catch (error) {
      if (error.status === 409) await this.conflict(error.values, next);
      else toast(refusal(error.message), "bad");
    } finally {
      this.signing = false;
    }
  }

  async reload() {
    const view = this.stage.view;
    await this.load();
    this.stage.view = view;
    this.stage.redraw();
  }

  async conflict({ reader, conflict }, next) {
    const buttons = [["", t("cancel")], ["theirs", t("see_theirs")]];
    if (this.session.role === "reviewer") buttons.push(["over", t("overrule"), "primary"]);
    const pressed = await ask({ title: t("conflict_title"), body: [el("p", { text: t("conflict_text", { name: reader }) })], buttons });
    this.signing = false;
    if (pressed === "over") await this.sign(next, conflict);
    else if (pressed === "theirs") await this.reload();
  }

  async export(kind) {
    try {
      await download(`api/films/${this.key}/export/${kind}`);
    } catch (error) {
      toast(t("failed", { reason: refusal(error.message) }), "bad");
    }
  }

  // ---- keys -------------------------------------------------------------------------------

  onKey(event) {
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (command && key === "Enter") this.did(event, () => this.sign(true));
    else if (command && key === "z") this.did(event, () => this.step(event.shiftKey ? model.redo : model.undo));
    else if (command && key === "y") this.did(event, () => this.step(model.redo));
    else if (!typing && !command && !event.altKey) this.onPlainKey(event, key);
  }

  did(event, run) {
    event.preventDefault();
    run();
  }

  onPlainKey(event, key) {
    const onStage = event.target === this.stage.node;
    const far = event.shiftKey ? 1 : 0.1;
    const arrows = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] };
    if (onStage && key in arrows) return this.did(event, () => this.arrow(arrows[key], event.shiftKey));
    if (onStage && this.tool !== "move" && (key === "Enter" || key === " ")) return this.did(event, () => this.stage.clickCross());
    if (onStage && key === "Tab") {
      // At either end Tab leaves the film, so that no keyboard user is caught in it.
      const by = event.shiftKey ? -1 : 1;
      const to = model.stepPoint(this.doc, this.chosen, by);
      const order = (c) => (c ? c.at * 6 + c.point : by > 0 ? -1 : Infinity);
      if (!to || (order(to) - order(this.chosen)) * by <= 0) return undefined;
      return this.did(event, () => this.walk(by));
    }
    const run = {
      n: () => this.walk(1),
      p: () => this.walk(-1),
      "+": () => this.stage.zoom(1.25),
      "=": () => this.stage.zoom(1.25),
      "-": () => this.stage.zoom(0.8),
      0: () => this.stage.whole(),
      v: () => this.setTool("move"),
      a: () => this.setTool("add"),
      c: () => this.setTool("corners"),
      k: () => this.setTool("calibrate"),
      r: () => this.snap(),
      Delete: () => this.removeBody(this.chosen?.at),
      "[": () => this.shift(-1),
      "]": () => this.shift(1),
      i: () => this.setTone({ invert: !this.picture?.tone.invert }),
      e: () => this.setOptions({ ellipses: !this.options.ellipses }),
      h: () => this.setOptions({ marks: !this.options.marks }),
      l: () => this.setOptions({ loupe: !this.options.loupe }),
      "?": () => showKeys(),
      ",": () => this.slabs?.step(-1),
      ".": () => this.slabs?.step(1),
      PageDown: () => this.app.goFilm(this.key, 1),
      PageUp: () => this.app.goFilm(this.key, -1),
      Escape: () => (this.tool !== "move" ? this.setTool("move") : this.app.go("#/")),
    }[key];
    return run && this.did(event, run);
  }

  walk(by) {
    const to = model.stepPoint(this.doc, this.chosen, by);
    if (!to) return;
    this.choose(to);
    this.stage.reveal(this.doc.vertebrae[to.at].points[to.point]);
  }
}

