"""The follow-up of a subject, end to end."""

import json
import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from endplate.errors import InputError, UnknownName
from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.measure import measure
from endplate.infer.commands.follow_request import FollowUpRequest, follow_up
from endplate.infer.commands.followup import run_followup
from endplate.reports.followup_html import followup_page
from endplate.reports.followup_words import sentences
from endplate.reports.reading_json import write_reading
from endplate.study.followup_json import followup_to_dict
from endplate.study.joint_naming import name_jointly, shift_level
from endplate.study.pairing import pair_films
from endplate.study.timepoints import Override, Window, find_window, parse_window, read_timepoints

OPERATION = date(2024, 1, 12)
#: Film by film, as the worked examples are.
REQUEST = FollowUpRequest({"P1": OPERATION}, {"P1": "L1"}, estimate="films")


def change(visit, name):
    """A change up to a visit, as it must be there."""
    assert visit is not None
    found = visit.change(name)
    assert found is not None, name
    return found


def value(visit, name):
    """A measure of a visit, as it must be there."""
    found = visit.value(name)
    assert found is not None, name
    return found


def renamed(reading, shift):
    """The reading with all levels miscounted."""
    vertebrae = tuple(replace(v, level=shift_level(v.level, shift)) for v in reading.vertebrae)
    return replace(
        reading, vertebrae=vertebrae, measurements=measure(vertebrae, reading.calibration)
    )


def test_worked_examples_as_a_follow_up(visits, expected):
    (result,) = follow_up(visits, REQUEST)
    assert [v.visit.name for v in result.visits] == ["pre", "post", "12 months"]
    assert result.visits[2].visit.days == 366
    for visit, number in zip(result.visits, ("6", "7", "8"), strict=True):
        for name in ("vertebral_kyphosis_deg", "regional_kyphosis_deg", "gardner_mono_above_deg"):
            assert value(visit, name).value == pytest.approx(expected[number][name], abs=1e-3)
        for name in ("loss_ant_pct", "loss_mid_pct", "loss_post_pct", "Ha_mm", "Hm_mm", "Hp_mm"):
            assert value(visit, name).value == pytest.approx(expected[number][name], abs=1e-3)
        art = expected[number]["ART_deg_anatomy_csv"]
        assert value(visit, "ART_deg").value == pytest.approx(art, abs=1e-3)
    last, wanted = result.last, expected["8"]
    compared = 0
    for name, wished in wanted.items():
        of_followup = ("correction_", "loss_of_correction", "final_gain", "height_")
        if not name.startswith(of_followup) or "undefined" in name:
            continue
        # Percentages have no unit in the name of a measure of two films.
        assert change(last, name).value == pytest.approx(wished, abs=1e-3), name
        compared += 1
    assert compared >= 15
    undefined = change(last, "height_restoration_pct_post")
    assert math.isnan(undefined.value)
    assert "undefined_small_loss" in undefined.flags
    se = wanted["se_vertebral_kyphosis_deg_sigma0p5mm"]
    loss = change(last, "loss_of_correction_vertebral_kyphosis_deg")
    assert loss.se == pytest.approx(math.hypot(se, 1.651935), abs=1e-3)
    bound = change(last, "mdc95_vertebral_kyphosis_deg").value
    assert bound == pytest.approx(1.959964 * loss.se, abs=1e-5)
    p5 = change(last, "probability_loss_over_5_deg_vertebral_kyphosis").value
    assert p5 == pytest.approx(0.5 * math.erfc((5 - loss.value) / loss.se / math.sqrt(2)))


@pytest.mark.parametrize("miscount", [-1, 1, 2])
def test_one_wrong_count_does_not_shift_the_level(visits, miscount):
    wrong = renamed(visits[1], miscount)
    named = name_jointly([visits[0], wrong, visits[2]])
    assert named.shifts == (0, -miscount, 0)
    assert named.readings[1].parent == wrong.id
    assert [v.level for v in named.readings[1].vertebrae] == [v.level for v in visits[1].vertebrae]
    assert named.readings[0] is visits[0]
    (result,) = follow_up([visits[0], wrong, visits[2]], REQUEST)
    assert "levels_renamed" in result.visits[1].flags
    loss = change(result.last, "loss_of_correction_vertebral_kyphosis_deg")
    assert loss.value == pytest.approx(2.2986, abs=1e-3)
    alone = replace(REQUEST, joint_naming=False)
    (result,) = follow_up([visits[0], wrong, visits[2]], alone)
    assert result.visits[1].shift == 0


