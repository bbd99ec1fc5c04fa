"""Seeing, editing, measuring, signing and exporting, as the pages do it."""

import io
import json
import zipfile
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from endplate.datasets.coco import load_films
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.levels import LEVELS
from endplate.geometry.measure import measure
from endplate.reports.reading_json import read_reading, reading_schema, write_reading
from endplate.review.audit import AuditTrail
from endplate.review.editing import MANUAL_SD, calibration_of
from endplate.study.factors import factors_of, with_factors

from .conftest import HOST, Browser, wire


def open_film(browser, at=0):
    key = browser.films()[at]["key"]
    return key, browser.get(f"/api/films/{key}").json()


def test_a_film_comes_with_points_and_pixels(browser):
    key, film = open_film(browser)
    assert film["found"]
    assert len(film["vertebrae"][0]["points"]) == 6
    assert film["vertebrae"][0]["covariance"][0][0] > 0
    pixels = browser.get(f"/api/films/{key}/pixels")
    size = int(pixels.headers["x-rows"]), int(pixels.headers["x-columns"])
    assert size == (film["rows"], film["columns"])
    assert len(pixels.content) == size[0] * size[1] * int(pixels.headers["x-bits"]) // 8
    assert browser.get(f"/api/films/{key}/thumb").content[:2] == b"\xff\xd8"


def test_live_measures_are_those_of_the_geometry(browser):
    key, film = open_film(browser)
    edit = wire(film)
    edit["vertebrae"][1]["points"][0][0] += 7.25
    answer = browser.post(f"/api/films/{key}/measure", edit).json()
    reading = browser.desk.library.reading(browser.desk.library.entry(key).current)
    points = np.array(reading.vertebrae[1].points)
    points[0, 0] = edit["vertebrae"][1]["points"][0][0]
    moved = [v if i != 1 else Vertebra(v.level, points) for i, v in enumerate(reading.vertebrae)]
    expected = {
        (m.name, m.level): m.value
        for m in measure(moved, reading.calibration)
        if np.isfinite(m.value)
    }
    got = {(m["name"], m["level"]): m["value"] for m in answer["measurements"]}
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, abs=0.01)
    assert all(
        m["interval90"] for m in answer["measurements"] if m["name"] == "vertebral_kyphosis_deg"
    )


def test_moved_points_have_a_readers_error(browser):
    key, film = open_film(browser)
    edit = wire(film)
    edit["vertebrae"][1]["points"][0][1] -= 3.0
    answer = browser.post(f"/api/films/{key}/measure", edit).json()
    xx, xy, yy = answer["covariance"][1][0]
    points = np.array(edit["vertebrae"][1]["points"], dtype=float)
    depth = np.mean([np.hypot(*(points[0] - points[2])), np.hypot(*(points[5] - points[3]))])
    assert (xx, xy, yy) == pytest.approx(((MANUAL_SD * depth) ** 2, 0, (MANUAL_SD * depth) ** 2))
    assert answer["covariance"][1][2] == film["vertebrae"][1]["covariance"][2]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vertebrae": None}, "vertebrae"),
        ({"vertebrae": [{}]}, "level"),
        ({"vertebrae": [{"level": "L1", "points": [[1, 2]]}]}, "six"),
        ({"vertebrae": [{"level": "L1", "points": [None] * 6}]}, "at least one point"),
        ({"vertebrae": [{"level": "L1", "points": [[1e9, 0]] * 6}]}, "number"),
        ({"vertebrae": [{"level": "L1", "points": [["a", 0]] * 6}]}, "number"),
        ({"vertebrae": [{"level": "L9", "points": [[1, 0]] * 6}]}, "level"),
        ({"vertebrae": [{"level": "L1", "points": [[1, 0]] * 6, "origin": "r99"}]}, "origin"),
        ({"vertebrae": [{"level": "L1", "points": [[1, 0]] * 6, "origin": "x"}]}, "origin"),
        ({"vertebrae": [{"level": "L1", "points": [[1, 0]] * 6}] * 2}, "two bodies are called L1"),
        ({"vertebrae": [{"level": "L1", "points": [[1, 0]] * 6}] * 40}, "at most"),
        ({"spacing_mm": [0, 0]}, "spacing"),
        ({"position": "flying"}, "position"),
        ({"index_level": "Q1"}, "index_level"),
    ],
)
def test_edits_that_cannot_be_are_refused(browser, change, says):
    key, film = open_film(browser)
    answer = browser.post(f"/api/films/{key}/measure", {**wire(film), **change})
    assert answer.status_code == 422
    assert says in answer.json()["error"]


