"""Scales of slabs from errors whose size is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from endplate.datasets.ct_simulator.api import CtPair
from endplate.datasets.ct_simulator.variant import simulate_ct_volume
from endplate.errors import InputError
from endplate.infer.refine import Refined
from endplate.models.calibration import USUAL_SPREAD, PointErrors
from endplate.models.slab_calibration import SlabCalibration, SlabScales
from endplate.train.calibrate_slabs import SlabBody, SlabCase, coverage, fit_scales
from endplate.train.slab_card import END, START, fill_between, slab_markdown

from ..infer.ct_phantom import PhantomSpine, make_phantom
from ..infer.test_ct import write_nifti

SHAPE = PointErrors(np.full(12, 0.02), 2.0, np.eye(12))
BODY = np.array([[50.0, 0], [25, 2], [0, 0], [0, 40], [25, 38], [50, 40]])


def cases(sd: float, count: int, together: bool = False) -> list[SlabCase]:
    """Bodies whose coordinates are off by `sd` depths, in maps as wide as usual.

    `together`: the corners of a body move so that its wedge and its heights change.
    """
    rng = np.random.default_rng(4)
    spread = np.full((6, 2), USUAL_SPREAD**2)
    axes = np.array([[-1.0, 0.0], [0.0, 1.0]])
    bodies = []
    for _ in range(count):
        points = BODY + rng.normal(0, sd * 50, BODY.shape)
        if together:
            points[[0, 2, 3, 5], 1] = BODY[[0, 2, 3, 5], 1]
            points[[0, 2, 3, 5], 1] += rng.normal(0, sd * 50) * np.array([-1, 1, -1, 1])
        refined = Refined(points, np.eye(12), spread, np.ones(6), 50.0, axes, np.zeros(2))
        bodies.append(SlabBody("L1", "L1", refined, BODY))
    return [SlabCase("ct", 0.7, 2.5, count, tuple(bodies))]


def test_scales_follow_the_errors() -> None:
    scales = fit_scales(cases(0.01, 250), SHAPE)
    assert scales.points == pytest.approx(0.5, rel=0.06)
    assert scales.angles == pytest.approx(1.0, rel=0.15)
    assert scales.heights == pytest.approx(1.0, rel=0.15)
    held = coverage(cases(0.01, 250), SHAPE, scales)
    for row in held.values():
        assert row["held"] == pytest.approx(0.9, abs=0.04)
    assert held["points"]["n"] == 1500
    assert held["Ha_mm"]["n"] == held["vertebral_kyphosis_deg"]["n"] == 250


def test_what_points_share_goes_to_the_measures() -> None:
    scales = fit_scales(cases(0.01, 250, together=True), SHAPE)
    assert scales.angles == pytest.approx(2.0, rel=0.15)
    assert scales.heights == pytest.approx(2**0.5, rel=0.15)
    few = fit_scales(cases(0.01, 30), SHAPE)
    assert few.points > 0
    with pytest.raises(InputError, match="29 bodies"):
        fit_scales(cases(0.01, 29), SHAPE)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> CtPair:
    folder = tmp_path_factory.mktemp("ct")
    phantom = make_phantom(PhantomSpine(levels=("T12", "L1", "L2", "L3")), (1.5, 1.5, 2.0))
    write_nifti(folder / "ct.nii.gz", phantom.ct)
    write_nifti(folder / "mask.nii.gz", phantom.labels)
    return CtPair("ct-phantom", str(folder / "ct.nii.gz"), str(folder / "mask.nii.gz"))


def test_variants_show_their_bodies_where_they_say(pair: CtPair) -> None:
    one = simulate_ct_volume(pair, 2)
    same, other = simulate_ct_volume(pair, 2), simulate_ct_volume(pair, 3)
    np.testing.assert_array_equal(one.volume.voxels, same.volume.voxels)
    assert one.volume.voxels.shape != other.volume.voxels.shape
    for variant in (one, other):
        assert {"L1", "L2"} <= set(variant.points_mm)
        for points in variant.points_mm.values():
            middle = points.mean(axis=0)
            up = points[1] - points[4]
            up = up / np.linalg.norm(up)
            inside = variant.volume.sample(middle + np.array([[0.0, 0, 0], [2, 0, 0]]))
            assert inside.mean() > 190
            assert variant.volume.sample(points[1] + 4 * up) < 140


def test_the_tables_and_where_they_go(tmp_path: Path) -> None:
    rows = coverage(cases(0.01, 40), SHAPE, SlabScales(0.5, 1.0, 1.0))
    told = {
        "fitted_on": "2 variants",
        "seeds": [0, 1],
        "cts": {
            "a": {
                "variants": 2,
                "voxels_mm": [1.25, 3.0],
                "bodies": 40,
                "found": 40,
                "named_right": 38,
                "point_median_mm": 0.5,
                "point_p95_mm": 1.2,
            }
        },
        "scales_of_the_other_cts_hold": {"a": rows},
        "scales_used_hold": {"a": rows},
        "films_model_holds": {"a": rows},
    }
    made = SlabCalibration(SHAPE, {"a": SlabScales(0.5, 1.0, 1.0)}, 0.1, told)
    text = slab_markdown(made)
    assert "| a | 2; 1.25 to 3 | 40 of 40; 38 | 0.50; 1.2 mm | 0.50, 1.00, 1.00; 1.00 |" in text
    assert "a 240 points, 40 heights of each kind" in text
    page = tmp_path / "page.md"
    page.write_text(f"before\n{START}old\n{END}after\n")
    fill_between(page, text)
    assert page.read_text() == f"before\n{START}{text}{END}after\n"
    with pytest.raises(InputError, match="expected the marks"):
        fill_between(tmp_path / "none.md", text) if (tmp_path / "none.md").write_text("x") else 0
    assert replace(made, point_sd=0.2).label != made.label
