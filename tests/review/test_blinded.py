"""Reader studies: nothing tells films apart, repeats come back, the result can be compared."""

import json

import pytest

from endplate.errors import InputError
from endplate.infer.commands.agree import agree_files
from endplate.review.blinded import StudyPlan, shuffled

from .conftest import Browser, wire


def test_orders_differ_and_repeats_come_late():
    films = [f"f{i}" for i in range(40)]
    plan = StudyPlan(3, 0.25)
    order = shuffled(films, "anna", plan)
    assert order == shuffled(films[::-1], "anna", plan)
    assert order != shuffled(films, "ben", plan)
    assert order != shuffled(films, "anna", StudyPlan(4, 0.25))
    assert len(order) == 50
    assert set(order) == set(films)
    first: dict[str, int] = {}
    for place, film in enumerate(order):
        if film in first:
            assert place > 20 > first[film]
        first.setdefault(film, place)
    with pytest.raises(InputError, match=r"0 to 0\.5"):
        StudyPlan(1, 0.9)


def corners(browser, key, truth, shift):
    """A reading by hand, near the truth."""
    film = browser.get(f"/api/films/{key}").json()
    sha = browser.desk.entry(browser.person, key).current.values["sha256"]
    edit = wire(film)
    for v in truth[sha]:
        points = [None if p is None else [p[0] + shift, p[1]] for p in v["points"]]
        edit["vertebrae"].append({"level": v["level"], "points": points})
    return edit


def test_a_study_end_to_end(make, results, tmp_path):
    desk, door, app = make(plan=StudyPlan(1, 0.5))
    truth = {}
    for entry in desk.library.entries():
        values = json.loads((results / entry.current.file).read_text())
        truth[values["source"]["sha256"]] = [
            {"level": v["level"], "points": list(v["points"].values())} for v in values["vertebrae"]
        ]
    for name, shift in (("anna", 0.4), ("ben", -0.3)):
        browser = Browser(app, door, name, desk)
        assert browser.session["blinded"]
        rows = browser.films()
        assert len(rows) == 4
        assert set(rows[0]) == {"key", "name", "signed", "status"}
        for n, row in enumerate(rows):
            film = browser.get(f"/api/films/{row['key']}").json()
            hidden = json.dumps(film)
            assert film["vertebrae"] == film["measurements"] == []
            assert "P-1" not in hidden
            assert "film-" not in hidden
            edit = corners(browser, row["key"], truth, shift * (n + 1))
            path = f"/api/films/{row['key']}/sign"
            assert browser.post(path, {**edit, "verdict": "accepted"}).status_code == 200
            again = browser.post(path, {**edit, "verdict": "accepted"})
            assert "read once" in again.json()["error"]
        assert all(r["signed"] for r in browser.films())
        for path in ("export/json", "timeline"):
            assert browser.get(f"/api/films/{rows[0]['key']}/{path}").status_code == 403
        assert "without help" in browser.session["assist"]
    folders = sorted((results / "review" / "blinded").iterdir())
    assert [len(list(f.glob("*.json"))) for f in folders] == [5, 5], "four readings and the plan"
    arguments = [f"{f.name.partition('-')[0]}={f}" for f in folders]
    assert agree_files(arguments, tmp_path / "agreement") == 0
    measured = json.loads((tmp_path / "agreement" / "agreement.json").read_text())
    assert "anna" in json.dumps(measured)
    desk2, door2, app2 = make(plan=StudyPlan(1, 0.5))
    assert all(r["signed"] for r in Browser(app2, door2, "anna").films()), "kept over a restart"
    assert len(desk2.library) == 3
    _, door3, app3 = make(plan=StudyPlan(2, 0.5))
    refused = Browser(app3, door3, "anna").get("/api/films")
    assert "seed 1" in refused.json()["error"]