def test_an_overcautious_reader_is_named_jointly_too(visits):
    def doubting(reading):
        vertebrae = tuple(
            replace(v, covariance=100 * v.covariance, level_probability=0.7)
            for v in reading.vertebrae
        )
        return replace(reading, vertebrae=vertebrae)

    films = [doubting(r) for r in (visits[1], visits[1], visits[2], renamed(visits[2], 1))]
    assert name_jointly(films).shifts == (0, 0, 0, -1)


def test_right_names_stay(visits):
    named = name_jointly(visits)
    assert named.shifts == (0, 0, 0)
    assert named.margin > 3
    assert name_jointly(visits[:1]).shifts == (0,)


def test_many_films_are_named_one_after_the_other(visits):
    wrong = renamed(replace(visits[2], id="w"), 1)
    films = [visits[0], visits[1], *(replace(visits[2], id=str(i)) for i in range(4)), wrong]
    assert name_jointly(films).shifts == (0, 0, 0, 0, 0, 0, -1)


def test_flags_of_comparison(visits):
    supine = replace(visits[1], source=replace(visits[1].source, position="supine"))
    bare = replace(visits[2], calibration=UNCALIBRATED)
    (result,) = follow_up([visits[0], supine, bare], REQUEST)
    assert "positions_differ" in result.visits[2].flags
    assert "uncalibrated" in result.visits[2].flags
    loss = change(result.last, "loss_of_correction_vertebral_kyphosis_deg")
    assert "positions_differ" in loss.flags
    assert result.visits[2].value("Ha_mm") is None
    ct = replace(visits[2], source=replace(visits[2].source, modality="CT"))
    (result,) = follow_up([*visits[:2], ct], REQUEST)
    assert "ct_against_film" in result.visits[2].flags
    both = replace(ct, id="ct", source=replace(ct.source, sha256="ct"))
    (result,) = follow_up([*visits, both], REQUEST)
    assert result.visits[2].visit.reading.source.modality == "DX"
    assert len(result.visits[2].visit.others) == 1
    cropped = replace(visits[2], vertebrae=visits[2].vertebrae[:4])
    (result,) = follow_up([*visits[:2], cropped], REQUEST)
    assert "neighbour_not_on_film" in result.visits[2].flags


def test_a_new_fracture_is_noticed(visits, changed):
    assert follow_up(visits, REQUEST)[0].fractures == ()
    t11 = visits[2].vertebrae[1]
    points = t11.points.copy()
    points[0] += 0.35 * (points[5] - points[0])
    points[1] += 0.25 * (points[4] - points[1])
    late = changed(visits[2], "T11", points=points)
    (result,) = follow_up([*visits[:2], late], REQUEST)
    (found,) = result.fractures
    assert (found.level, found.visit, found.since) == ("T11", "12 months", "pre")
    assert not found.adjacent
    assert found.now - found.before == pytest.approx(35, abs=3)
    assert found.probability > 0.95
    assert any("T11" in s for s in sentences(result, "en"))
    assert any("T11" in s for s in sentences(result, "fr"))


def test_kyphosis_next_to_the_implant_is_noticed(visits, changed):
    assert not any(j.junctional for j in follow_up(visits, REQUEST)[0].junctions)
    bodies = list(visits[2].vertebrae)
    turn = math.radians(-15)
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    pivot = bodies[1].points[3]
    for i in (0, 1):
        points = pivot + (bodies[i].points - pivot) @ matrix.T
        bodies[i] = replace(bodies[i], points=points)
    # T10 and T11 tip forwards over T12, which carries screws as L2 does.
    late = replace(visits[2], vertebrae=tuple(bodies))
    post, late = (
        changed(changed(r, "T12", hardware=True), "L2", hardware=True) for r in (visits[1], late)
    )
    (result,) = follow_up([visits[0], post, late], REQUEST)
    (above,) = [j for j in result.junctions if j.side == "above"]
    assert above.angle.between == ("sup(T10)", "inf(T12)")
    assert abs(above.change.value) == pytest.approx(15, abs=1)
    assert above.junctional == (above.change.value > 0)
    assert above.junctional
    assert above.change.se == pytest.approx(2.4, abs=0.5)


