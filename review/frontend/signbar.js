// Verdict, note, signature and exports of the film that is open.

import { download, post } from "./api.js";
import { ask, el, replace, toast } from "./dom.js";
import * as model from "./model.js";
import { refusal, t } from "./words.js";

const VERDICTS = ["accepted", "flagged", "rejected"];
const EXPORTS = ["all", "report", "overlay", "csv", "json", "sr"];

/** Verdict and note of a film as it was signed, or those to begin with. */
export function signedAs(film, empty) {
  const begin = { verdict: film.status === "rejected" && empty ? "rejected" : "accepted", note: "" };
  if (!film.signed || !VERDICTS.includes(film.status)) return begin;
  const said = (film.reasons || []).filter((r) => r.code === "reader_note").map((r) => r.message);
  // what is written where a reader gave no note
  const note = said.filter((x) => x !== `The reader ${film.status} the reading.`).join(" ");
  return { verdict: film.status, note };
}

export class SignBar {
  constructor(viewer) {
    this.viewer = viewer;
    this.node = el("form", { class: "sign", onsubmit: (e) => { e.preventDefault(); this.sign(true); } });
  }

  draw() {
    const { film, session, doc, history } = this.viewer;
    // another reading, another verdict; drawn anew for any other reason, what was chosen stays
    if (this.of !== film.reading) this.first = signedAs(film, !doc.vertebrae.length);
    const { verdict, note } = this.of === film.reading ? this.chosen() : this.first;
    this.of = film.reading;
    const focus = this.node.contains(document.activeElement) ? document.activeElement.id : null;
    const n = history.past.length;
    const finished = session.blinded && film.signed;
    const choice = el("select", { id: "verdict", "aria-label": t("verdict") }, ...VERDICTS.map((x) => el("option", { value: x, text: t(`verdict_${x}`) })));
    choice.value = verdict;
    const text = el("input", { id: "note", maxlength: "300", placeholder: t("note_hint"), title: t("note_kept"), "aria-label": t("note") });
    text.value = note;
    const state = finished ? t("study_done") : n ? (n === 1 ? t("change_one") : t("changes", { n })) : film.signed ? "" : t("unsaved");
    replace(
      this.node,
      el("div", { class: "row" }, choice, text),
      el(
        "div",
        { class: "row" },
        el("button", { type: "button", id: "sign", disabled: finished, title: t("sign_hint"), text: t("sign"), onclick: () => this.sign(false) }),
        el("button", { type: "submit", id: "sign-next", class: "primary", disabled: finished, title: "Ctrl+Enter", text: t("sign_next") }),
        el("span", { class: "state", id: "state", text: state })
      ),
      session.blinded ? null : this.exports()
    );
    if (focus) this.node.querySelector(`#${focus}`)?.focus();
  }

  chosen() {
    const value = (id) => this.node.querySelector(id)?.value;
    return { verdict: value("#verdict") || this.first.verdict, note: value("#note") ?? this.first.note };
  }

  /** Whether verdict or note are other than signed, or than those to begin with. */
  get dirty() {
    if (!this.first) return false;
    const { verdict, note } = this.chosen();
    return verdict !== this.first.verdict || note.trim() !== this.first.note;
  }

  exports() {
    const { app, film, session, key, dirty } = this.viewer;
    const kinds = EXPORTS.filter((kind) => kind !== "sr" || (film.has_sr && session.sr));
    const early = !film.signed || dirty;
    const button = (kind) =>
      el("button", {
        type: "button",
        class: "quiet",
        "data-export": kind,
        disabled: early,
        title: t(`about_${kind}`) + (early ? `\n${t("export_first")}` : ""),
        text: t(`export_${kind}`),
        onclick: () => this.export(kind),
      });
    return el(
      "div",
      { class: "row exports", role: "group", "aria-label": t("exports") },
      el("span", { class: "exports-title", text: t(early ? "export_after" : "exports") }),
      ...kinds.map(button),
      app.hasFollowUp(key) ? el("button", { type: "button", class: "quiet", id: "to-followup", text: t("followup_open"), onclick: () => app.go(`#/follow/${key}`) }) : null
    );
  }

  async sign(next, overrule = "") {
    const { viewer } = this;
    const { app, film, session } = viewer;
    if (this.signing || !film || (session.blinded && film.signed)) return;
    this.signing = true;
    const chosen = this.chosen();
    const signed = viewer.history.now;
    const values = { ...model.wireOf(signed, film.reading), ...chosen, overrule };
    try {
      const done = await post(`api/films/${viewer.key}/sign`, values);
      app.signedRow(done.row);
      toast(session.blinded ? t("status_signed") : t("signed_note"));
      viewer.start = signed;
      this.first = { ...chosen, note: chosen.note.trim() };
      if (next) await app.renew();
      const to = next ? app.nextToDo(viewer.key) : null;
      if (to) app.go(`#/film/${to}`);
      else if (next) app.go("#/");
      else await viewer.reload();
    } catch (error) {
      if (error.status === 409) await this.conflict(error.values, next);
      else toast(refusal(error.message), "bad");
    } finally {
      this.signing = false;
    }
  }

  async conflict({ reader, conflict }, next) {
    const buttons = [["", t("cancel")], ["theirs", t("see_theirs")]];
    if (this.viewer.session.role === "reviewer") buttons.push(["over", t("overrule"), "primary"]);
    const pressed = await ask({ title: t("conflict_title"), body: [el("p", { text: t("conflict_text", { name: reader }) })], buttons });
    this.signing = false;
    if (pressed === "over") await this.sign(next, conflict);
    else if (pressed === "theirs") await this.viewer.reload();
  }

  async export(kind) {
    try {
      await download(`api/films/${this.viewer.key}/export/${kind}`);
    } catch (error) {
      toast(t("failed", { reason: refusal(error.message) }), "bad");
    }
  }
}
