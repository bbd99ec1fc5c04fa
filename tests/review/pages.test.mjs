// Tests of the pages' own modules: node --test tests/review/pages.test.mjs

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";

const at = (name) => new URL(`../../review/frontend/${name}`, import.meta.url);
globalThis.document = { documentElement: {} };
const model = await import(at("model.js"));
const tone = await import(at("tone.js"));
const view = await import(at("view.js"));
const en = (await import(at("en.js"))).default;
const fr = (await import(at("fr.js"))).default;
const { arrange } = await import(at("arrange.js"));
const words = await import(at("words.js"));
const { changesText } = await import(at("panels.js"));
const { SignBar, signedAs } = await import(at("signbar.js"));

const REGULAR = ["C7", ...Array.from({ length: 12 }, (_, i) => `T${i + 1}`), "L1", "L2", "L3", "L4", "L5", "S1"];

function body(level, y) {
  const points = [[60, y], [30, y + 2], [0, y], [0, y + 40], [30, y + 38], [60, y + 40]];
  return { level, points, covariance: Array(6).fill([1, 0, 1]), origin: "r0", hardware: false, cement: false, fractured: false };
}

function spine(...levels) {
  return { vertebrae: levels.map((x, i) => body(x, 50 * i)), spacing_mm: null, position: null, index_level: null };
}

test("moving a point changes a copy and forgets the point's error", () => {
  const doc = spine("T12", "L1");
  const moved = model.movePoint(doc, 1, 2, [5.00049, 51]);
  assert.deepEqual(moved.vertebrae[1].points[2], [5, 51]);
  assert.equal(moved.vertebrae[1].covariance[2], null);
  assert.deepEqual(doc.vertebrae[1].points[2], [0, 50]);
  assert.equal(moved.vertebrae[0], doc.vertebrae[0]);
  assert.deepEqual(model.nudgePoint(doc, 0, 0, 0.1, -0.1).vertebrae[0].points[0], [60.1, -0.1]);
});

test("all names shift together, not beyond the spine", () => {
  const doc = { ...spine("T12", "L1", "L2"), index_level: "L1" };
  const up = model.shift(doc, -1, REGULAR);
  assert.deepEqual(up.vertebrae.map((v) => v.level), ["T11", "T12", "L1"]);
  assert.equal(up.index_level, "T12");
  assert.deepEqual(model.shift(up, 1, REGULAR).vertebrae.map((v) => v.level), ["T12", "L1", "L2"]);
  assert.equal(model.shift(spine("C7", "T1"), -1, REGULAR), null);
  assert.equal(model.shift(spine("L4", "L5"), 1, REGULAR), null, "a whole body is no sacrum");
  assert.equal(model.shift(spine("T13"), 1, REGULAR), null);
});

test("renaming keeps head-to-foot order and the index level", () => {
  const doc = { ...spine("T12", "L1", "L2"), index_level: "L2" };
  const renamed = model.rename(doc, 2, "T11", REGULAR);
  assert.deepEqual(renamed.vertebrae.map((v) => v.level), ["T11", "T12", "L1"]);
  assert.equal(renamed.index_level, "T11");
  assert.equal(model.remove(renamed, 0).index_level, null);
});

test("a new body is named after its neighbours", () => {
  const doc = spine("T12", "L1", "L3");
  assert.equal(model.levelAt(doc, 90, REGULAR), "L2");
  assert.equal(model.levelAt(doc, 500, REGULAR), "L4");
  assert.equal(model.levelAt(doc, -100, REGULAR), "T11");
  assert.equal(model.levelAt(spine("T12", "L1"), 45, REGULAR), null);
  assert.equal(model.levelAt(spine(), 10, REGULAR), "L1");
});

test("four corners make a body, two a sacrum", () => {
  const made = model.bodyOfCorners("L1", [[60, 0], [0, 2], [0, 40], [60, 42]]);
  assert.deepEqual(made.points, [[60, 0], [30, 1], [0, 2], [0, 40], [30, 41], [60, 42]]);
  assert.deepEqual(model.bodyOfCorners("S1", [[60, 0], [0, 2]]).points.slice(3), [null, null, null]);
});

