// What a click on the film does: bodies added or snapped by the networks, placed by their corners,
// and a length to calibrate on.

import { post } from "./api.js";
import { ask, el, toast } from "./dom.js";
import * as model from "./model.js";
import { refusal, t } from "./words.js";

const CORNERS = ["superior_anterior", "superior_posterior", "inferior_posterior", "inferior_anterior"];

export class FilmTools {
  constructor(viewer) {
    this.viewer = viewer;
    this.now = "move";
    this.clicks = [];
    this.nextLevel = "";
    this.cornerLevel = "";
  }

  // Taken up again it is put down.
  take(name) {
    const { viewer } = this;
    if ((name === "add" && viewer.noHelp) || (name === "calibrate" && viewer.film?.ct)) return;
    this.now = this.now === name ? "move" : name;
    this.clicks = [];
    viewer.stage.node.dataset.tool = this.now;
    viewer.drawTools();
    this.prompt();
    viewer.stage.node.focus({ preventScroll: true });
    viewer.stage.redraw();
  }

  prompt() {
    const { viewer } = this;
    const n = this.clicks.length;
    if (this.now === "add") viewer.say(t("click_body"));
    else if (this.now === "calibrate") viewer.say(t(n ? "click_second" : "click_first"));
    else if (this.now === "corners") {
      const level = this.cornerLevel || this.nextLevel || "";
      const of = level === "S1" ? 2 : 4;
      viewer.say(t("click_corner", { level: level || t("next_body"), point: t(`point_${CORNERS[n]}`), n: n + 1, of }));
    } else viewer.say("");
  }

  clicked(place) {
    if (this.now === "add") this.addAt(place);
    else if (this.now === "calibrate") this.calibrateAt(place);
    else if (this.now === "corners") this.cornerAt(place);
  }

  // What the server makes of the edit and a request; null, having told why, if it refuses.
  async ask(action, values) {
    const { viewer } = this;
    try {
      return await post(`api/films/${viewer.key}/${action}`, values);
    } catch (error) {
      toast(refusal(error.message), "bad");
      return null;
    }
  }

  wire(values) {
    return { ...model.wireOf(this.viewer.doc, this.viewer.film.reading), ...values };
  }

  async addAt([x, y]) {
    const vertebra = await this.ask("add", this.wire({ x, y, level: this.nextLevel }));
    if (!vertebra) return;
    this.place({ ...vertebra, fractured: false });
    toast(t("added", { level: vertebra.level }));
  }

  place(vertebra, at = -1) {
    const { viewer } = this;
    const doc = model.put(viewer.doc, vertebra, viewer.session.levels, at);
    this.nextLevel = "";
    viewer.level = vertebra.level;
    viewer.commit(doc);
    viewer.chosen = { at: doc.vertebrae.findIndex((v) => v.level === vertebra.level), point: 0 };
    viewer.stage.redraw();
  }

  cornerAt(place) {
    const { viewer } = this;
    if (!this.clicks.length) {
      this.cornerLevel = this.nextLevel || model.levelAt(viewer.doc, place[1], viewer.session.regular_levels);
      if (!this.cornerLevel) {
        toast(t("no_level_free"), "bad");
        return;
      }
    }
    this.clicks = [...this.clicks, place];
    const level = this.cornerLevel;
    if (this.clicks.length === (level === "S1" ? 2 : 4)) {
      const body = model.bodyOfCorners(level, this.clicks, viewer.slabs ? viewer.aside : null);
      this.clicks = [];
      this.cornerLevel = "";
      this.place(body);
      toast(t("added", { level }));
    }
    this.prompt();
    viewer.stage.redraw();
  }

  async calibrateAt(place) {
    this.clicks = [...this.clicks, place];
    this.viewer.stage.redraw();
    this.prompt();
    if (this.clicks.length < 2) return;
    const [first, second] = this.clicks;
    const mm = await askLength();
    this.clicks = [];
    const answer = mm === null ? null : await this.ask("calibrate", { first, second, mm });
    if (answer) {
      const { spacing_mm } = answer;
      this.viewer.commit({ ...this.viewer.doc, spacing_mm });
      toast(t("calibrated", { mm: spacing_mm[1].toPrecision(3) }));
      this.take("move");
    }
    this.prompt();
    this.viewer.stage.redraw();
  }

  async snap() {
    const { viewer } = this;
    if (viewer.noHelp) return;
    if (!viewer.chosen) {
      toast(t("choose_body"), "bad");
      return;
    }
    const { level, hardware, cement, fractured } = viewer.doc.vertebrae[viewer.chosen.at];
    const snapped = await this.ask("snap", this.wire({ level }));
    if (!snapped) return;
    const at = viewer.doc.vertebrae.findIndex((v) => v.level === level);
    this.place({ ...snapped, hardware, cement, fractured }, at);
    toast(t("snapped", { level }));
  }
}

// The known length in mm, null if none was given.
async function askLength() {
  const input = el("input", { type: "number", id: "known-mm", min: "1", max: "1000", step: "0.1", required: true, value: "25" });
  const label = el("label", { class: "field" }, el("span", { text: t("known_length") }), input);
  const pressed = await ask({ title: t("calibrate"), body: [label], buttons: [["", t("cancel")], ["yes", t("calibrate"), "primary"]] });
  return pressed === "yes" ? Number(input.value) : null;
}