def test_windows_and_overrides(visits, tmp_path):
    assert window_name(-5) == "pre"
    assert window_name(0) == "post"
    assert window_name(0, treated=False) == "pre"
    assert window_name(99) is None
    assert parse_window("1 year=300:430@365") == Window("1 year", 300, 430, 365.0)
    with pytest.raises(InputError, match="expected NAME=FIRST:LAST"):
        parse_window("later")
    table = tmp_path / "timepoints.csv"
    table.write_text(
        "film,subject,time_point,date,position\nfilm-6.dcm,P9,pre,2024-01-10,\n"
        "film-7.dcm,P9,post,,supine\nfilm-8.dcm,P9,final,,\n",
        encoding="utf-8",
    )
    nameless = [replace(r, source=replace(r.source, patient_id="", study_date="")) for r in visits]
    (films,) = pair_films(nameless, {}, overrides=read_timepoints(table))
    assert films.subject == "P9"
    assert [v.name for v in films.visits] == ["pre", "post", "final"]
    assert films.visits[1].reading.source.position == "supine"
    with pytest.raises(InputError, match="names no subject"):
        pair_films(nameless, {})
    (films,) = pair_films(nameless, {}, subject="X")
    assert films.left_out[0][1] == "has no date"


def window_name(days, treated=None):
    windows = [parse_window(t) for t in ("pre=-30:-1", "post=0:10")]
    found = find_window(days, windows, treated=treated)
    return None if found is None else found.name


def test_an_edit_replaces_its_parent_and_rejected_films_are_left_out(visits):
    edit = replace(visits[2], id="edit", parent=visits[2].id)
    (films,) = pair_films([*visits, edit], {"P1": OPERATION})
    assert [v.reading.id for v in films.visits] == ["example-6", "example-7", "edit"]
    rejected = replace(visits[2], quality=replace(visits[2].quality, status="rejected"))
    (films,) = pair_films([*visits[:2], rejected], {"P1": OPERATION})
    assert films.left_out[0][1] == "rejected by the quality gate"


def test_the_nearest_film_stands_for_a_time_point(visits, example):
    other = example("8", day="20241120")
    other = replace(other, id="early", source=replace(other.source, sha256="early"))
    (films,) = pair_films([*visits, other], {"P1": OPERATION})
    assert films.visits[2].reading.id == "example-8"


def test_words_and_page(visits):
    (result,) = follow_up(visits, REQUEST)
    english, french = " ".join(sentences(result, "en")), " ".join(sentences(result, "fr"))
    assert "from 13.3° to 6.0°, by 7.3°" in english
    assert "2.3° of it were lost, 31 %" in english
    assert "within the error of measurement" in english
    assert "de 13,3° à 6,0°, soit 7,3°" in french
    assert "recovered 66 % of what was lost" in english
    page = followup_page(replace(result, subject="<b>P1</b>"), language="fr")
    assert "<b>P1" not in page
    assert 'lang="fr"' in page
    assert page.count("<svg") == 4
    with pytest.raises(UnknownName, match="language"):
        followup_page(result, language="de")


def test_json_follows_its_schema(visits):
    jsonschema = pytest.importorskip("jsonschema")
    from endplate.reports.schemas_of import schema

    (result,) = follow_up(visits, REQUEST)
    values = json.loads(json.dumps(followup_to_dict(result), allow_nan=False))
    jsonschema.validate(values, schema("followup-1"))


def test_command(visits, tmp_path, capsys):
    for reading in visits:
        write_reading(tmp_path / f"{reading.id}.json", reading)
    request = FollowUpRequest({}, {}, operation=OPERATION)
    out = tmp_path / "out"
    assert run_followup([str(tmp_path)], out, request, languages=("en", "fr")) == 0
    assert {p.name for p in out.iterdir()} == {
        "P1-followup.json",
        "P1-followup.html",
        "P1-followup-fr.html",
    }
    assert "data:image/jpeg" in (out / "P1-followup.html").read_text("utf-8")
    assert "Vertebral kyphosis" in capsys.readouterr().out
    far = FollowUpRequest({}, {}, operation=date(1999, 1, 1))
    assert run_followup([str(tmp_path / "example-6.json")], out, far) == 2
    assert "belongs to no time point" in capsys.readouterr().err