test("undo and redo walk the same way back and forth", () => {
  let h = model.begin("a");
  h = model.change(model.change(h, "b"), "c");
  h = model.undo(model.undo(model.undo(h)));
  assert.equal(h.now, "a");
  h = model.redo(h);
  assert.equal(h.now, "b");
  assert.deepEqual(model.change(h, "d").future, []);
});

test("the keyboard walks all seen points", () => {
  const doc = spine("T12", "L1");
  doc.vertebrae[0].points[1] = null;
  assert.deepEqual(model.stepPoint(doc, null, 1), { at: 0, point: 0 });
  assert.deepEqual(model.stepPoint(doc, { at: 0, point: 0 }, 1), { at: 0, point: 2 });
  assert.deepEqual(model.stepPoint(doc, { at: 0, point: 0 }, -1), { at: 1, point: 5 });
  assert.deepEqual(model.nearestPoint(doc, 59, 51, 5), { at: 1, point: 0 });
  assert.equal(model.nearestPoint(doc, 200, 51, 5), null);
});

test("window and level", () => {
  const table = tone.table(8, { level: 100, width: 100, invert: false });
  assert.equal(table[50] & 255, 0);
  assert.equal(table[150] & 255, 255);
  assert.equal(table[100] & 255, 128);
  assert.equal(table[100] >>> 24, 255);
  const inverted = tone.table(8, { level: 100, width: 100, invert: true });
  assert.equal(inverted[150] & 255, 0);
  const values = Uint16Array.from({ length: 1000 }, (_, i) => 1000 + i);
  const { level, width } = tone.autoWindow({ values, bits: 16 });
  assert.ok(Math.abs(level - 1500) < 10 && width > 980 && width <= 1000);
});

test("sharpening leaves flat grey and steepens an edge", () => {
  const [rows, columns] = [9, 16];
  const values = new Uint8Array(rows * columns).map((_, i) => (i % columns < 8 ? 50 : 150));
  const out = tone.sharpen({ rows, columns, bits: 8, values }, 1, 1);
  assert.equal(out[4 * columns], 50);
  assert.ok(out[4 * columns + 7] < 50 && out[4 * columns + 8] > 150);
});

test("screen and film go into one another", () => {
  let v = view.fit(1000, 2000, 500, 500, 1.2);
  v = view.zoomAt(v, 3, [100, 80]);
  const there = view.toScreen(v, [412.25, 77.5]);
  const back = view.toFilm(v, there);
  assert.ok(Math.hypot(back[0] - 412.25, back[1] - 77.5) < 1e-9);
  const fixed = view.toFilm(v, [100, 80]);
  const after = view.toFilm(view.zoomAt(v, 2, [100, 80]), [100, 80]);
  assert.ok(Math.hypot(fixed[0] - after[0], fixed[1] - after[1]) < 1e-9);
  assert.deepEqual(view.toScreen({ zoom: 1, aspect: 1, x: 0, y: 0 }, [0, 0]), [0.5, 0.5]);
});

test("a film opens at what is marked, without showing what is beside it", () => {
  const doc = { vertebrae: [{ points: [[400, 300], [380, 300], [360, 300], [360, 340], null, [400, 340]] }] };
  const box = model.marked(doc);
  assert.deepEqual(box, [320, 260, 440, 380]);
  assert.equal(model.marked({ vertebrae: [] }), null);
  const all = view.fit(1000, 3000, 800, 600);
  const near = view.fitBox([300, 1000, 700, 2000], [1000, 3000], 800, 600, all);
  assert.ok(Math.abs(near.zoom - 0.6) < 1e-9);
  const middle = view.toScreen(near, [499.5, 1500]);
  assert.ok(Math.hypot(middle[0] - 400, middle[1] - 300) < 1e-6);
  const top = view.fitBox([300, -50, 700, 500], [1000, 3000], 800, 600, all);
  assert.equal(top.y, 0);
  assert.ok(view.fitBox([499, 1499, 501, 1501], [1000, 3000], 800, 600, all).zoom <= 4 * all.zoom + 1e-12);
  assert.ok(view.fitBox([-99, -99, 1099, 3099], [1000, 3000], 800, 600, all).zoom === all.zoom);
});

