// The application: session, pages by address, what pages share.

import { getJson, getPixels, openSession } from "./api.js";
import { arrange } from "./arrange.js";
import { ask, el, replace, toast } from "./dom.js";
import { Film } from "./film.js";
import { FollowUp } from "./followup.js";
import { Viewer } from "./viewer.js";
import { currentLanguage, firstLanguage, LANGUAGES, refusal, setLanguage, t } from "./words.js";
import { Worklist } from "./worklist.js";

const KEPT_FILMS = 4;

function here() {
  return location.hash || "#/";
}

class App {
  constructor(session) {
    this.session = session;
    this.state = { rows: [], show: "all", text: "", sort: null, down: false, chosen: null, top: 0 };
    this.options = { marks: true, ellipses: true, loupe: false };
    this.films = new Map();
    this.header = el("header", { class: "top" });
    this.page = el("div", { class: "page" });
    replace(document.getElementById("app"), this.header, this.page);
    window.addEventListener("hashchange", () => this.route());
    // Keys are heard wherever the focus went: what had it may have been drawn anew.
    document.addEventListener("keydown", (e) => {
      if (e.target === document.body && !document.querySelector("dialog[open]")) this.current?.onBodyKey?.(e);
    });
    window.addEventListener("beforeunload", (e) => this.current?.dirty && e.preventDefault());
  }

  async start(films) {
    this.state.rows = (await films).films;
    if (this.session.audit_broken_at) toast(t("audit_broken", { n: this.session.audit_broken_at }), "bad");
    this.route();
  }

  list() {
    return this.state.rows;
  }

  go(hash) {
    if (location.hash === hash || (hash === "#/" && !location.hash)) this.route();
    else location.hash = hash;
  }

  async route() {
    if (this.returning) {
      this.returning = false;
      return;
    }
    if (this.current?.dirty) {
      if (this.asking || here() === this.shown) return;
      this.asking = true;
      const leave = await this.mayLeave();
      this.asking = false;
      // forward again while the question stood: nothing was left
      if (here() === this.shown) return;
      if (!leave) {
        this.returning = true;
        location.hash = this.shown;
        return;
      }
    }
    const wanted = here();
    const [, kind, key] = wanted.split("/");
    if (this.page.firstChild) this.current?.close?.();
    const before = this.shown;
    this.shown = wanted;
    delete document.body.dataset.ready;
    if (kind === "film" && key) this.current = new Viewer(this, key);
    else if (kind === "follow" && key) this.current = new FollowUp(this, key);
    else {
      const list = new Worklist(this.state, this.session, (k) => this.go(`#/film/${k}`));
      this.current = list;
      if (before) this.renew().then(() => this.current === list && list.refresh());
    }
    if (key) this.state.chosen = key;
    replace(this.page, this.current.node);
    this.drawHeader(kind, key);
    if (!kind) document.body.dataset.ready = "list";
  }

  async mayLeave() {
    const pressed = await ask({
      title: t("leave_title"),
      body: [el("p", { text: t("leave_text") })],
      buttons: [["", t("stay"), "primary"], ["leave", t("leave")]],
    });
    return pressed === "leave";
  }

  drawHeader(kind, key) {
    const { session } = this;
    document.title = t("app");
    const language = el(
      "select",
      { id: "language", "aria-label": t("language"), onchange: (e) => this.speakIn(e.target.value) },
      ...Object.entries(LANGUAGES).map(([code, name]) => el("option", { value: code, text: name, lang: code }))
    );
    language.value = currentLanguage();
    const steps = key
      ? [
          el("button", { class: "quiet", id: "back", text: `← ${t("worklist")}`, onclick: () => this.go("#/") }),
          kind === "film" ? el("button", { class: "quiet", id: "previous", "aria-label": t("previous"), title: t("previous"), text: "‹", onclick: () => this.goFilm(key, -1) }) : null,
          kind === "film" ? el("button", { class: "quiet", id: "next", "aria-label": t("next"), title: t("next"), text: "›", onclick: () => this.goFilm(key, 1) }) : null,
          this.leftNode(),
        ]
      : [];
    replace(
      this.header,
      el("span", { class: "brand", text: session.blinded ? `endplate · ${t("study")}` : "endplate" }),
      el("nav", { "aria-label": t("worklist") }, ...steps.filter(Boolean)),
      el("span", { class: "research", text: t("research") }),
      el("span", { class: "who", text: t("signed_in", { name: session.person, role: t(`role_${session.role}`) }) }),
      language
    );
  }

  leftNode() {
    const left = this.state.rows.filter((r) => !r.signed).length;
    const text = left ? t("left", { left, all: this.state.rows.length }) : t("all_done", { all: this.state.rows.length });
    return el("span", { class: "left", text });
  }

  async speakIn(code) {
    setLanguage(code);
    if (this.current?.dirty) {
      this.drawHeader(...location.hash.split("/").slice(1));
      this.current.drawAll();
    } else this.route();
  }

  // Films as the worklist shows them now; the same order for next and previous.
  order() {
    return arrange(this.state.rows, this.state);
  }

  goFilm(key, by) {
    const order = this.order();
    const to = order[order.findIndex((r) => r.key === key) + by];
    if (to) this.go(`#/film/${to.key}`);
  }

  // what others signed in the meantime; the list as it was where the server does not answer
  async renew() {
    try {
      this.state.rows = (await getJson("api/films")).films;
    } catch {
      // the next request says what is wrong
    }
  }

  nextToDo(key) {
    const order = this.order();
    const at = order.findIndex((r) => r.key === key);
    const next = [...order.slice(at + 1), ...order.slice(0, at)].find((r) => !r.signed);
    return next ? next.key : null;
  }

  signedRow(row) {
    this.state.rows = this.state.rows.map((r) => (r.key === row.key ? { ...r, ...row } : r));
    if (location.hash.length > 2) this.drawHeader(...location.hash.split("/").slice(1));
  }

  hasFollowUp(key) {
    if (this.session.blinded) return false;
    const own = this.state.rows.find((r) => r.key === key);
    return Boolean(own?.subject) && this.state.rows.filter((r) => r.subject === own.subject).length > 1;
  }

  // Films lately seen and the next one are kept, grey values and all.
  pixels(key) {
    let film = this.films.get(key);
    if (!film) {
      film = getPixels(key).then((pixels) => new Film(pixels));
      film.catch(() => this.films.delete(key));
    }
    this.films.delete(key);
    this.films.set(key, film);
    const most = Math.max(KEPT_FILMS, this.current?.panes?.length || 0);
    for (const old of [...this.films.keys()].slice(0, Math.max(0, this.films.size - most))) this.films.delete(old);
    return film;
  }

  prefetch(key) {
    const next = this.nextToDo(key);
    // Not of a CT: the server keeps one at a time, and it is the one on the screen.
    if (this.state.rows.find((r) => r.key === next)?.modality === "CT") return;
    if (next) setTimeout(() => this.pixels(next).then(() => this.pixels(key)).catch(() => {}), 400);
  }

  failed(error) {
    const ended = error.status === 401;
    toast(ended ? t("session_ended") : t("failed", { reason: refusal(error.message) }), "bad");
  }
}

setLanguage(firstLanguage());
try {
  const films = getJson("api/films"); // asked for at once, beside the session
  films.catch(() => {});
  const app = new App(await openSession());
  window.endplate = app; // for the benchmark and the tests
  await app.start(films);
} catch (error) {
  document.getElementById("app").append(el("p", { class: "problem", text: error.status === 401 ? t("session_ended") : error.message }));
}
