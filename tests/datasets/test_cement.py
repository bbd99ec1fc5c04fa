"""Cement on simulated films: kinds, leaks, the same cast at every visit, points left alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from endplate.datasets.coco import read_annotations
from endplate.datasets.coco_writer import write_annotations
from endplate.datasets.simulator.anatomy import Body
from endplate.datasets.simulator.body import body_outlines
from endplate.datasets.simulator.cement import CEMENTS, LEAKS, Cement, Lump
from endplate.datasets.simulator.cement_draw import draw_cement, render_cement
from endplate.datasets.simulator.cement_leak import draw_leak
from endplate.datasets.simulator.cohort import cohort_film, subject_at, visit_annotation
from endplate.datasets.simulator.cohort_plan import CohortPlan, plan_cohort
from endplate.datasets.simulator.compose import cement_record, draw_subject
from endplate.datasets.simulator.draw import draw_spine
from endplate.datasets.simulator.projection import Camera
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.datasets.simulator.truth import project_body
from endplate.errors import InputError, UnknownName
from endplate.geometry.landmarks import FloatArray

PLAIN = SimulatorSettings(scoliosis=0.0, listhesis=0.0, degenerative=0.0, variant=0.0)


@pytest.fixture(scope="module")
def body() -> Body:
    found = draw_spine(np.random.default_rng(3), PLAIN).body("L1")
    assert found is not None
    return replace(found, centre=np.zeros(3), angles=(0.0, 0.0, 0.0))


def filled(body: Body, kind: str, seed: int, leak: str = "") -> Cement:
    rng = np.random.default_rng(seed)
    cement = draw_cement(rng, body, kind, False)
    return draw_leak(rng, body, cement, leak) if leak else cement


def shadow(body: Body, cement: Cement) -> FloatArray:
    """(rows, columns) attenuation, 0.5 mm per pixel, the body's centre in the middle."""
    camera = Camera(1000.0, 200.0, np.zeros(2), np.zeros(2), 0.0, 0.5, (160, 160))
    out = np.zeros(camera.shape, np.float32)
    render_cement(camera, replace(body, cement=cement), out)
    return out.astype(float)


def beyond(body: Body, lump: Lump) -> FloatArray:
    """(K * P,) mm by which points lie beyond the walls or the endplates; negative inside."""
    outline = body_outlines(body, np.zeros(1))[0]
    points = lump.outline.reshape(-1, 3)
    apart = points[:, None, :2] - outline[None]
    distance = np.linalg.norm(apart, axis=2).min(axis=1)
    start, end = outline, np.roll(outline, -1, axis=0)
    x, y = points[:, None, 0], points[:, None, 1]
    crosses = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(start[:, 1] == end[:, 1], 1.0, end[:, 1] - start[:, 1])
    at = start[:, 0] + (y - start[:, 1]) / rise * (end[:, 0] - start[:, 0])
    inside = ((crosses & (x < at)).sum(axis=1) % 2) == 1
    out: FloatArray = np.where(inside, -distance, distance)
    return out


def test_acrylic_is_far_denser_than_calcium_phosphate(body: Body) -> None:
    middles = {
        kind: [float(shadow(body, filled(body, kind, s)).max()) for s in range(8)]
        for kind in CEMENTS
    }
    assert min(middles["acrylic"]) > max(middles["calcium_phosphate"])
    # calcium phosphate weighs as much as cortical bone: 0.04 per mm
    assert 0.25 < np.median(middles["calcium_phosphate"]) < 1.6


def test_calcium_phosphate_is_evener_than_acrylic(body: Body) -> None:
    def unevenness(kind: str, seed: int) -> float:
        """Length of the outline of a cast over that of a circle of the same area."""
        wide = shadow(body, filled(body, kind, seed)) > 0.05
        edge = np.abs(np.diff(wide, axis=0)).sum() + np.abs(np.diff(wide, axis=1)).sum()
        return float(edge / np.sqrt(wide.sum()))

    rough, smooth = ([unevenness(k, s) for s in range(10)] for k in CEMENTS)
    assert np.mean(rough) > 1.03 * np.mean(smooth)


@pytest.mark.parametrize("kind", CEMENTS)
def test_without_a_leak_cement_stays_in_the_body(body: Body, kind: str) -> None:
    for seed in range(10):
        cement = filled(body, kind, seed)
        assert not cement.leaks
        assert not cement.outside
        assert max(beyond(body, x).max() for x in cement.inside) < 0


@pytest.mark.parametrize("kind", ["disc", "epidural", "paravertebral"])
def test_a_leak_lies_outside_of_the_body(body: Body, kind: str) -> None:
    places = set()
    for seed in range(12):
        cement = filled(body, "acrylic", seed, kind)
        (leak,) = cement.leaks
        assert leak.kind == kind
        places.add(leak.place)
        out, neck = cement.outside
        if leak.place == "side":
            assert np.abs(out.outline[..., 2]).min() > body.width / 2
            continue
        # all of it but fingers of a millimetre
        assert np.quantile(beyond(body, out), 0.2) > -0.5
        assert beyond(body, neck).min() < 0  # it came from inside
        assert shadow(body, cement).sum() > shadow(body, filled(body, "acrylic", seed)).sum()
        middle = out.outline.reshape(-1, 3).mean(axis=0)
        if kind == "epidural":
            assert middle[0] < -body.depth_inferior / 2 + 3
        if leak.place in ("superior", "inferior"):
            assert (middle[1] < 0) == (leak.place == "superior")
    wanted = {
        "disc": {"superior", "inferior"},
        "epidural": {"canal"},
        "paravertebral": {"front", "side"},
    }
    assert places == wanted[kind]