test("ellipses follow the covariance", () => {
  const e = view.ellipse([4, 0, 1], { zoom: 10, aspect: 1 });
  assert.ok(Math.abs(e.rx - Math.sqrt(4.605) * 20) < 1e-9 && Math.abs(e.ry - Math.sqrt(4.605) * 10) < 1e-9);
  assert.equal(view.ellipse([1, 0.5, 1], { zoom: 1, aspect: 1 }).turn, 45);
});

test("the worklist filters, sorts and keeps the order of the server", () => {
  const row = (name, status, signed = false, loss = null) => ({ name, status, signed, loss, reasons: [status], subject: "P", reader: "x", worst: "", date: "" });
  const rows = [row("film-2", "flagged"), row("film-10", "flagged", true), row("film-1", "accepted", false, 30)];
  const names = (state) => arrange(rows, { show: "all", text: "", sort: null, down: false, ...state }).map((r) => r.name);
  assert.deepEqual(names({}), ["film-2", "film-10", "film-1"]);
  assert.deepEqual(names({ show: "flagged" }), ["film-2"]);
  assert.deepEqual(names({ show: "todo" }), ["film-2", "film-1"]);
  assert.deepEqual(names({ text: "p FILM-1" }), ["film-10", "film-1"]);
  assert.deepEqual(names({ sort: "film" }), ["film-1", "film-2", "film-10"]);
  assert.deepEqual(names({ sort: "finding" })[0], "film-1");
});

test("English and French say the same things", () => {
  assert.deepEqual(Object.keys(fr).sort(), Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    const names = (x) => (x.match(/\{\w+\}/g) || []).sort();
    assert.deepEqual(names(fr[key]), names(text), key);
    assert.ok(fr[key].trim(), key);
  }
  words.setLanguage("fr");
  assert.equal(words.t("left", { left: 2, all: 3 }), "2 sur 3 à faire");
  assert.equal(words.quantity(-3.25, "deg").replace("3,3", "3,2"), "−3,2°");
});

test("no page makes markup of text or loads from elsewhere", async () => {
  const { readFileSync } = await import("node:fs");
  for (const name of readdirSync(at("."))) {
    const text = readFileSync(at(name), "utf-8");
    assert.ok(!/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/.test(text), name);
    assert.ok(!/https?:\/\/(?!www\.w3\.org\/2000\/svg)/.test(text), name);
  }
});

test("what the server tells in English is told in French, with what it names", () => {
  words.setLanguage("en");
  const told = { code: "point_uncertain", message: "points are uncertain on T12, L1" };
  assert.equal(words.reason(told), "Points are uncertain on T12, L1");
  assert.equal(words.reasonName("point_uncertain"), "point uncertain");
  words.setLanguage("fr");
  assert.equal(words.reason(told), "Points incertains sur T12, L1");
  const levels = { code: "level_uncertain", message: "the level names may all be off by one (probability of being right 0.61); check them, or give one with --levels L1@x,y" };
  assert.match(words.reason(levels), /justes : 0,61/);
  assert.equal(words.reason({ code: "reader_note", message: "bof" }), "bof");
  assert.match(words.refusal("two bodies are called L2: rename or delete one"), /s’appellent L2/);
  assert.equal(words.refusal("something new"), "something new");
  assert.match(words.flag("points_missing", "x"), /point nécessaire/);
});

test("a slab's line lies square to the sheet, the patient's left to the right", async () => {
  const { beside } = await import(at("slabs.js"));
  assert.deepEqual(beside([[10, 0], [10, 50], [10, 100]], 4), [[14, 0], [14, 50], [14, 100]]);
  const slanted = beside([[0, 0], [30, 40]], 5);
  assert.deepEqual(slanted[0], [4, -3]);
});

