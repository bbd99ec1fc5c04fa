"""A CT in the review: slabs to either side, the strip, and where moved points lie in space."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from endplate.errors import InputError
from endplate.geometry.levels import POINTS
from endplate.geometry.spatial import SPATIAL_MEASURES
from endplate.imaging.ct.column import find_column_line
from endplate.imaging.ct.read import read_ct
from endplate.imaging.ct.slab import cut_slab, parallel_slab
from endplate.imaging.ct.slab_file import read_sheet, write_sheet
from endplate.reports.reading_json import read_reading, write_reading
from endplate.review.app import build_app
from endplate.review.assist import Assistant
from endplate.review.ct_films import ASIDE
from endplate.review.ct_sheets import make_sheet
from endplate.review.desk import Desk
from endplate.review.films import FilmShelf
from endplate.review.from_store import check_out
from endplate.review.guard import GuardRules
from endplate.review.library import Library
from endplate.review.people import Doorkeeper, Person
from endplate.study.reading import Reader

from .conftest import COOKIE, HOST, Browser, Helper, wire


def review(work, *films, assistant=None):
    library = Library(work / "out")
    desk = Desk(library, FilmShelf(library, films), assistant or Assistant())
    door = Doorkeeper([Person("anna", "reviewer")])
    app = build_app(desk, door, GuardRules(frozenset({HOST}), False, COOKIE))
    browser = Browser(app, door, desk=desk)
    (row,) = browser.films()
    assert row["modality"] == "CT"
    return browser, row["key"]


def grey(browser, key):
    """Grey values of the slab 4 mm to the left."""
    answer = browser.get(f"/api/films/{key}/pixels?aside=4")
    return np.frombuffer(answer.content, "<u2").astype(float)


def test_the_map_of_a_slab_survives_its_file(scored_ct, tmp_path):
    sheet = read_sheet(scored_ct / "out" / "chest-slab.json")
    reading = read_reading(scored_ct / "out" / "chest.json")
    assert sheet.sha256 == reading.source.sha256
    assert sheet.size == (reading.source.rows, reading.source.columns)
    again = tmp_path / "again.json"
    ct = read_ct(scored_ct / "ct" / "chest.nii.gz")
    slab = cut_slab(ct, sheet.slab.line)
    write_sheet(again, slab, "x")
    points = np.array([[10.0, 20.0], [100.0, 80.0]])
    places = read_sheet(again).slab.to_patient(points, np.array([0.0, 7.0]))
    assert places == pytest.approx(
        np.stack([slab.to_patient(points[0]), slab.to_patient(points[1], 7.0)])
    )
    assert (parallel_slab(ct, sheet.slab, sheet.size) == slab.pixels).mean() > 0.999
    for text in ("[]", "{}", '{"schema": "endplate/slab/1"}', "nonsense"):
        again.write_text(text)
        with pytest.raises(InputError):
            read_sheet(again)


def test_slabs_and_strip(ct_work):
    browser, key = review(ct_work, ct_work / "ct")
    assert browser.get(f"/api/films/{key}/thumb").status_code == 204, "reading a CT takes seconds"
    film = browser.get(f"/api/films/{key}").json()
    assert film["found"]
    assert film["ct"]["aside"] == ASIDE
    assert [name for name, *_ in film["ct"]["strip"]["centres"]] == ["T12", "L1", "L2"]
    assert not film["has_sr"]
    pictures = {}
    for aside in (0, 8, -ASIDE):
        answer = browser.get(f"/api/films/{key}/pixels?aside={aside}")
        size = int(answer.headers["x-rows"]), int(answer.headers["x-columns"])
        assert size == (film["rows"], film["columns"])
        assert len(answer.content) == 2 * size[0] * size[1]
        assert 0 < int(answer.headers["x-black"]) < int(answer.headers["x-white"]) < 65535
        pictures[aside] = np.frombuffer(answer.content, "<u2")
    apart = np.abs(pictures[0].astype(float) - pictures[8])
    assert apart.mean() > 50
    assert browser.get(f"/api/films/{key}/pixels?aside={ASIDE + 2}").status_code == 422
    assert browser.get(f"/api/films/{key}/pixels?aside=far").status_code == 422
    strip = browser.get(f"/api/films/{key}/strip")
    assert int(strip.headers["x-columns"]) == 141
    assert browser.get(f"/api/films/{key}/thumb").content[:2] == b"\xff\xd8"


def test_a_point_moved_on_another_slab_gets_its_place_in_the_patient(ct_work):
    browser, key = review(ct_work, ct_work / "ct")
    film = browser.get(f"/api/films/{key}").json()
    assert all(abs(a) < 3 for v in film["vertebrae"] for a in v["aside"])
    edit = wire(film)
    edit["vertebrae"][1]["points"][0][1] -= 5
    edit["vertebrae"][1]["aside"] = [8, *film["vertebrae"][1]["aside"][1:]]
    answer = browser.post(f"/api/films/{key}/measure", {**edit, "focus": "L1"}).json()
    shown = {m["name"]: m["value"] for m in answer["measurements"] if m["level"] == "L1"}
    done = browser.post(f"/api/films/{key}/sign", {**edit, "verdict": "accepted"})
    assert done.status_code == 200, done.text
    library = browser.desk.library
    entry = library.entry(key)
    before, after = (library.reading(s) for s in entry.summaries)
    slab = read_sheet(ct_work / "out" / "chest-slab.json").slab
    place = slab.to_patient(after.vertebrae[1].points[0], 8.0)
    assert after.vertebrae[1].points_mm[0] == pytest.approx(place, abs=1e-3)
    assert after.vertebrae[1].points_mm[1:] == pytest.approx(before.vertebrae[1].points_mm[1:])
    assert after.vertebrae[0].points_mm == pytest.approx(before.vertebrae[0].points_mm)
    values = [
        {(m.name, m.level): m.value for m in r.measurements if m.name in SPATIAL_MEASURES}
        for r in (before, after)
    ]
    assert values[0].keys() == values[1].keys()
    for (name, level), value in values[1].items():
        if level != "L1":
            assert value == pytest.approx(values[0][name, level], abs=1e-6)
    name = "own_plane_kyphosis_deg"
    assert values[1][name, "L1"] == pytest.approx(shown[name], abs=0.01)
    assert abs(values[1][name, "L1"] - values[0][name, "L1"]) > 1
    again = browser.get(f"/api/films/{key}").json()
    assert again["vertebrae"][1]["aside"][0] == pytest.approx(8, abs=0.11)
    for kind in ("report", "overlay", "csv", "json"):
        assert browser.get(f"/api/films/{key}/export/{kind}").status_code == 200
    assert browser.get("/api/export/coco.zip").status_code == 200


def test_a_body_placed_by_its_corners_has_places_too(ct_work):
    browser, key = review(ct_work, ct_work / "ct")
    film = browser.get(f"/api/films/{key}").json()
    edit = wire(film)
    gone = edit["vertebrae"].pop(2)
    edit["vertebrae"].append({"level": "L2", "points": gone["points"], "aside": [4] * 6})
    browser.post(f"/api/films/{key}/sign", {**edit, "verdict": "accepted"})
    reading = browser.desk.library.reading(browser.desk.library.entry(key).current)
    assert np.isfinite(reading.vertebrae[2].points_mm).all()
    assert len(POINTS) == len(reading.vertebrae[2].points_mm)


def test_a_body_that_the_networks_place_lies_on_the_sheet(ct_work):
    browser, key = review(ct_work, ct_work / "ct", assistant=Helper())
    film = browser.get(f"/api/films/{key}").json()
    assert film["assist"] == ""
    edit = wire(film)
    gone = edit["vertebrae"].pop(1)
    x, y = np.mean([gone["points"][i] for i in (0, 2, 3, 5)], axis=0)
    placed = browser.post(f"/api/films/{key}/add", {**edit, "x": x, "y": y}).json()
    assert placed["level"] == "L1"
    assert placed["aside"] == [0] * 6
    keys = ("level", "points", "origin", "aside")
    edit["vertebrae"].append({k: placed[k] for k in keys})
    again = browser.post(f"/api/films/{key}/add", {**edit, "x": x, "y": y})
    assert "marked there already" in again.json()["error"]
    browser.post(f"/api/films/{key}/sign", {**edit, "verdict": "accepted"})
    reading = browser.desk.library.reading(browser.desk.library.entry(key).current)
    slab = read_sheet(ct_work / "out" / "chest-slab.json").slab
    places = slab.to_patient(reading.vertebrae[1].points)
    assert reading.vertebrae[1].points_mm == pytest.approx(places, abs=1e-3)


def test_networks_that_saw_no_slab_do_not_help_on_a_ct(ct_work, monkeypatch):
    monkeypatch.setattr(Helper, "knows_slabs", lambda self: False)
    browser, key = review(ct_work, ct_work / "ct", assistant=Helper())
    film = browser.get(f"/api/films/{key}").json()
    assert "by hand" in film["assist"]
    refused = browser.post(f"/api/films/{key}/add", {**wire(film), "x": 5, "y": 5})
    assert refused.status_code == 422


def test_a_ct_elsewhere_another_ct_and_none(ct_work):
    (ct_work / "ct").rename(ct_work / "moved")
    (ct_work / "moved" / "chest.nii.gz").rename(ct_work / "moved" / "renamed.nii.gz")
    browser, key = review(ct_work, ct_work / "moved")
    assert browser.get(f"/api/films/{key}/pixels").status_code == 200
    shutil.copy(ct_work / "labels.nii.gz", ct_work / "moved" / "renamed.nii.gz")
    browser, key = review(ct_work, ct_work / "moved")
    refused = browser.get(f"/api/films/{key}/pixels")
    assert refused.status_code == 422
    assert "--films" in refused.json()["error"]


def test_a_map_that_was_not_kept_is_made_anew_from_the_segmentation(ct_work):
    browser, key = review(ct_work, ct_work / "ct")
    before = browser.get(f"/api/films/{key}").json()
    picture = grey(browser, key)
    (ct_work / "out" / "chest-slab.json").unlink()
    (ct_work / "elsewhere").mkdir()
    (ct_work / "labels.nii.gz").rename(ct_work / "elsewhere" / "mask.nii.gz")
    browser, key = review(ct_work, ct_work / "ct", ct_work / "elsewhere")
    assert browser.get(f"/api/films/{key}").json() == before
    assert grey(browser, key) == pytest.approx(picture, abs=2)
    # it is kept: the segmentation is not needed again, nor is the CT to tell where points lie
    shutil.rmtree(ct_work / "elsewhere")
    browser, key = review(ct_work)
    assert browser.get(f"/api/films/{key}").json()["ct"] == before["ct"]


def test_a_map_of_a_reading_by_networks_is_made_anew_from_the_ct(ct_work):
    ct = read_ct(ct_work / "ct" / "chest.nii.gz")
    path = ct_work / "out" / "chest.json"
    read = read_reading(path)
    slab = cut_slab(ct, find_column_line(ct))
    rows, columns = slab.pixels.shape
    vertebrae = tuple(
        replace(v, points=slab.to_pixels(v.points_mm))
        for v in read.vertebrae
        if v.points_mm is not None
    )
    reading = replace(
        read,
        reader=Reader("model", "endplate", "0.1.0", "ab" * 32),
        source=replace(read.source, rows=rows, columns=columns),
        vertebrae=vertebrae,
    )
    made = make_sheet(reading, ct, [])
    assert made.size == (rows, columns)
    points = np.array([[10.0, 20.0], [60.0, 80.0]])
    assert made.slab.to_patient(points) == pytest.approx(slab.to_patient(points))
    path.unlink()
    path.with_name("chest-slab.json").unlink()
    write_reading(path, reading)
    browser, key = review(ct_work, ct_work / "ct")
    film = browser.get(f"/api/films/{key}").json()
    assert [name for name, *_ in film["ct"]["strip"]["centres"]] == ["T12", "L1", "L2"]
    with pytest.raises(InputError, match="score the CT again"):
        make_sheet(replace(reading, source=replace(reading.source, rows=rows + 1)), ct, [])


def test_ct_readings_of_a_store_show_their_slabs(ct_work):
    pytest.importorskip("sqlalchemy", reason="needs the extra store")
    from endplate.study.store.store import Filed, open_store

    where = str(ct_work / "store.sqlite")
    with open_store(where) as store:
        store.add([Filed(read_reading(ct_work / "out" / "chest.json"))])
    results = (ct_work / "out").rename(ct_work / "results")
    check_out(where, ct_work / "out").close()
    # the folder that the store was filled from holds the map; without it the CT and labels do
    browser, key = review(ct_work, ct_work / "ct", results)
    film = browser.get(f"/api/films/{key}").json()
    assert film["ct"] is not None
    picture = grey(browser, key)
    shutil.rmtree(results)
    browser, key = review(ct_work, ct_work / "ct", ct_work)
    assert browser.get(f"/api/films/{key}").json()["ct"] == film["ct"]
    assert grey(browser, key) == pytest.approx(picture, abs=2)


def test_a_map_of_another_slab_is_not_taken(ct_work):
    path = ct_work / "out" / "chest-slab.json"
    values = json.loads(path.read_text())
    values["first_front_mm"] += 3.0
    path.write_text(json.dumps(values))
    browser, key = review(ct_work, ct_work / "ct")
    assert browser.get(f"/api/films/{key}").json()["ct"] is None


def test_without_the_map_the_page_says_what_to_do(ct_work):
    (ct_work / "out" / "chest-slab.json").unlink()
    browser, key = review(ct_work, ct_work / "ct")
    film = browser.get(f"/api/films/{key}").json()
    assert film["ct"] is None
    refused = browser.get(f"/api/films/{key}/pixels")
    error = refused.json()["error"]
    assert "score the CT again" in error
    assert "segmentation" in error
    assert str(ct_work) not in error
    edit = wire(film)
    edit["vertebrae"][1]["points"][0][0] += 5
    browser.post(f"/api/films/{key}/sign", {**edit, "verdict": "flagged"})
    reading = browser.desk.library.reading(browser.desk.library.entry(key).current)
    assert reading.vertebrae[1].points_mm is None
    assert reading.vertebrae[0].points_mm is not None