def test_unknown_films_readings_and_actions(browser):
    key, film = open_film(browser)
    assert browser.get("/api/films/nothing").status_code == 404
    assert browser.get(f"/api/films/{key}?reading=nothing").status_code == 404
    assert browser.post(f"/api/films/{key}/explode", wire(film)).status_code == 404
    assert browser.get(f"/api/films/{key}/export/exe").status_code == 404
    edit = {**wire(film), "base": "../x"}
    assert browser.post(f"/api/films/{key}/measure", edit).status_code == 404


def sign(browser, key, edit, **more):
    return browser.post(f"/api/films/{key}/sign", {**edit, "verdict": "accepted", **more})


def test_signing_makes_a_new_reading(browser, results):
    key, film = open_film(browser)
    before = (results / "film-1.json").read_bytes()
    edit = wire(film)
    edit["vertebrae"][0]["points"][0][0] += 4
    edit["vertebrae"][1]["fractured"] = True
    edit["vertebrae"][2]["cement"] = True
    edit["index_level"] = edit["vertebrae"][1]["level"]
    edit["position"] = "supine"
    done = sign(browser, key, edit, note="  moved a\ncorner ").json()
    assert done["row"]["signed"]
    path = results / "review" / "readings" / f"{done['reading']}.json"
    jsonschema.validate(json.loads(path.read_text()), reading_schema())
    reading = read_reading(path)
    assert reading.parent == film["reading"]
    assert (reading.reader.kind, reading.reader.name) == ("person", "anna")
    assert reading.quality.status == "accepted"
    assert reading.source.position == "supine"
    assert [r.message for r in reading.quality.reasons][-1] == "moved a corner"
    assert (results / "film-1.json").read_bytes() == before
    again = browser.get(f"/api/films/{key}").json()
    assert again["signed"]
    assert again["index_level"] == edit["index_level"]
    assert again["vertebrae"][1]["fractured"]
    assert again["vertebrae"][2]["cement"]
    assert again["vertebrae"][0]["points"] == edit["vertebrae"][0]["points"]
    history = browser.get(f"/api/films/{key}/history").json()
    assert [r["kind"] for r in history["readings"]] == ["person", "model"]
    changes = history["audit"][0]["changes"]
    assert changes["moved_px"] == {edit["vertebrae"][0]["level"]: 4.0}
    level = edit["index_level"]
    assert changes["position"] == {"before": film["position"], "after": "supine"}
    assert changes["fractured"] == {"before": [], "after": [level]}
    assert changes["index_level"] == {"before": None, "after": level}
    assert changes["marks"] == [f"{edit['vertebrae'][2]['level']} cement: yes"]
    assert (changes["renamed"], changes["spacing_mm"]) == ({}, None)
    assert browser.films()[-1]["key"] == key


def test_the_trail_tells_names_from_places_and_what_was_cleared(browser):
    """A column that was named anew has not moved; an index level that was taken back shows."""
    key, film = open_film(browser)
    edit = wire(film)
    edit["index_level"] = edit["vertebrae"][0]["level"]
    sign(browser, key, edit)
    again = wire(browser.get(f"/api/films/{key}").json())
    old = [v["level"] for v in again["vertebrae"]]
    new = [LEVELS[LEVELS.index(level) - 1] for level in old]
    for body, level in zip(again["vertebrae"], new, strict=True):
        body["level"] = level
    lost = again["vertebrae"].pop()
    placed = {**again["vertebrae"][0], "origin": None, "level": old[-1]}
    placed["points"] = [p and [p[0] + 30, p[1] + 900] for p in lost["points"]]
    again["vertebrae"].append(placed)
    again["index_level"] = None
    sign(browser, key, again)
    changes = browser.get(f"/api/films/{key}/history").json()["audit"][0]["changes"]
    assert changes["moved_px"].keys() == {old[-1]}
    assert changes["renamed"] == dict(zip(old[:-1], new[:-1], strict=True))
    assert (changes["added"], changes["removed"]) == ([], [])
    assert changes["index_level"] == {"before": edit["index_level"], "after": None}
    assert changes["position"] is None