test("points of a CT remember the slab on which they were placed", () => {
  const doc = spine("T12", "L1");
  doc.vertebrae[1].aside = [0, 0, 0, 0, 0, 0];
  const moved = model.movePoint(doc, 1, 2, [5, 51], -6);
  assert.deepEqual(moved.vertebrae[1].aside, [0, 0, -6, 0, 0, 0]);
  assert.deepEqual(model.wireOf(moved, "r").vertebrae[1].aside, [0, 0, -6, 0, 0, 0]);
  assert.equal("aside" in model.wireOf(moved, "r").vertebrae[0], false);
  assert.equal(model.bodyOfCorners("L2", [[60, 0], [0, 2], [0, 40], [60, 42]], 4).aside[5], 4);
});

test("the loss of correction is counted from the reference, with the errors of both films", async () => {
  const { changes } = await import(at("followup.js"));
  const point = (value, se) => ({ time: 0, label: "", m: { value, se, unit: "deg", interval90: [value - 1, value + 1] } });
  const out = changes([point(4, 3), point(9, 4), point(2, null)]);
  assert.deepEqual(out.map((p) => p.m.value), [0, 5, -2]);
  assert.equal(out[0].m.interval90, null);
  assert.ok(Math.abs(out[1].m.interval90[0] - (5 - 1.645 * 5)) < 1e-9);
  assert.equal(out[2].m.interval90, null);
});

test("a signed film opens with the verdict and the note that it was signed with", () => {
  const said = [{ code: "level_uncertain", message: "?" }, { code: "reader_note", message: "T6 doubtful" }];
  assert.deepEqual(signedAs({ signed: true, status: "flagged", reasons: said }, false), { verdict: "flagged", note: "T6 doubtful" });
  const none = [{ code: "reader_note", message: "The reader rejected the reading." }];
  assert.deepEqual(signedAs({ signed: true, status: "rejected", reasons: none }, false), { verdict: "rejected", note: "" });
  // a network's verdict is no signature
  assert.deepEqual(signedAs({ signed: false, status: "flagged", reasons: said }, false), { verdict: "accepted", note: "" });
  assert.equal(signedAs({ signed: false, status: "rejected", reasons: [] }, true).verdict, "rejected");
});

test("a verdict or a note that is not signed is a change", () => {
  const fields = { "#verdict": { value: "flagged" }, "#note": { value: "T6 doubtful " } };
  const bar = Object.create(SignBar.prototype);
  bar.node = { querySelector: (id) => fields[id] };
  assert.equal(bar.dirty, false);
  bar.first = { verdict: "flagged", note: "T6 doubtful" };
  assert.equal(bar.dirty, false);
  fields["#note"].value = "T7 doubtful";
  assert.equal(bar.dirty, true);
  fields["#note"].value = "T6 doubtful";
  fields["#verdict"].value = "rejected";
  assert.equal(bar.dirty, true);
});

test("the trail says what was cleared, and lines of earlier versions too", () => {
  words.setLanguage("en");
  const none = { moved_px: {}, renamed: {}, added: [], removed: [], marks: [], fractured: null, index_level: null, position: null, spacing_mm: null };
  assert.equal(changesText({ changes: none }), "");
  const changes = {
    ...none,
    renamed: { L1: "T12" },
    fractured: { before: [], after: ["L1", "L2"] },
    index_level: { before: "L1", after: null },
    position: { before: null, after: "supine" },
    spacing_mm: { before: null, after: [0.143, 0.143] },
  };
  assert.equal(
    changesText({ changes, note: "why" }),
    "renamed L1 → T12; Fracture: – → L1, L2; Index level: L1 → –; Position: – → supine; Pixel spacing: – → 0.143 × 0.143 mm; “why”"
  );
  const { renamed, ...before } = none;
  assert.equal(changesText({ changes: { ...before, index_level: "L1", fractured: ["L1"] } }), "Fracture: L1; Index level: L1");
});
