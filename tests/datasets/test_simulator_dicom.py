"""Simulated films as DICOM, and the sample that comes with the package."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

import endplate.infer
from endplate.datasets.coco import read_annotations
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.simulator.api import simulate_film
from endplate.datasets.simulator.dicom import write_dicom
from endplate.datasets.simulator.sample import sample_film
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.errors import InputError, UnknownName

TRUTH = Path(__file__).resolve().parents[1] / "data" / "sample-truth.json"


@pytest.fixture(scope="module")
def film() -> AnnotatedFilm:
    return simulate_film(21, SimulatorSettings(mm_per_pixel=1.0, bits=16))


@pytest.mark.parametrize("compression", ["none", "jpegls", "rle"])
def test_pixels_and_calibration_come_back(film, compression, tmp_path) -> None:  # type: ignore[no-untyped-def]
    write_dicom(film, tmp_path / "a.dcm", compression)
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    assert np.array_equal(ds.pixel_array, film.image)
    spacing = float(ds.ImagerPixelSpacing[0]) / float(ds.EstimatedRadiographicMagnificationFactor)
    assert spacing == pytest.approx(film.spacing_mm[0], rel=1e-4)
    assert ds.PatientOrientation[0] == ("A" if film.facing == "right" else "P")
    assert ds.Modality == "DX"


def test_the_same_film_gives_the_same_file(film, tmp_path) -> None:  # type: ignore[no-untyped-def]
    write_dicom(film, tmp_path / "a.dcm")
    write_dicom(film, tmp_path / "b.dcm")
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def test_eight_bits_can_be_written_too(tmp_path) -> None:  # type: ignore[no-untyped-def]
    film = simulate_film(22, SimulatorSettings(mm_per_pixel=1.0))
    write_dicom(film, tmp_path / "a.dcm")
    assert np.array_equal(pydicom.dcmread(tmp_path / "a.dcm").pixel_array, film.image)


def test_what_cannot_be_written_is_named(film, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnknownName, match="jpegls"):
        write_dicom(film, tmp_path / "a.dcm", "zip")  # type: ignore[arg-type]
    bare = AnnotatedFilm(film.image, (), "x.png", "x")
    with pytest.raises(InputError, match="spacing"):
        write_dicom(bare, tmp_path / "a.dcm")


def test_the_bundled_sample_is_the_one_that_the_simulator_makes() -> None:
    made = sample_film()
    (package,) = endplate.infer.__path__
    ds = pydicom.dcmread(Path(package) / "sample.dcm")
    assert np.abs(ds.pixel_array.astype(int) - made.image.astype(int)).mean() < 8
    (truth,) = read_annotations(TRUTH)
    assert [v.level for v in truth.vertebrae] == [v.level for v in made.vertebrae]
    for a, b in zip(truth.vertebrae, made.vertebrae, strict=True):
        np.testing.assert_allclose(a.points, b.points, atol=0.01)


def test_the_sample_shows_its_fracture() -> None:
    made = sample_film()
    levels = [v.level for v in made.vertebrae]
    assert levels[0] == "T9"
    assert levels[-1] == "S1"
    (fracture,) = made.attributes["fractures"]
    assert fracture["level"] == "L1"
    assert fracture["wedge_deg"] == pytest.approx(15.0, abs=0.7)
    l1, t12, l2 = (next(v for v in made.vertebrae if v.level == x) for x in ("L1", "T12", "L2"))
    heights = [float(np.hypot(*(v.points[5] - v.points[0]))) for v in (t12, l1, l2)]
    assert 1 - 2 * heights[1] / (heights[0] + heights[2]) == pytest.approx(0.30, abs=0.05)
