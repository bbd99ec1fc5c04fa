"""The calibration decision, branch by branch."""

import math

import pytest

from endplate.errors import InputError
from endplate.geometry.calibration import Calibration
from endplate.imaging.calibrate import SpacingTags, calibrate

FILM = {"rows": 2800, "columns": 1600}
IMAGER = (0.143, 0.143)


def decide(**tags: object) -> Calibration:
    return calibrate(SpacingTags(**{**FILM, **tags}))[0]  # type: ignore[arg-type]


def notes(**tags: object) -> str:
    return " ".join(calibrate(SpacingTags(**{**FILM, **tags}))[1])  # type: ignore[arg-type]


def test_user_wins_over_every_tag() -> None:
    tags = SpacingTags(pixel_spacing=(0.1, 0.1), calibration_type="FIDUCIAL", imager_spacing=IMAGER)
    assert calibrate(tags, (0.2, 0.3)) == (Calibration((0.2, 0.3), "user"), ())


@pytest.mark.parametrize(
    "given",
    [
        (0.0, 0.2),
        (0.2, -0.2),
        (math.nan, 0.2),
        (math.inf, 0.2),
        (143.0, 143.0),
        (1e-5, 1e-5),
        (0.1, 3.0),
        (0.2,),
        (0.1, 0.2, 0.3),
        "ab",
        None,
    ],
)
def test_absurd_user_spacing_is_an_input_error(given: object) -> None:
    if given is None:
        given = (None, None)
    with pytest.raises(InputError, match="cannot be one"):
        calibrate(SpacingTags(), given)  # type: ignore[arg-type]


def test_fiducial_pixel_spacing() -> None:
    found = decide(pixel_spacing=(0.12, 0.12), calibration_type="FIDUCIAL", imager_spacing=IMAGER)
    assert found == Calibration((0.12, 0.12), "fiducial")


def test_geometry_pixel_spacing_carries_the_magnification() -> None:
    found = decide(pixel_spacing=(0.11, 0.11), calibration_type="GEOMETRY", imager_spacing=IMAGER)
    assert (found.spacing_mm, found.source) == ((0.11, 0.11), "geometry")
    assert found.magnification == pytest.approx(1.3)
    assert decide(pixel_spacing=(0.11, 0.11), calibration_type="geometry").source == "geometry"


def test_geometry_equal_to_the_detector_is_not_corrected() -> None:
    found = decide(
        pixel_spacing=(0.1433, 0.143), calibration_type="GEOMETRY", imager_spacing=IMAGER
    )
    assert found == Calibration(IMAGER, "detector")


def test_estimated_magnification_divides_the_detector_spacing() -> None:
    found = decide(imager_spacing=(0.13, 0.26), pixel_spacing=(0.13, 0.26), magnification=1.3)
    assert found.source == "magnification"
    assert found.spacing_mm == pytest.approx((0.1, 0.2))
    assert found.magnification == 1.3


def test_magnification_from_distances_with_its_doubt() -> None:
    tags = {"imager_spacing": IMAGER, "source_to_detector": 1500.0, "source_to_patient": 1250.0}
    found = decide(**tags)
    assert found.source == "magnification"
    assert found.spacing_mm == pytest.approx((0.143 / 1.2, 0.143 / 1.2))
    assert found.magnification == pytest.approx(1.2)
    assert "5 %" in notes(**tags)


@pytest.mark.parametrize("factor", [0.0, -1.3, 0.7, 130.0, math.nan, math.inf])
def test_impossible_magnification_is_ignored_with_a_note(factor: float) -> None:
    assert decide(imager_spacing=IMAGER, magnification=factor) == Calibration(IMAGER, "detector")
    assert "MagnificationFactor" in notes(imager_spacing=IMAGER, magnification=factor)


def test_magnification_of_one_means_not_estimated() -> None:
    assert decide(imager_spacing=IMAGER, magnification=1.0).source == "detector"
    assert notes(imager_spacing=IMAGER, magnification=1.0) == ""


def test_impossible_distances_are_ignored_with_a_note() -> None:
    tags = {"imager_spacing": IMAGER, "source_to_detector": 1000.0, "source_to_patient": 1200.0}
    assert decide(**tags).source == "detector"
    assert "distances" in notes(**tags)
    assert decide(imager_spacing=IMAGER, source_to_detector=1996.0).source == "detector"
    assert decide(**{**tags, "source_to_patient": math.nan}).source == "detector"


def test_detector_spacing_alone_or_repeated_as_pixel_spacing() -> None:
    assert decide(imager_spacing=IMAGER) == Calibration(IMAGER, "detector")
    assert decide(imager_spacing=IMAGER, pixel_spacing=IMAGER).source == "detector"
    assert decide(scanned_spacing=(0.17, 0.17)) == Calibration((0.17, 0.17), "detector")


def test_pixel_spacing_of_unrecorded_origin() -> None:
    assert decide(pixel_spacing=(0.2, 0.2)) == Calibration((0.2, 0.2), "unknown")
    assert notes(pixel_spacing=(0.2, 0.2)) == ""
    differing = {"pixel_spacing": (0.11, 0.11), "imager_spacing": IMAGER}
    assert decide(**differing) == Calibration((0.11, 0.11), "unknown")
    assert "how it was calibrated" in notes(**differing)


@pytest.mark.parametrize(
    "spacing", [(0.0, 0.0), (0.0, 0.2), (-0.2, -0.2), (math.nan, 0.2), (math.inf, math.inf)]
)
def test_impossible_spacing_is_refused_but_the_film_stays_usable(
    spacing: tuple[float, float],
) -> None:
    for kind in ("", "FIDUCIAL", "GEOMETRY"):
        tags = {"pixel_spacing": spacing, "calibration_type": kind}
        assert decide(**tags) == Calibration(None, "none")
        assert "PixelSpacing" in notes(**tags)


def test_spacing_in_the_wrong_unit_still_gives_the_aspect() -> None:
    assert decide(pixel_spacing=(200.0, 100.0)) == Calibration(None, "none", aspect=2.0)


def test_spacing_that_makes_an_impossible_film_is_refused() -> None:
    assert decide(pixel_spacing=(1.0, 1.0)).spacing_mm is None
    assert "2800 mm" in notes(pixel_spacing=(1.0, 1.0))
    assert decide(rows=100, columns=90, pixel_spacing=(0.1, 0.1)).spacing_mm is None
    assert decide(rows=0, columns=0, pixel_spacing=(1.0, 1.0)).source == "unknown"


def test_refused_pixel_spacing_falls_back_to_the_detector() -> None:
    tags = {"pixel_spacing": (0.0, 0.0), "calibration_type": "FIDUCIAL", "imager_spacing": IMAGER}
    assert decide(**tags) == Calibration(IMAGER, "detector")


def test_nothing_known() -> None:
    assert decide() == Calibration(None, "none")
    assert notes() == ""


def test_aspect_without_spacing() -> None:
    found = decide(aspect_ratio=(4.0, 3.0))
    assert found.spacing_mm is None
    assert found.scale_xy == (1.0, pytest.approx(4 / 3))  # type: ignore[comparison-overlap]
    assert "without a spacing" in notes(aspect_ratio=(4.0, 3.0))
    for bad in ((0.0, 1.0), (math.nan, 1.0), (100.0, 1.0), (-4.0, -3.0)):
        assert decide(aspect_ratio=bad) == Calibration(None, "none")
        assert "PixelAspectRatio" in notes(aspect_ratio=bad)
