// Measures of an edit from the server: one request at a time, the last state always asked for.

import { postAtOnce } from "./api.js";
import * as model from "./model.js";
import { refusal } from "./words.js";

export class Measuring {
  constructor(viewer) {
    this.viewer = viewer;
    this.asked = null;
    this.asking = false;
  }

  async ask(doc) {
    this.asked = doc;
    if (this.asking) return;
    this.asking = true;
    while (this.asked && !this.viewer.closed) {
      const wanted = this.asked;
      this.asked = null;
      await this.once(wanted);
    }
    this.asking = false;
  }

  async once(doc) {
    const { viewer } = this;
    // Only what is shown: the chosen level, the curves, the brief table of all levels.
    const focus = doc.vertebrae.some((v) => v.level === viewer.level) ? viewer.level : null;
    let found = { measurements: [], focus: null, error: "" };
    try {
      const answer = await postAtOnce(`api/films/${viewer.key}/measure`, { ...model.wireOf(doc, viewer.film.reading), focus });
      found = { measurements: answer.measurements, focus, error: "" };
      this.takeCovariance(doc, answer);
    } catch (error) {
      if (error.status === undefined || error.status === 401) viewer.app.failed(error);
      found.error = refusal(error.message);
    }
    viewer.measured = { ...viewer.measured, ...found };
    viewer.side.drawMeasured();
    if (found.focus && found.focus !== viewer.level) this.asked ||= viewer.doc;
    document.body.dataset.measured = String(Number(document.body.dataset.measured || 0) + 1);
  }

  // Ellipses of what is shown, where it is still what was asked about.
  takeCovariance(doc, answer) {
    if (doc !== this.viewer.doc) return;
    const of = new Map(answer.levels.map((level, i) => [level, answer.covariance[i]]));
    for (const v of doc.vertebrae) {
      const now = of.get(v.level);
      if (now && String(now) !== String(v.covariance)) v.covariance = now;
    }
    this.viewer.stage.redraw();
  }
}
