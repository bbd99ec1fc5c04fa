"""``endplate score --sr --gsps --sc``."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom import dcmread

from endplate.imaging.radiograph import Radiograph
from endplate.infer import cli_score
from endplate.infer.cli import main
from endplate.reports.dicom.readback import time_point_of_sr
from endplate.study.reading import Reading

from ..dicom_samples import make_film, make_reading


@pytest.fixture(autouse=True)
def fake_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Reader:
        def __init__(self, *weights: Any, **settings: Any) -> None:
            pass

        def read(self, radiograph: Radiograph, **wishes: Any) -> Reading:
            return make_reading(Path(radiograph.path))

    monkeypatch.setattr(cli_score, "FilmReader", Reader)
    monkeypatch.chdir(tmp_path)


def test_results_lie_beside_the_reading(capsys: pytest.CaptureFixture[str]) -> None:
    film = make_film(Path("film.dcm"))
    command = ["score", str(film), "--no-overlay", "--no-report", "-o", "out"]
    command += ["--sr", "--gsps", "--sc", "--uid-root", "1.2.3", "--time-point", "6 months"]
    assert main(command) == 0
    names = {p.name for p in Path("out").iterdir()}
    assert names == {"film.json", "film-sr.dcm", "film-gsps.dcm", "film-sc.dcm"}
    report = dcmread("out/film-sr.dcm")
    assert report.SOPInstanceUID.startswith("1.2.3.")
    assert time_point_of_sr(report) == "6 months"
    assert "film-sr.dcm" in capsys.readouterr().out


def test_wrong_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    film = make_film(Path("film.dcm"))
    assert main(["score", str(film), "--json", "-", "--sr"]) == 2
    assert "DICOM results need a folder: name it with -o" in capsys.readouterr().err
    assert main(["score", str(film), "--gsps", "--uid-root", "x", "-o", "out"]) == 2
    assert "UID root 'x'" in capsys.readouterr().err


def test_a_picture_that_is_no_dicom_file_has_nothing_to_refer_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = make_reading(make_film(Path("film.dcm")))
    cv2.imwrite("film.png", np.full((sample.source.rows, sample.source.columns), 99, np.uint8))

    def read(self: object, radiograph: Radiograph, **wishes: Any) -> Reading:
        return replace(sample, source=replace(sample.source, sha256=radiograph.sha256))

    monkeypatch.setattr("endplate.infer.cli_score.FilmReader.read", read)
    assert main(["score", "film.png", "--sr", "-o", "out"]) == 2
    assert "no DICOM result can refer to the film" in capsys.readouterr().err
