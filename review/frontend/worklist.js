// The worklist: only the rows in sight are in the page, so ten thousand scroll as well as ten.

import { download } from "./api.js";
import { arrange, FILTERS, statusOf } from "./arrange.js";
import { el, rem, replace, speak, toast } from "./dom.js";
import { day, quantity, reasonName, refusal, t } from "./words.js";

let ROW = 64; // as style.css has it: 4.27 letters
const SPARE = 6;

export class Worklist {
  // state lives on in the application: { rows, show, text, sort, down, chosen, top }
  constructor(state, session, open) {
    this.state = state;
    this.session = session;
    this.open = open;
    ROW = rem(4.27);
    this.pool = new Map();
    this.thumbs = new Map();
    this.build();
    this.refresh();
    requestAnimationFrame(() => {
      this.scroller.scrollTop = this.state.top || 0;
      this.draw();
      this.grid.focus({ preventScroll: true });
    });
  }

  build() {
    const blinded = this.session.blinded;
    this.columns = blinded
      ? ["status", "film"]
      : ["status", "film", "subject", "date", "levels", "finding", "reader"];
    this.search = el("input", {
      type: "search",
      id: "filter",
      placeholder: t("filter_hint"),
      "aria-label": t("filter"),
      value: this.state.text,
      oninput: () => this.set({ text: this.search.value }),
      onkeydown: (e) => {
        if (e.key === "Enter" || e.key === "ArrowDown") {
          e.preventDefault();
          this.grid.focus();
        }
      },
    });
    this.search.value = this.state.text;
    this.chips = el("div", { class: "chips", role: "group", "aria-label": t("filter") });
    this.count = el("p", { class: "left", id: "left" });
    const exports = el("div", { class: "row gap" });
    if (!blinded && this.session.role === "reviewer") {
      const offer = (path, text) =>
        el("button", {
          class: "quiet",
          text,
          onclick: () => download(path).catch((e) => toast(t("failed", { reason: refusal(e.message) }), "bad")),
        });
      exports.append(
        offer("api/export/measurements.csv", t("export_all_csv")),
        offer("api/export/coco.zip", t("export_coco"))
      );
    }
    this.head = el("div", { class: "list-head", role: "row" });
    this.spacer = el("div", { class: "list-space", role: "presentation" });
    this.scroller = el("div", { class: "list-scroll", role: "rowgroup", onscroll: () => this.onScroll() }, this.spacer);
    this.grid = el(
      "div",
      {
        class: `list ${blinded ? "blinded" : ""}`,
        role: "grid",
        tabindex: "0",
        "aria-label": `${t("worklist")}. ${t("list_help")}`,
        onkeydown: (e) => this.onKey(e),
      },
      el("div", { role: "rowgroup" }, this.head),
      this.scroller
    );
    this.empty = el("p", { class: "empty", text: t("no_films") });
    this.node = el(
      "main",
      { class: "worklist" },
      el("h1", { class: "only-spoken", text: t("worklist") }),
      el("div", { class: "list-bar" }, this.search, this.chips, this.count, exports),
      this.grid,
      this.empty
    );
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(this.scroller);
  }

  onBodyKey(event) {
    if (event.key === "Tab") return;
    this.grid.focus({ preventScroll: true });
    this.onKey(event);
  }

  close() {
    this.watch.disconnect();
    clearTimeout(this.later);
  }

  set(change) {
    Object.assign(this.state, change, { top: 0 });
    this.scroller.scrollTop = 0;
    this.refresh();
  }

  refresh() {
    const { rows } = this.state;
    this.shown = arrange(rows, this.state);
    const left = rows.filter((r) => !r.signed).length;
    this.count.textContent = left ? t("left", { left, all: rows.length }) : t("all_done", { all: rows.length });
    const blinded = this.session.blinded;
    const focus = this.chips.contains(document.activeElement) ? document.activeElement.dataset.show : null;
    const kinds = blinded ? ["all", "todo", "signed"] : Object.keys(FILTERS);
    replace(
      this.chips,
      ...kinds.map((kind) =>
        el(
          "button",
          {
            class: "chip",
            "data-show": kind,
            "aria-pressed": String(this.state.show === kind),
            onclick: () => this.set({ show: kind }),
          },
          t(`show_${kind}`),
          el("span", { class: "n", text: ` ${rows.filter(FILTERS[kind]).length}` })
        )
      )
    );
    if (focus) this.chips.querySelector(`[data-show="${focus}"]`).focus();
    this.drawHead();
    this.grid.setAttribute("aria-rowcount", String(this.shown.length + 1));
    this.spacer.style.height = `${this.shown.length * ROW}px`;
    this.empty.hidden = this.shown.length > 0;
    for (const node of this.pool.values()) node.remove();
    this.pool.clear();
    const at = this.shown.findIndex((r) => r.key === this.state.chosen);
    this.at = Math.max(at, 0);
    this.draw();
  }

