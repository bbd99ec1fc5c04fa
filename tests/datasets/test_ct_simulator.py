"""Films and slabs made of a CT: points stay on the voxels that they were on."""

import json
from pathlib import Path

import numpy as np
import pytest

from endplate.datasets.coco import load_films
from endplate.datasets.ct_simulator import api
from endplate.datasets.ct_simulator.api import CtPair, read_pairs, simulate_ct_film
from endplate.datasets.ct_simulator.deform import Deformation, draw_deformation
from endplate.datasets.ct_simulator.film import radiograph
from endplate.datasets.ct_simulator.fracture import Fracture, draw_fracture
from endplate.datasets.ct_simulator.resample import Grid, deformed_voxels
from endplate.datasets.ct_simulator.slab import slab_film
from endplate.datasets.ct_simulator.source import CtSource, load_source
from endplate.errors import InputError, UnknownName
from endplate.infer import cli

from ..infer.ct_phantom import PhantomSpine, make_phantom
from ..infer.test_ct import write_nifti

LEVELS = ("T12", "L1", "L2", "L3")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> CtPair:
    folder = tmp_path_factory.mktemp("ct")
    phantom = make_phantom(PhantomSpine(levels=LEVELS), (1.2, 1.2, 1.5))
    write_nifti(folder / "ct.nii.gz", phantom.ct)
    write_nifti(folder / "mask.nii.gz", phantom.labels)
    return CtPair("ct-phantom", str(folder / "ct.nii.gz"), str(folder / "mask.nii.gz"))


@pytest.fixture(scope="module")
def source(pair: CtPair) -> CtSource:
    return load_source(pair.name, pair.ct, pair.labels)


def still(source: CtSource, fracture: Fracture | None = None) -> Deformation:
    bodies = tuple(source.bodies.values())
    turns = np.repeat(np.eye(3)[None], len(bodies), axis=0)
    return Deformation(
        tuple(source.bodies), bodies, turns, np.stack([b.centre for b in bodies]), fracture
    )


