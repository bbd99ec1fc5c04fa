"""The bench of the quality gate: every kind can be made, and shows what it is said to show."""

import numpy as np
import pytest

from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.gatebench.bench import generated
from endplate.datasets.gatebench.bones import OTHER_BONES, draw_bones
from endplate.datasets.gatebench.degrade import DAMAGES, column_cut_off
from endplate.datasets.gatebench.phantoms import PHANTOMS, draw_phantom
from endplate.datasets.gatebench.slices import ct_views, draw_mr, mr_views
from endplate.datasets.simulator.api import simulate_film
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.imaging.ct.volume import Provenance, Volume
from endplate.infer.gate import REASON_CODES


@pytest.fixture(scope="module")
def film() -> AnnotatedFilm:
    return simulate_film(5, SimulatorSettings(fields_of_view={"lumbar": 1.0}, hardware=0.0))


@pytest.mark.parametrize("kind", PHANTOMS)
def test_phantoms_are_the_same_for_the_same_seed_only(kind):
    one, again, other = (draw_phantom(kind, seed) for seed in (1, 1, 2))
    assert one.dtype == np.uint8
    assert min(one.shape) >= 400
    assert np.array_equal(one, again)
    assert one.shape != other.shape or not np.array_equal(one, other)


@pytest.mark.parametrize("kind", OTHER_BONES)
def test_bones_are_bright_on_a_dark_ground(kind):
    image = draw_bones(kind, 0)
    assert image.std() > 25
    assert image[:20, :20].mean() < np.percentile(image, 95) - 40


def test_generated_specimens_have_both_sides_and_no_doubles():
    specimens = list(generated(1))
    assert {s.negative for s in specimens} == {True, False}
    names = [(s.kind, s.name) for s in specimens]
    assert len(set(names)) == len(names)
    assert all(s.fold is None for s in specimens)


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_changes_the_film_and_names_known_reasons(name, film):
    damage = DAMAGES[name]
    worse = damage.apply(film, np.random.default_rng(1))
    assert worse.dtype in (np.uint8, np.uint16)
    assert worse.shape != film.image.shape or not np.array_equal(worse, film.image)
    assert set(damage.reasons) <= set(REASON_CODES)


def test_exposures_burn_out_the_bodies(film):
    points = np.concatenate([v.points for v in film.vertebrae])
    x0, y0 = np.nanmin(points, axis=0).astype(int)
    x1, y1 = np.nanmax(points, axis=0).astype(int)
    rng = np.random.default_rng(0)
    over = DAMAGES["over-exposed"].apply(film, rng)[y0:y1, x0:x1]
    under = DAMAGES["under-exposed"].apply(film, rng)[y0:y1, x0:x1]
    assert (over == 0).mean() > 0.3
    assert (under == 255).mean() > 0.3


def test_the_part_in_front_holds_no_body(film):
    front = column_cut_off(film)
    side = film.image.shape[1]
    corners = np.concatenate([v.points[[0, 5], 0] for v in film.vertebrae])
    if front is not None and film.facing == "right":
        assert front.shape[1] < side - np.nanmax(corners)
    elif front is not None:
        assert front.shape[1] < np.nanmin(corners)


def test_cutting_along_the_bodies_keeps_their_backs(film):
    worse = DAMAGES["cut along the bodies"].apply(film, np.random.default_rng(0))
    backs = np.array([v.points[2, 0] for v in film.vertebrae])
    width = film.image.shape[1]
    kept = worse.shape[1] > np.median(backs) if film.facing == "right" else True
    assert kept
    assert worse.shape[1] < width


def test_mr_slices_have_black_air_and_another_contrast_with_each_weighting(film):
    bright, dark = (draw_mr(film, 3, bright_water=w) for w in (True, False))
    assert max(bright.shape) == 900
    assert not np.array_equal(bright, dark)


def cube(side: int, spacing: float) -> Volume:
    voxels = np.full((side, side, side), -1000, np.int16)
    voxels[4:-4, 6:-6, 4:-4] = 40
    voxels[4:-4, side // 2 : side // 2 + 6, side // 2 - 3 : side // 2 + 3] = 600
    affine = np.diag([spacing, spacing, spacing, 1.0])
    return Volume(voxels, affine, Provenance("cube", ""))


def test_projections_of_a_ct_need_a_body_and_not_a_crop():
    large = {kind for kind, _, _ in ct_views(cube(44, 4.0))}
    small = {kind for kind, _, _ in ct_views(cube(20, 2.0))}
    assert {"CT as a frontal film", "CT as an oblique film"} <= large
    assert small == {"CT axial slice", "CT coronal slice"}


def test_a_frontal_projection_shows_the_column_in_the_middle():
    views = {(kind, name): image for kind, name, image in ct_views(cube(44, 4.0))}
    image = next(v for (kind, _), v in views.items() if kind == "CT as a frontal film")
    row = image[image.shape[0] // 2].astype(float)
    middle = len(row) // 2
    assert row[middle - 30 : middle + 30].max() > np.median(row) + 20


def test_mr_volumes_are_cut_three_ways():
    kinds = {kind for kind, _, _ in mr_views(cube(30, 3.0))}
    assert kinds == {"MR axial slice", "MR coronal slice", "MR sagittal slice"}
