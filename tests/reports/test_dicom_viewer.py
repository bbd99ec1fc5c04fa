"""Results in viewers of others: lines and names must lie on the bodies that they speak of."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread

from endplate.geometry.levels import POINTS
from endplate.infer.dicom_results import write_dicom_results
from endplate.study.reading import Reading

from ..dicom_samples import make_film, make_reading, tool

_SCOPE = Path("/usr/share/java/DICOMscope.jar")
_RENDER = Path(__file__).parents[1] / "data" / "DicomscopeRender.java"
Picture = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A black film, on which nothing is bright but what is drawn."""
    path = make_film(tmp_path_factory.mktemp("film") / "film.dcm")
    ds = dcmread(path)
    ds.PixelData = bytes(len(ds.PixelData))
    ds.save_as(path)
    return path


@pytest.fixture(scope="module")
def reading(film: Path) -> Reading:
    return make_reading(film)


@pytest.fixture(scope="module")
def state(film: Path, reading: Reading) -> Path:
    (path,) = write_dicom_results(reading, film, film.parent, kinds=["gsps"])
    return path


@pytest.fixture(scope="module")
def shown(film: Path, state: Path) -> Picture:
    """What DICOMscope, which was made to show what presentation states are, shows of it."""
    java, xvfb = tool("java", "default-jdk-headless"), tool("xvfb-run", "xvfb, xauth")
    if not _SCOPE.exists():
        pytest.skip("needs DICOMscope (Debian package dicomscope)")
    folder = film.parent
    for name in ("db", "log", "spool"):
        (folder / name).mkdir()
    settings = folder / "scope.cfg"
    settings.write_text(
        f"[[GENERAL]]\n[APPLICATION]\nLogDirectory = {folder}/log\nLogFile = general.log\n"
        f"[MONITOR]\nResolution = 2000\\2000\nScreensize = 400\\400\n"
        f"[DATABASE]\nDirectory = {folder}/db\n[PRINT]\nDirectory = {folder}/spool\n"
        "[LUT]\nDirectory = /usr/share/dicomscope/lut\n"
    )
    header = dcmread(film, stop_before_pixels=True)
    picture = folder / "shown.png"
    command = [xvfb, "-a", java, "-cp", _SCOPE, _RENDER, settings, film, state, picture]
    done = subprocess.run(
        [*map(str, command), str(header.Columns), str(header.Rows)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    image = cv2.imread(str(picture), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert image.shape == (header.Rows, header.Columns)
    return image.astype(np.uint8)


def near(shown: Picture, points: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.bool_]:
    """Whether something is drawn within `reach` pixels of each point."""
    side = 2 * reach + 1
    grown = cv2.dilate((shown > 128).astype(np.uint8), np.ones((side, side), np.uint8))
    x, y = np.round(points).astype(int).T
    return np.asarray(grown[y, x] > 0)


def along(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points at every pixel of a polyline."""
    parts = [np.linspace(a, b, int(np.hypot(*(b - a))) + 1) for a, b in pairwise(points)]
    return np.vstack(parts)


def test_a_viewer_draws_the_outlines_on_the_bodies(shown: Picture, reading: Reading) -> None:
    for vertebra in reading.vertebrae:
        points = np.array([vertebra.point(name) for name in POINTS if vertebra.has(name)])
        if len(points) == len(POINTS):
            points = np.vstack([points, points[:1]])
        assert near(shown, along(points), 2).all(), vertebra.level
        inside = points.mean(axis=0, keepdims=True)
        if len(points) > 3:
            assert not near(shown, inside, 10).any(), vertebra.level


def test_a_viewer_writes_each_name_beside_its_body(
    shown: Picture, state: Path, reading: Reading
) -> None:
    rows, columns = shown.shape
    texts = {
        t.UnformattedTextValue.strip("<>"): t
        for a in dcmread(state).GraphicAnnotationSequence
        for t in a.get("TextObjectSequence", ())
    }
    for vertebra in reading.vertebrae:
        text = texts[vertebra.level]
        (left, top), (right, bottom) = (
            text.BoundingBoxTopLeftHandCorner,
            text.BoundingBoxBottomRightHandCorner,
        )
        assert 0 <= left < right <= columns
        assert 0 <= top < bottom <= rows
        seen = vertebra.points[np.isfinite(vertebra.points[:, 1])]
        letters = shown[round(top) : round(bottom), round(left) : round(right)] > 128
        assert letters.sum() > 20, vertebra.level
        if len(seen) > 3:
            middle = round(top) + np.nonzero(letters)[0].mean()
            assert seen[:, 1].min() < middle < seen[:, 1].max(), vertebra.level


def test_dcmtk_shows_the_film_as_the_state_says(film: Path, state: Path, tmp_path: Path) -> None:
    program = tool("dcmp2pgm", "dcmtk")
    sample = make_film(tmp_path / "film.dcm")
    (of_sample,) = write_dicom_results(make_reading(sample), sample, tmp_path, kinds=["gsps"])
    done = subprocess.run(
        [program, "-p", of_sample, sample, tmp_path / "shown.pgm"], capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    image = cv2.imread(str(tmp_path / "shown.pgm"), cv2.IMREAD_GRAYSCALE)
    stored = dcmread(sample).pixel_array
    assert image is not None
    assert image.shape == stored.shape
    assert np.corrcoef(image.ravel()[::97], stored.ravel()[::97])[0, 1] > 0.99


def test_the_ohif_viewer_shows_the_report_on_the_film(tmp_path: Path) -> None:
    """Where its published build is (`npm pack @ohif/app`, unpacked) says ENDPLATE_OHIF."""
    viewer = os.environ.get("ENDPLATE_OHIF")
    if not viewer:
        pytest.skip("needs the OHIF viewer: set ENDPLATE_OHIF to package/dist of @ohif/app")
    pytest.importorskip("playwright")
    tool("Orthanc", "orthanc")
    tool("chromium", "chromium")
    script = Path(__file__).parents[2] / "scripts" / "show_in_ohif.py"
    command = [sys.executable, script, "--viewer", viewer, "-o", tmp_path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of the outlines in the report are drawn" in done.stdout


def test_dcmtk_shows_the_report_with_names_and_numbers(
    film: Path, reading: Reading, tmp_path: Path
) -> None:
    program = tool("dsr2html", "dcmtk")
    (report,) = write_dicom_results(reading, film, tmp_path, kinds=["sr"])
    page = tmp_path / "report.html"
    done = subprocess.run([program, report, page], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = page.read_text("utf-8")
    value = next(
        m.value
        for m in reading.measurements
        if (m.name, m.level) == ("vertebral_kyphosis_deg", "L1")
    )
    told = rf"Vertebral kyphosis:</b>\s*<br>\s*(<span[^>]*>)?{round(value, 4)} deg"
    assert re.search(told, shown)
