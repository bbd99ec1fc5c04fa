// The tabs beside the film: measures, bodies, display, history.

import { getJson } from "./api.js";
import { el, replace } from "./dom.js";
import { drawMeasures, worst } from "./measures.js";
import * as model from "./model.js";
import { drawBodies, drawDisplay, drawHistory } from "./panels.js";
import { t } from "./words.js";

const TABS = ["measures", "bodies", "display", "history"];

export class Side {
  constructor(viewer) {
    this.viewer = viewer;
    this.tab = viewer.app.tab || "measures";
    this.tabs = el("div", { class: "tabs", role: "tablist" });
    this.panel = el("div", { class: "panel", role: "tabpanel", id: "panel", tabindex: "0" });
  }

  drawTabs() {
    const tabs = this.viewer.session.blinded ? TABS.slice(1, 3) : TABS;
    const held = this.tabs.contains(document.activeElement);
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
          onclick: () => this.open(name),
          onkeydown: (e) => {
            const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
            if (!by) return;
            e.stopPropagation();
            this.open(tabs[(tabs.indexOf(name) + by + tabs.length) % tabs.length]);
          },
        })
      )
    );
    if (held) this.tabs.querySelector('[aria-selected="true"]').focus();
    this.panel.setAttribute("aria-labelledby", `tab-${this.tab}`);
  }

  open(name) {
    this.tab = this.viewer.app.tab = name;
    this.drawTabs();
    replace(this.panel);
    this.draw();
  }

  draw() {
    if (!this.viewer.film) return;
    if (this.tab === "measures") this.drawMeasured();
    else if (this.tab === "bodies") this.drawBodies();
    else if (this.tab === "display") this.drawDisplay();
    else this.loadHistory();
  }

  // Only if that tab is the one that is open.
  redraw(...tabs) {
    if (tabs.includes(this.tab)) this.draw();
  }

  drawBodies() {
    const { viewer, panel } = this;
    const { doc, chosen, session, tools } = viewer;
    drawBodies(panel, { doc, chosen, session, nextLevel: tools.nextLevel }, {
      choose: (at) => viewer.choose({ at, point: doc.vertebrae[at].points.findIndex(Boolean) }),
      rename: (at, level) => viewer.rename(at, level),
      mark: (at, mark, value) => viewer.commit(model.setMark(viewer.doc, at, mark, value)),
      remove: (at) => viewer.removeBody(at),
      shift: (by) => viewer.shift(by),
      set: (change) => viewer.commit({ ...viewer.doc, ...change }),
      nextLevel: (level) => (tools.nextLevel = level),
    });
  }

  drawDisplay() {
    const { viewer } = this;
    drawDisplay(this.panel, { film: viewer.picture, options: viewer.options }, {
      tone: (change) => viewer.setTone(change, false),
      options: (change) => viewer.setOptions(change),
      reset: () => {
        viewer.setTone({ ...viewer.picture.auto, invert: false, sharpening: 0 });
        viewer.stage.whole();
      },
    });
  }

  drawMeasured() {
    const { viewer, panel } = this;
    if (this.tab !== "measures" || !viewer.film) return;
    const levels = viewer.doc.vertebrae.map((v) => v.level);
    if (!levels.includes(viewer.level)) viewer.level = worst(viewer.measured.measurements, levels);
    const body = panel.querySelector(".measured") || el("div", { class: "measured" });
    if (!panel.querySelector(".spacing")) replace(panel, el("p", { class: "spacing" }), body);
    panel.querySelector(".spacing").textContent = this.spacingText();
    const { focus } = viewer.measured;
    if (focus && focus !== viewer.level && !viewer.measuring.asking) viewer.measure();
    drawMeasures(body, { ...viewer.measured, level: viewer.level, levels }, viewer.session, (level) => {
      viewer.level = level;
      this.drawMeasured();
    });
  }

  spacingText() {
    const { doc, film } = this.viewer;
    const spacing = doc.spacing_mm || film.spacing_mm;
    if (!spacing) return t("no_spacing");
    const source = doc.spacing_mm ? "fiducial" : film.calibration;
    return t("spacing", { row: spacing[0].toPrecision(4), column: spacing[1].toPrecision(4), source: t(`cal_${source}`) });
  }

  async loadHistory() {
    const { viewer } = this;
    try {
      const history = await getJson(`api/films/${viewer.key}/history`);
      if (this.tab === "history") drawHistory(this.panel, history);
    } catch (error) {
      viewer.app.failed(error);
    }
  }
}