def of_subjects(visits, *names):
    return [
        replace(
            r,
            id=f"{r.id}-{k}",
            source=replace(
                r.source, patient_id=name, path=f"{k}-{r.source.path}", sha256=f"{k}{i}"
            ),
        )
        for k, name in enumerate(names)
        for i, r in enumerate(visits)
    ]


def test_subjects_of_like_names_have_files_of_their_own(visits, tmp_path):
    names = ("12/3", "12_3", "a" * 90, "a" * 91)
    (tmp_path / "in").mkdir()
    for reading in of_subjects(visits, *names):
        write_reading(tmp_path / "in" / f"{reading.id}.json", reading)
    request = FollowUpRequest(dict.fromkeys(names, OPERATION), dict.fromkeys(names, "L1"))
    out = tmp_path / "out"
    assert run_followup([str(tmp_path / "in")], out, request) == 0
    found = {json.loads(p.read_text("utf-8"))["subject"] for p in out.glob("*.json")}
    assert found == set(names)
    assert (out / "12_3-followup.html").is_file()


def test_a_row_of_a_table_is_about_one_film(visits):
    def at(reading, k, patient):
        path = f"{patient}/IM0001.dcm"
        source = replace(reading.source, path=path, patient_id=patient, sha256=f"{k}" * 64)
        return replace(reading, id=f"r{k}", source=source)

    films = [at(visits[0], 1, "ALICE"), at(visits[1], 2, "BOB")]
    row = {"IM0001.dcm": Override(subject="P1", time_point="pre")}
    with pytest.raises(InputError, match="about two films, ALICE"):
        pair_films(films, {}, overrides=row)
    exact = {"BOB/IM0001.dcm": Override(subject="P1", time_point="pre")}
    assert [s.subject for s in pair_films(films, {}, overrides=exact)] == ["ALICE", "P1"]


def test_one_date_of_operation_is_that_of_one_subject(visits):
    two = of_subjects(visits, "A", "B")
    with pytest.raises(InputError, match="of 2 subjects, expected one; give the dates with"):
        follow_up(two, FollowUpRequest({}, {}, operation=OPERATION))
    request = FollowUpRequest({"P1": date(2022, 3, 9)}, {}, operation=OPERATION)
    with pytest.raises(InputError, match="says 2022-03-09 of this subject"):
        follow_up(visits, request)
    (same,) = follow_up(visits, replace(REQUEST, operation=OPERATION))
    assert len(same.visits) == 3


def test_pdf(visits, tmp_path):
    pytest.importorskip("matplotlib")
    from endplate.reports.followup_pdf import write_followup_pdf

    (result,) = follow_up(visits, REQUEST)
    write_followup_pdf(tmp_path / "p.pdf", result, language="fr")
    data = (tmp_path / "p.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert data.count(b"/Type /Page\n") <= 1


def test_films_are_read_and_then_followed(visits, tmp_path, monkeypatch, capsys):
    cv2 = pytest.importorskip("cv2")
    from endplate.infer import pipeline

    paths = []
    for reading in visits:
        paths.append(tmp_path / f"{reading.id}.png")
        cv2.imwrite(str(paths[-1]), np.zeros((2000, 1400), np.uint8))

    class Networks:
        """Reads the films as they were annotated."""

        def read(self, radiograph):
            (found,) = [r for r in visits if r.id in radiograph.path]
            return found

    monkeypatch.setattr(pipeline, "FilmReader", Networks)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    out = tmp_path / "out"
    assert run_followup([str(p) for p in (*paths, broken)], out, REQUEST) == 0
    assert (out / "P1-followup.html").is_file()
    assert "broken.png" in capsys.readouterr().err


def test_readings_of_a_store(visits, tmp_path):
    pytest.importorskip("sqlalchemy")
    from endplate.infer.commands.inputs import load_readings
    from endplate.study.store.store import Filed, open_store

    path = tmp_path / "store.sqlite"
    with open_store(path) as store:
        store.add([Filed(visits[0]), Filed(visits[1]), Filed(visits[2], chosen=False)])
    assert {r.id for r in load_readings(path)} == {"example-6", "example-7"}
    with pytest.raises(InputError, match="no such file"):
        load_readings(tmp_path / "other.sqlite")