def test_nothing_moves_where_nothing_is_deformed(source):
    places = np.random.default_rng(0).uniform(-60, 60, (200, 3))
    np.testing.assert_allclose(still(source).backward(places), places, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_points_go_forth_as_voxels_go_back(source, seed):
    deformed = draw_deformation(np.random.default_rng(seed), source, 1.0)
    for i, body in enumerate(deformed.bodies):
        moved = deformed.forward(body.points, i)
        np.testing.assert_allclose(deformed.backward(moved), body.points, atol=0.25)
        assert np.abs(moved - body.points).max() < 80


@pytest.mark.parametrize(
    ("kind", "front", "middle", "back"),
    [
        ("wedge", 0.6, 0.8, 1.0),
        ("biconcave", 1.0, 0.6, 1.0),
        ("crush", 0.6, 0.68, 0.76),
        ("burst", 0.6, 0.72, 0.84),
    ],
)
def test_a_fracture_takes_the_height_that_it_says(source, kind, front, middle, back):
    deformed = still(source, Fracture("L1", kind, 0.4))
    at = deformed.levels.index("L1")
    old, new = deformed.bodies[at].points, deformed.forward(deformed.bodies[at].points, at)

    def heights(p):
        return np.linalg.norm(p[[0, 1, 2]] - p[[5, 4, 3]], axis=1)

    np.testing.assert_allclose(heights(new) / heights(old), [front, middle, back], atol=0.05)


def test_a_burst_body_bulges_into_the_canal_and_grows_wider(source):
    burst = still(source, Fracture("L1", "burst", 0.3, bulge=6.0, swell=0.1))
    at = burst.levels.index("L1")
    body = burst.bodies[at]
    depth, height = body.depth, body.height
    # middle of the upper posterior wall, both sides, front, and a place behind the canal
    local = np.array(
        [
            [0.0, -depth / 2, 0.2 * height],
            [-0.62 * depth, 0.0, 0.0],
            [0.62 * depth, 0.0, 0.0],
            [0.0, depth / 2, 0.0],
            [0.0, -depth / 2 - 40.0, 0.0],
        ]
    )
    moved = (burst.forward(local @ body.axes + body.centre, at) - body.centre) @ body.axes.T
    shift = moved - local
    assert shift[0, 1] == pytest.approx(-6.0, abs=1.0)
    assert shift[1, 0] == pytest.approx(-0.062 * depth, abs=0.4)
    assert shift[2, 0] == pytest.approx(0.062 * depth, abs=0.4)
    assert shift[3, 1] == pytest.approx(0.05 * depth, abs=0.4)
    np.testing.assert_allclose(shift[4], 0.0, atol=0.05)
    # the points go with their voxels: the upper back corner backwards, the lower one hardly
    points = burst.forward(body.points, at) - body.points
    back = points @ body.axes.T
    assert back[2, 1] < -1.0
    assert abs(back[3, 1]) < 0.5
    neighbour = burst.levels.index("L3")
    other = burst.bodies[neighbour].points
    np.testing.assert_allclose(burst.forward(other, neighbour), other, atol=0.05)


def test_the_bone_of_a_burst_body_lies_where_its_points_say(source):
    burst = still(source, Fracture("L1", "burst", 0.2, bulge=6.0))
    at = burst.levels.index("L1")
    body = burst.bodies[at]
    wall = body.centre + np.array([0.0, -body.depth / 2, 0.2 * body.height]) @ body.axes
    behind = wall - 3.0 * body.axes[1]
    step = np.full(3, 1.0)
    grid = Grid.over(body.centre - 45, body.centre + 45, step)
    i = tuple(np.rint((behind - grid.low) / step).astype(int))
    whole, broken = (deformed_voxels(source, d, grid)[i] for d in (still(source), burst))
    assert whole < 130 < 180 < broken


def test_fractures_of_each_kind_are_drawn_and_only_bursts_bulge():
    drawn = [draw_fracture(np.random.default_rng(s), ["L1", "L2"]) for s in range(60)]
    kinds = [f.kind for f in drawn]
    assert set(kinds) == {"wedge", "biconcave", "crush", "burst"}
    assert 0.05 < np.mean([k == "burst" for k in kinds]) < 0.4
    for fracture in drawn:
        assert (fracture.bulge > 0) == (fracture.swell > 0) == (fracture.kind == "burst")
        assert ("bulge_mm" in fracture.record()) == (fracture.kind == "burst")


@pytest.mark.parametrize("loss", [0.1, 0.5])
def test_the_hardest_burst_is_solved_forth_and_back(source, loss):
    burst = still(source, Fracture("L1", "burst", loss, bulge=7.0, swell=0.1))
    at = burst.levels.index("L1")
    body = burst.bodies[at]
    np.testing.assert_allclose(
        burst.backward(burst.forward(body.points, at)), body.points, atol=0.25
    )


def test_the_voxels_of_a_deformed_body_lie_between_its_points(source):
    deformed = draw_deformation(np.random.default_rng(5), source, 0.0)
    at = deformed.levels.index("L2")
    points = deformed.forward(deformed.bodies[at].points, at)
    up = deformed.axes_of(at)[2]
    step = np.ones(3)
    grid = Grid.over(points.min(axis=0) - 12, points.max(axis=0) + 12, step)
    voxels = deformed_voxels(source, deformed, grid)

    def value(place):
        i = np.rint((place - grid.low) / step).astype(int)
        return float(voxels[tuple(i)])

    for middle, side in ((points[1], -1.0), (points[4], 1.0)):
        assert value(middle + side * 4 * up) > 180  # within the bone
        assert value(middle - side * 3 * up) < 130  # within the disc


def test_a_slab_shows_bodies_between_their_endplates(source):
    rng = np.random.default_rng(1)
    film = slab_film(rng, source, still(source), "x")
    assert {v.level for v in film.vertebrae} >= {"L1", "L2"}
    assert (film.facing, film.spacing_mm) == ("right", (0.7, 0.7))
    assert film.attributes["modality"] == "ct_slab"
    body = next(v for v in film.vertebrae if v.level == "L1").points
    x, y = body[[0, 2, 3, 5]].mean(axis=0).round().astype(int)
    upper = body[1].round().astype(int)
    inside = film.image[y - 3 : y + 4, x - 3 : x + 4].mean()
    disc = film.image[upper[1] - 5, upper[0] - 3 : upper[0] + 4].mean()
    assert inside > disc + 10


def test_a_radiograph_of_a_ct(source):
    film = radiograph(np.random.default_rng(3), source, still(source), "x")
    assert film.view == "lateral"
    assert film.vertebrae
    assert film.attributes["magnification"] > 1.1
    front = film.vertebrae[0].points
    assert (front[0, 0] > front[2, 0]) == (film.facing == "right")
    assert film.image.std() > 5


def test_the_same_seed_gives_the_same_film_and_the_subject_is_the_ct(pair):
    one, two = (simulate_ct_film(pair, 7, "slab") for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    assert one.subject == "ct-phantom"
    assert one.name == "ct-phantom-slab-7.png"
    with pytest.raises(UnknownName, match="kind"):
        simulate_ct_film(pair, 7, "x-ray")  # type: ignore[arg-type]


def test_a_set_from_the_command_line(pair, tmp_path: Path, capsys):
    listed = tmp_path / "cts.json"
    listed.write_text(json.dumps([{"name": pair.name, "ct": pair.ct, "labels": pair.labels}]))
    out = tmp_path / "slabs"
    wish = ["simulate", "-o", str(out), "-n", "2", "--cts", str(listed), "--kind", "slab"]
    assert cli.main([*wish, "fractured=0"]) == 0
    assert "Wrote 2 films of 1 CTs" in capsys.readouterr().out
    films = load_films(out / "annotations.json")
    assert [f.subject for f in films] == ["ct-phantom"] * 2
    assert not any(f.attributes["fractures"] for f in films)
    assert cli.main([*wish, "hardware=1"]) == 2
    assert "valid: fractured" in capsys.readouterr().err


def test_an_interrupted_set_goes_on(pair, tmp_path: Path, monkeypatch):
    simulate = api.simulate_ct_film
    made: list[int] = []

    def watched(pair, seed, *rest):
        if seed == 2 and not made.count(2):
            made.append(2)
            raise KeyboardInterrupt
        made.append(seed)
        return simulate(pair, seed, *rest)

    monkeypatch.setattr(api, "simulate_ct_film", watched)
    with pytest.raises(KeyboardInterrupt):
        api.simulate_ct_set(tmp_path / "a", [pair], 3, seed=1, kind="slab")
    api.simulate_ct_set(tmp_path / "a", [pair], 3, seed=1, kind="slab")
    assert made == [1, 2, 2, 3]
    api.simulate_ct_set(tmp_path / "b", [pair], 3, seed=1, kind="slab")
    for file in (tmp_path / "b").rglob("*.*"):
        assert file.read_bytes() == (tmp_path / "a" / file.relative_to(tmp_path / "b")).read_bytes()


def test_lists_of_cts_that_cannot_be_used(tmp_path: Path):
    path = tmp_path / "cts.json"
    with pytest.raises(InputError, match="cannot be read"):
        read_pairs(path)
    for text in ("[]", "{}", "[1]", "no json"):
        path.write_text(text)
        with pytest.raises(InputError, match="JSON list"):
            read_pairs(path)
    path.write_text('[{"name": "a", "ct": "none.nii", "labels": "none.nii"}]')
    with pytest.raises(InputError, match=r"none\.nii does not exist"):
        read_pairs(path)
    with pytest.raises(InputError, match="count 0"):
        api.simulate_ct_set(tmp_path, (), 0)