  drawHead() {
    const { sort, down } = this.state;
    const cells = this.columns.map((name) => {
      const direction = sort === name ? (down ? "descending" : "ascending") : "none";
      const arrow = sort === name ? (down ? " ↓" : " ↑") : "";
      return el(
        "div",
        { role: "columnheader", class: `c-${name}`, "aria-sort": direction },
        el("button", {
          class: "sort",
          tabindex: "-1",
          text: t(`col_${name}`) + arrow,
          onclick: () => this.set({ sort: name, down: sort === name ? !down : false }),
        })
      );
    });
    replace(this.head, el("div", { role: "columnheader", class: "c-thumb" }, el("span", { class: "only-spoken", text: t("export_overlay") })), ...cells);
  }

  draw() {
    const height = this.scroller.clientHeight || 600;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - SPARE);
    const last = Math.min(this.shown.length, Math.ceil((this.scroller.scrollTop + height) / ROW) + SPARE);
    for (const [at, node] of this.pool) {
      if (at < first || at >= last) {
        node.remove();
        this.pool.delete(at);
      }
    }
    for (let at = first; at < last; at += 1) {
      if (!this.pool.has(at)) {
        const node = this.row(this.shown[at], at);
        this.pool.set(at, node);
        this.scroller.append(node);
      }
    }
    this.mark();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.loadThumbs(), 90);
  }

  row(row, at) {
    const status = statusOf(row);
    const cell = (name, ...inner) => el("div", { role: "gridcell", class: `c-${name}` }, ...inner);
    const dot = el("span", { class: `status ${status}`, text: t(`status_${status}`) });
    const picture = el("img", { alt: "" });
    picture.hidden = true;
    const name = this.session.blinded ? t("film_n", { n: row.name }) : row.name;
    const link = el("a", { href: `#/film/${row.key}`, tabindex: "-1", draggable: "false", text: name });
    const cells = {
      status: () => cell("status", dot),
      film: () => cell("film", link, row.modality === "CT" ? el("small", { text: "CT" }) : null),
      subject: () => cell("subject", row.subject),
      date: () => cell("date", day(row.date), el("small", { text: row.position ? t(`position_${row.position}`) : "" })),
      levels: () => cell("levels", row.levels.join(" – ")),
      finding: () =>
        cell(
          "finding",
          row.worst ? t("finding", { level: row.worst, loss: quantity(row.loss, "%") }) : "",
          el("small", { text: row.signed ? "" : row.reasons.map(reasonName).join(", ") })
        ),
      reader: () => cell("reader", row.reader),
    };
    const node = el(
      "div",
      {
        role: "row",
        id: `row-${at}`,
        class: "list-row",
        "aria-rowindex": String(at + 2),
        onclick: () => this.openAt(at),
      },
      cell("thumb", picture),
      ...this.columns.map((c) => cells[c]())
    );
    node.style.transform = `translateY(${at * ROW}px)`;
    node.style.height = `${ROW}px`;
    node.picture = picture;
    node.link = link;
    node.key = row.key;
    const known = this.thumbs.get(row.key);
    if (known) this.showThumb(node);
    return node;
  }

  loadThumbs() {
    for (const node of this.pool.values()) {
      if (!node.picture.src) this.showThumb(node);
    }
  }

  showThumb(node) {
    this.thumbs.set(node.key, true);
    node.picture.onload = () => (node.picture.hidden = false);
    node.picture.onerror = () => (node.picture.hidden = true);
    node.picture.src = `api/films/${node.key}/thumb`;
  }

  mark() {
    // What scrolls holds one place for Tab: the chosen row, or the first that is there.
    const tabbed = this.pool.has(this.at) ? this.at : Math.min(...this.pool.keys());
    for (const [at, node] of this.pool) {
      node.classList.toggle("chosen", at === this.at);
      node.link.tabIndex = at === tabbed ? 0 : -1;
      node.setAttribute("aria-selected", String(at === this.at));
    }
    if (this.pool.has(this.at)) this.grid.setAttribute("aria-activedescendant", `row-${this.at}`);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  onScroll() {
    this.state.top = this.scroller.scrollTop;
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW) - 1);
    const last = this.shown.length - 1;
    const to = {
      ArrowDown: this.at + 1,
      ArrowUp: this.at - 1,
      PageDown: this.at + page,
      PageUp: this.at - page,
      Home: 0,
      End: last,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.choose(Math.min(Math.max(to, 0), last));
    } else if (event.key === "Enter" && [this.grid, document.body].includes(event.target)) {
      this.openAt(this.at);
    } else if (event.key === "/") {
      event.preventDefault();
      this.search.focus();
    }
  }

  choose(at) {
    if (at < 0) return;
    this.at = at;
    const row = this.shown[at];
    this.state.chosen = row.key;
    const top = at * ROW;
    const height = this.scroller.clientHeight;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW > this.scroller.scrollTop + height) this.scroller.scrollTop = top + ROW - height;
    this.draw();
    speak(`${row.name} ${row.subject || ""} ${t(`status_${statusOf(row)}`)}`);
  }

  openAt(at) {
    const row = this.shown[at];
    if (!row) return;
    this.state.chosen = row.key;
    this.open(row.key);
  }
}
