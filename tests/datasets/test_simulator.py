"""Simulated films: the same for the same seed, landmarks on the bones that are drawn."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from endplate.datasets.coco import load_films
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.simulator.api import simulate_film, simulate_set
from endplate.datasets.simulator.draw import draw_spine
from endplate.datasets.simulator.hardware import Hardware, draw_hardware
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.errors import InputError, UnknownName
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import LEVELS

COARSE = SimulatorSettings(mm_per_pixel=1.0)


def only(field_of_view: str, **more: Any) -> SimulatorSettings:
    return SimulatorSettings(mm_per_pixel=1.0, fields_of_view={field_of_view: 1.0}, **more)


def test_the_same_seed_gives_the_same_film() -> None:
    one, two = simulate_film(7, COARSE), simulate_film(7, COARSE)
    assert np.array_equal(one.image, two.image)
    for a, b in zip(one.vertebrae, two.vertebrae, strict=True):
        assert np.array_equal(a.points, b.points, equal_nan=True)
    assert one.attributes == two.attributes


def test_seeds_differ() -> None:
    assert not np.array_equal(simulate_film(1, COARSE).image, simulate_film(2, COARSE).image)


@pytest.mark.parametrize("field_of_view", ["lumbar", "thoracolumbar", "short", "whole"])
def test_landmarks_make_bodies_in_order_on_the_film(field_of_view: str) -> None:
    for seed in range(6):
        film = simulate_film(seed, only(field_of_view))
        check_film(film)


def check_film(film: AnnotatedFilm) -> None:
    rows, columns = film.image.shape
    order = [LEVELS.index(v.level) for v in film.vertebrae]
    assert order == sorted(set(order))
    front = 1.0 if film.facing == "right" else -1.0
    for v in film.vertebrae:
        p = v.points[np.isfinite(v.points[:, 0])]
        assert ((p >= 0) & (p <= [columns - 1, rows - 1])).all()
        assert np.isfinite(v.points[:3]).all()
        assert np.isfinite(v.points[3:]).all() == (v.level != "S1")
        # Along the endplate to the front, then from there to the feet: one sense of turning.
        along = v.points[0] - v.points[2]
        assert along[0] * front > 0
        if v.level != "S1":
            down = v.points[5] - v.points[0]
            assert front * (along[0] * down[1] - along[1] * down[0]) > 0


def test_a_whole_spine_film_shows_every_level() -> None:
    film = simulate_film(3, only("whole", variant=0.0))
    assert [v.level for v in film.vertebrae] == [x for x in LEVELS if x not in ("T13", "L6")]
    assert set(film.attributes["other_bodies"]) <= {"C3", "C4", "C5", "C6"}


def test_endplates_lie_on_bone_edges() -> None:
    """Across the middle of an endplate the film is brightest just inside the landmark."""
    plain = SimulatorSettings(
        mm_per_pixel=0.2, fields_of_view={"lumbar": 1.0}, fractured=0.0, hardware=0.0, cement=0.0,
        scoliosis=0.0, listhesis=0.0, degenerative=0.0, edge_enhanced=0.0,
    )  # fmt: skip
    offsets = []
    for seed in (1, 3, 4):
        film = simulate_film(seed, plain)
        for v in film.vertebrae:
            if v.level in ("L2", "L3", "L4"):
                offsets += [edge_offset(film, v, True), edge_offset(film, v, False)]
    # mm; the shell is 0.75 mm thick, so its middle lies about 0.4 mm inside the edge.
    assert -0.2 < np.median(offsets) < 0.9
    assert np.quantile(np.abs(offsets), 0.7) < 1.5


def edge_offset(film: AnnotatedFilm, v: Vertebra, superior: bool) -> float:
    """mm from the middle point inwards to the brightest line within 4 mm."""
    front, middle, back = (0, 1, 2) if superior else (5, 4, 3)
    along = v.points[front] - v.points[back]
    along /= np.linalg.norm(along)
    inwards = v.centre - v.points[middle]
    inwards -= along * (inwards @ along)
    inwards /= np.linalg.norm(inwards)
    steps = np.arange(-20, 21)
    places = (
        v.points[middle]
        + steps[:, None, None] * inwards
        + np.linspace(-12, 12, 13)[None, :, None] * along
    ).astype(np.float32)
    image = film.image.astype(np.float32)
    profile = cv2.remap(image, places[..., 0], places[..., 1], cv2.INTER_LINEAR).mean(axis=1)
    profile -= np.linspace(profile[:5].mean(), profile[-5:].mean(), len(profile))
    assert film.spacing_mm is not None
    return float(steps[int(np.argmax(profile))] * film.spacing_mm[0])


def test_resolution_changes_pixels_and_not_anatomy() -> None:
    one = simulate_film(11, only("lumbar"))
    two = simulate_film(11, replace(only("lumbar"), mm_per_pixel=0.5))
    common = {v.level: v for v in one.vertebrae}
    for v in two.vertebrae:
        if v.level in common:
            assert v.depth_px * 0.5 == pytest.approx(common[v.level].depth_px, rel=0.01)


def test_severe_fractures_lose_half_of_the_front() -> None:
    def fronts(severe: float) -> list[float]:
        films = (simulate_film(s, only("short", fractured=1.0, severe=severe)) for s in range(12))
        found = [f.attributes["fractures"][0] for f in films]
        return [x["anterior_mm"] / x["posterior_mm"] for x in found if x["type"] == "wedge"]

    assert max(fronts(1.0)) < 0.65
    assert min(fronts(0.0)) > 0.45


def test_fractures_are_recorded_and_drawn() -> None:
    film = next(
        f
        for f in (simulate_film(s, only("lumbar", fractured=1.0)) for s in range(20))
        if any(x["level"] in {v.level for v in f.vertebrae} for x in f.attributes["fractures"])
    )
    fracture = film.attributes["fractures"][0]
    assert fracture["type"] in ("wedge", "biconcave", "crush", "burst")
    assert fracture["anterior_mm"] < 26


def test_hardware_and_cement_are_recorded() -> None:
    settings = only("whole", hardware=1.0, cement=1.0)
    films = [simulate_film(s, settings) for s in range(8)]
    assert all(f.attributes["hardware"] for f in films)
    assert any(v.hardware for f in films for v in f.vertebrae)
    assert any(v.cement for f in films for v in f.vertebrae)


def test_a_fusion_holds_neighbours_of_the_lowest_levels_with_cages() -> None:
    rng = np.random.default_rng(4)
    caged = sacral = 0
    for _ in range(30):
        spine = draw_spine(rng, COARSE)
        metal = draw_hardware(rng, spine, "fusion")
        column = [b.level for b in (*spine.bodies, spine.sacrum)]
        first = column.index(metal.screw_levels[0])
        assert list(metal.screw_levels) == column[first : first + len(metal.screw_levels)]
        assert 2 <= len(metal.screw_levels) <= 4
        assert first >= len(column) - 6
        assert len(metal.screws) == 2 * len(metal.screw_levels)
        assert len(metal.cages) < len(metal.screw_levels)
        caged += bool(metal.cages)
        sacral += metal.screw_levels[-1] == "S1"
    assert caged > 20
    assert 5 < sacral < 25


def test_a_long_construct_runs_from_the_thoracic_to_the_lumbar_spine() -> None:
    rng = np.random.default_rng(5)
    counts = set()
    for _ in range(30):
        spine = draw_spine(rng, replace(COARSE, variant=0.5))
        counts.add(len(spine.bodies))
        metal = draw_hardware(rng, spine, "long")
        column = [b.level for b in (*spine.bodies, spine.sacrum)]
        first, last = (column.index(metal.screw_levels[i]) for i in (0, -1))
        assert first < column.index("L1") - 1 <= last
        assert last - first >= 5
        # the rod goes through the head of every screw of its side, and beyond both ends
        for rod, held in zip(metal.rods, sides_of(metal), strict=True):
            assert len(rod) == len(held) + 2
            np.testing.assert_allclose(rod[1:-1], [head for head, _ in held])
    assert len(counts) > 1


def sides_of(metal: Hardware) -> list[list[FloatArray]]:
    """Screws by the rod that they hold."""
    first = len(metal.rods[0]) - 2
    return [list(metal.screws[:first]), list(metal.screws[first:])]


def test_implants_that_were_asked_for_leave_the_rest_of_the_draw_alone() -> None:
    spine = draw_spine(np.random.default_rng(6), COARSE)
    after = set()
    for kind in ("screws", "any"):
        for seed in range(40):
            rng = np.random.default_rng(seed)
            if draw_hardware(rng, spine, kind).kind == "screws":
                after.add((seed, float(rng.random())))
    assert len({seed for seed, _ in after}) == len(after) == 40


def test_sixteen_bits_hold_twelve() -> None:
    image = simulate_film(1, replace(COARSE, bits=16)).image
    assert image.dtype == np.uint16
    assert 1000 < int(image.max()) <= 4095


def test_a_set_is_written_and_read_back(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = simulate_set(tmp_path / "set", 3, seed=5, settings=COARSE, dicom=True)
    films = load_films(path)
    assert [f.subject for f in films] == ["sim-5", "sim-6", "sim-7"]
    again = simulate_film(6, COARSE)
    assert np.array_equal(films[1].image, again.image)
    assert films[1].complete
    assert films[1].facing == again.facing
    for a, b in zip(films[1].vertebrae, again.vertebrae, strict=True):
        np.testing.assert_allclose(a.points, b.points, atol=1e-3)
    assert len(list((tmp_path / "set" / "dicom").glob("*.dcm"))) == 3


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"mm_per_pixel": 0.01}, InputError, "mm_per_pixel"),
        ({"fields_of_view": {"knee": 1.0}}, UnknownName, "lumbar"),
        ({"fields_of_view": {"lumbar": 0.0}}, InputError, "weights"),
        ({"fields_of_view": {"lumbar": -1.0}}, InputError, "0 or more"),
        ({"bits": 12}, InputError, "8 or 16"),
        ({"view": "oblique"}, UnknownName, "frontal"),
        ({"fractured": 1.5}, InputError, "0 to 1"),
    ],
)
def test_wrong_settings_are_named(kwargs, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=words):
        SimulatorSettings(**kwargs)


def test_wrong_seed_and_count_are_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="seed -1"):
        simulate_film(-1)
    with pytest.raises(InputError, match="count 0"):
        simulate_set(tmp_path, 0)


def test_frontal_films_have_no_landmarks() -> None:
    film = simulate_film(2, replace(COARSE, view="frontal"))
    assert film.view == "frontal"
    assert film.vertebrae == ()
    assert film.image.std() > 8