def test_a_second_reader_meets_a_conflict(make):
    desk, door, app = make()
    anna, ben = Browser(app, door, "anna"), Browser(app, door, "ben")
    key, film = open_film(anna)
    first = sign(ben, key, wire(film)).json()["reading"]
    refused = sign(anna, key, wire(film))
    assert refused.status_code == 409
    assert refused.json()["conflict"] == first
    assert refused.json()["reader"] == "ben"
    assert sign(ben, key, wire(film), overrule=first).status_code == 409, "only a reviewer"
    over = sign(anna, key, wire(film), overrule=first)
    assert over.status_code == 200
    entry = desk.library.entry(key)
    assert entry.current.id == over.json()["reading"]
    assert entry.current.values["parent"] == first
    assert desk.audit.lines(key)[0]["overrules"] == first


def test_only_a_reviewer_signs_over_another_person(make):
    desk, door, app = make()
    anna, ben = Browser(app, door, "anna"), Browser(app, door, "ben")
    key, film = open_film(anna)
    first = sign(anna, key, wire(film)).json()["reading"]
    _, seen = open_film(ben, [f["key"] for f in ben.films()].index(key))
    assert seen["reading"] == first
    refused = sign(ben, key, wire(seen))
    assert refused.status_code == 409
    assert "only a reviewer" in refused.json()["error"]
    assert sign(anna, key, wire(seen)).status_code == 200, "her own"
    other, film = open_film(ben)
    assert sign(ben, other, wire(film)).status_code == 200
    _, seen = open_film(anna, [f["key"] for f in anna.films()].index(other))
    assert sign(anna, other, wire(seen)).status_code == 200
    assert desk.audit.lines(other)[0]["overrules"] == seen["reading"]
    assert desk.audit.lines(key)[0]["overrules"] is None


def test_signing_without_a_change_changes_no_error(make, results):
    path = results / "film-0.json"
    reading = read_reading(path)
    factors = {"vertebral_kyphosis_deg": 0.6, "Ha_Hp": 1.4}
    scaled = replace(reading, measurements=with_factors(reading.measurements, factors))
    write_reading(path, scaled)
    desk, door, app = make()
    anna = Browser(app, door, "anna")
    (key,) = [
        f["key"] for f in anna.films() if desk.library.entry(f["key"]).current.id == reading.id
    ]
    film = anna.get(f"/api/films/{key}").json()
    done = sign(anna, key, wire(film)).json()
    signed = read_reading(results / "review" / "readings" / f"{done['reading']}.json")
    stated = {(m.name, m.level, m.between): m.se for m in signed.measurements}
    for m in scaled.measurements:
        if np.isfinite(m.se) and (m.name, m.level, m.between) in stated:
            assert stated[m.name, m.level, m.between] == pytest.approx(m.se, rel=5e-3, abs=1e-6)
    assert factors_of(signed)["vertebral_kyphosis_deg"] == pytest.approx(0.6, abs=2e-3)


def test_half_a_character_is_refused_and_leaves_no_file(browser, results):
    key, film = open_film(browser)
    text = json.dumps({**wire(film), "verdict": "accepted", "note": "a\ud800b"})
    own = {"x-endplate-csrf": browser.session["csrf"], "origin": f"http://{HOST}"}
    refused = browser.client.post(f"/api/films/{key}/sign", content=text, headers=own)
    assert refused.status_code == 422
    assert not list((results / "review" / "readings").glob("*"))


def test_what_nobody_signed_is_not_exported(browser):
    key, _ = open_film(browser)
    refused = browser.get(f"/api/films/{key}/export/json")
    assert refused.status_code == 422
    assert "sign it" in refused.json()["error"]


def test_adding_and_snapping_by_the_refiner(browser):
    key, film = open_film(browser)
    edit = wire(film)
    gone = edit["vertebrae"].pop(1)
    x, y = np.mean([gone["points"][i] for i in (0, 2, 3, 5)], axis=0)
    body = browser.post(f"/api/films/{key}/add", {**edit, "x": x, "y": y}).json()
    assert body["level"] == gone["level"]
    centre = np.mean([body["points"][i] for i in (0, 2, 3, 5)], axis=0)
    assert np.hypot(*(centre - [x, y])) < 8
    edit["vertebrae"].append({k: body[k] for k in ("level", "points", "origin")})
    answer = browser.post(f"/api/films/{key}/measure", edit).json()
    at = answer["levels"].index(gone["level"])
    assert answer["covariance"][at][0] == [1.0, 0.0, 1.0], "the refiner's own error is kept"
    snapped = browser.post(f"/api/films/{key}/snap", {**edit, "level": gone["level"]}).json()
    assert snapped["points"][0] == [round(v + 0.5, 3) for v in body["points"][0]]