def test_a_venous_leak_is_a_line_that_leaves_the_body(body: Body) -> None:
    for seed in range(8):
        cement = filled(body, "acrylic", seed, "venous")
        (vein,) = cement.veins
        ends = np.abs(vein.line[[0, -1], 0]) - body.depth_superior / 2
        assert ends[0] < 0
        assert ends[1] > -2
        assert 0.5 < vein.radius < 2.5
        gain = shadow(body, cement) - shadow(body, replace(cement, veins=()))
        assert gain.max() > 0.03


def test_unknown_leaks_are_named(body: Body) -> None:
    with pytest.raises(UnknownName, match="disc"):
        filled(body, "acrylic", 0, "lung")
    with pytest.raises(InputError, match="leak is 2"):
        SimulatorSettings(leak=2.0)


def test_shares_of_kinds_and_leaks_are_those_that_were_asked_for() -> None:
    def drawn(count: int, **wish: Any) -> list[dict[str, Any]]:
        settings = replace(PLAIN, cement=1.0, hardware=0.0, fractured=0.0, **wish)
        out = []
        for seed in range(count):
            spine = draw_subject(np.random.default_rng(seed), settings).spine
            out += cement_record(spine)
        return out

    usual = drawn(100)
    assert 0.12 < np.mean([bool(x["leaks"]) for x in usual]) < 0.33
    assert {x["kind"] for x in usual} == set(CEMENTS)
    assert not any(x["leaks"] for x in drawn(15, leak=0.0))
    all_of_them = drawn(40, leak=1.0, calcium_phosphate=1.0)
    assert {x["kind"] for x in all_of_them} == {"calcium_phosphate"}
    assert {leak["kind"] for x in all_of_them for leak in x["leaks"]} == set(LEAKS)


def test_cement_moves_no_point_and_nothing_else_of_the_subject() -> None:
    for seed in range(6):
        rngs = [np.random.default_rng(seed) for _ in range(2)]
        with_it, without = (
            draw_subject(r, replace(PLAIN, fractured=1.0, hardware=0.0, cement=share))
            for r, share in zip(rngs, (1.0, 0.0), strict=True)
        )
        assert cement_record(with_it.spine)
        assert rngs[0].random() == rngs[1].random()
        camera = Camera(1000.0, 200.0, np.zeros(2), np.zeros(2), 0.0, 0.5, (160, 160))
        for a, b in zip(with_it.spine.bodies, without.spine.bodies, strict=True):
            np.testing.assert_array_equal(project_body(camera, a), project_body(camera, b))


def test_balloons_are_in_the_theatre_before_the_cement() -> None:
    settings = replace(PLAIN, fractured=1.0, hardware=1.0, cement=1.0, implant="balloon")
    for seed in range(5):
        subject = draw_subject(np.random.default_rng(seed), settings)
        assert subject.hardware.kind == "balloon"
        assert len(subject.hardware.balloons) == 2
        assert not subject.spine.standing
        assert not cement_record(subject.spine)
    with pytest.raises(UnknownName, match="screws"):
        replace(PLAIN, implant="nail")  # type: ignore[arg-type]


def test_a_patient_has_the_planned_cement_and_the_same_cast_at_each_visit() -> None:
    plan = plan_cohort(12, seed=3, plan=CohortPlan(leak=0.5))
    assert {s.leak for s in plan} == {True, False}
    for planned in plan:
        visits = {v.name: v for v in planned.visits}
        before = subject_at(planned, visits["pre"]).spine.body(planned.level)
        assert before is not None
        assert before.cement is None
        casts = []
        for name in ("post", "12 months"):
            subject = subject_at(planned, visits[name])
            (record,) = cement_record(subject.spine)
            assert (record["level"], record["kind"]) == (planned.level, planned.cement)
            assert bool(record["leaks"]) == planned.leak
            assert subject.hardware.kind in ("", "screws")
            assert not subject.hardware.cages
            treated = subject.spine.body(planned.level)
            assert treated is not None
            assert treated.cement is not None
            casts.append(treated.cement)
            for lump in treated.cement.inside:
                assert beyond(treated, lump).max() < 0.5
        for a, b in zip(*(c.inside for c in casts), strict=True):
            np.testing.assert_array_equal(a.outline, b.outline)
        assert casts[0].leaks == casts[1].leaks


def test_the_record_stands_in_film_and_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    planned = plan_cohort(1, seed=5, plan=CohortPlan(leak=1.0))[0]
    visit = next(v for v in planned.visits if v.name == "post")
    film = cohort_film(planned, visit, replace(PLAIN, mm_per_pixel=1.0, bits=16))
    write_annotations(tmp_path / "truth.json", [visit_annotation(planned, visit)])
    (written,) = read_annotations(tmp_path / "truth.json")
    assert written.attributes["cement"] == film.attributes["cement"]
    (record,) = written.attributes["cement"]
    assert record["kind"] == planned.cement
    assert record["leaks"][0]["kind"] in LEAKS


def test_acrylic_is_brighter_on_the_film() -> None:
    planned = plan_cohort(1, seed=5, plan=CohortPlan(leak=0.0))[0]
    visit = next(v for v in planned.visits if v.name == "post")
    coarse = replace(PLAIN, mm_per_pixel=0.6, bits=16)
    means = []
    for kind in CEMENTS:
        film = cohort_film(replace(planned, cement=kind), visit, coarse)
        body = next(v for v in film.vertebrae if v.level == planned.level)
        x, y = body.centre.round().astype(int)
        means.append(film.image[y - 2 : y + 3, x - 2 : x + 3].mean())
    assert means[0] > means[1]