def test_without_networks_the_help_says_why(make):
    _, door, app = make(help_=False)
    browser = Browser(app, door)
    assert browser.session["assist"] == "the networks are not part of this installation"
    key, film = open_film(browser)
    answer = browser.post(f"/api/films/{key}/add", {**wire(film), "x": 5, "y": 5})
    assert answer.status_code == 422


def test_calibration_by_two_clicks(browser):
    key, film = open_film(browser)
    body = {"first": [10, 10], "second": [10, 110], "mm": 25}
    spacing = browser.post(f"/api/films/{key}/calibrate", body).json()["spacing_mm"]
    assert spacing == pytest.approx([0.25, 0.25])
    edit = {**wire(film), "spacing_mm": spacing}
    assert browser.post(f"/api/films/{key}/measure", edit).json()["calibration"] == "fiducial"
    row, column = calibration_of((0, 0), (30, 40), 25.0, aspect=2.0)
    assert np.hypot(30 * column, 40 * row) == pytest.approx(25.0)
    close = browser.post(f"/api/films/{key}/calibrate", {**body, "second": [11, 11]})
    assert "20 pixels" in close.json()["error"]


def test_exports_of_one_film(browser):
    key, film = open_film(browser)
    sign(browser, key, wire(film))
    for kind, start in (
        ("report", b"<!"),
        ("overlay", b"\x89PNG"),
        ("csv", b"film,"),
        ("json", b"{"),
    ):
        answer = browser.get(f"/api/films/{key}/export/{kind}")
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(start)
        assert answer.headers["content-disposition"].startswith("attachment")
    assert "no DICOM radiograph" in browser.get(f"/api/films/{key}/export/sr").json()["error"]
    kinds = [x["kind"] for x in browser.get("/api/audit").json()["lines"][:4]]
    assert kinds == ["json", "csv", "overlay", "report"]


def test_corrected_films_are_annotations(browser, tmp_path):
    assert browser.get("/api/export/coco.zip").status_code == 422
    key, film = open_film(browser)
    edit = wire(film)
    edit["vertebrae"][0]["points"][0][0] += 4
    sign(browser, key, edit)
    with zipfile.ZipFile(io.BytesIO(browser.get("/api/export/coco.zip").content)) as archive:
        archive.extractall(tmp_path / "set")
    (loaded,) = load_films(tmp_path / "set" / "annotations.json")
    assert loaded.vertebrae[0].points[0] == pytest.approx(edit["vertebrae"][0]["points"][0])
    original = browser.desk.shelf.radiograph(browser.desk.library.entry(key)).pixels
    assert (loaded.image == original).all()
    table = browser.get("/api/export/measurements.csv").text.splitlines()
    assert table[0].startswith("film,sha256")
    assert len(table) > 10


def test_the_films_of_a_subject_in_order(browser):
    rows = [r for r in browser.films() if r["subject"] == "P-1"]
    values = browser.get(f"/api/films/{rows[0]['key']}/timeline").json()
    assert [f["date"] for f in values["films"]] == ["20260110", "20260111"]
    assert values["index_level"] in values["levels"]
    assert values["films"][0]["measurements"]


def test_a_changed_audit_trail_shows(tmp_path):
    path = tmp_path / "audit.jsonl"
    trail = AuditTrail(path)
    for n in range(4):
        trail.write("anna", "reader", "sign", film="x", note=f"n{n}")
    assert AuditTrail(path).broken_at == 0
    assert [x["note"] for x in AuditTrail(path).lines("x")] == ["n3", "n2", "n1", "n0"]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace("n1", "nX"), *lines[2:]]) + "\n")
    assert AuditTrail(path).broken_at == 3
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    assert AuditTrail(path).broken_at == 2


def test_a_signature_without_its_line_shows(make, results):
    """The last lines of the trail can be taken out without breaking a hash."""
    desk, door, app = make()
    browser = Browser(app, door, "anna")
    key, film = open_film(browser)
    sign(browser, key, wire(film))
    assert make()[0].audit.broken_at == 0
    path = results / "review" / "audit.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    desk, _, _ = make()
    assert desk.audit.broken_at == len(desk.audit.lines()) + 1 == 1


def test_a_film_without_a_vertebra_is_rejected_or_not_signed(browser):
    key, film = open_film(browser)
    edit = {**wire(film), "vertebrae": []}
    refused = sign(browser, key, edit)
    assert "no vertebra is marked" in refused.json()["error"]
    assert sign(browser, key, edit, verdict="flagged").status_code == 422
    assert sign(browser, key, edit, verdict="rejected").status_code == 200
