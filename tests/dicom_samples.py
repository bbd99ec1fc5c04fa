"""Films as DICOM files with a reading made from what is known of them, and outside checkers."""

import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from endplate.datasets.coco import read_annotations
from endplate.geometry.measure import measure
from endplate.imaging.read import read_radiograph
from endplate.study.reading import Quality, Reader, Reading, Reason, Source

SAMPLE: Final = Path(str(resources.files("endplate.infer"))) / "sample.dcm"
_TRUTH: Final = Path(__file__).parent / "data" / "sample-truth.json"
_SPREAD: Final = np.diag(np.tile([2.0, 3.0], 6)) + np.kron(np.eye(6), np.full((2, 2), 0.5))


def make_film(path: Path, **elements: Any) -> Path:
    """The sample film, uncompressed, with some elements set, or taken out where None."""
    ds = dcmread(SAMPLE)
    ds.decompress()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in elements.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)
    return path


def make_reading(path: Path) -> Reading:
    """A reading of a film that `make_film` made, from the known points of the sample."""
    film = read_radiograph(path)
    truth = read_annotations(_TRUTH)[0]
    vertebrae = tuple(
        replace(
            v,
            covariance=_SPREAD * (1.0 + 0.1 * i),
            level_probability=0.98 - 0.01 * i,
            confidence=0.9,
            cement=v.level == "L1",
        )
        for i, v in enumerate(truth.vertebrae)
        if v.level in ("T12", "L1", "L2", "L5", "S1")  # few, for speed
    )
    return Reading(
        id=f"reading of {film.instance_uid}",
        created="2026-01-02T03:04:05+00:00",
        reader=Reader("model", "endplate", "0.1.0", "ab" * 32),
        source=Source(
            path=path.name,
            sha256=film.sha256,
            rows=film.rows,
            columns=film.columns,
            modality=film.modality,
            study_uid=film.study_uid,
            series_uid=film.series_uid,
            instance_uid=film.instance_uid,
            patient_id=film.patient_id,
            study_date=film.study_date,
            view="lateral",
            facing="left",
            position="recumbent",
        ),
        calibration=film.calibration,
        quality=Quality("flagged", (Reason("level_uncertain", "The names: may be off."),)),
        vertebrae=vertebrae,
        measurements=measure(vertebrae, film.calibration, index_level="L1"),
    )


def tool(name: str, package: str) -> str:
    """Path of a program; the test is skipped without it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} (Debian package {package})")
    return found


def complaints(path: Path, warnings: bool = True) -> list[str]:
    """What dciodvfy and, for presentation states, dcmpschk hold against a file.

    Not counted: that dciodvfy does not know schemes of codes other than the standard's, which
    the standard allows under names that begin with 99, and that dcmpschk does not check UTF-8.
    """
    lines = _lines(tool("dciodvfy", "dicom3tools"), path)
    kinds = ("Error", "Abort", "Warning") if warnings else ("Error", "Abort")
    checked = [x for x in lines if x.startswith(kinds)]
    out = [x for x in checked if "defined term <99ENDPLATE>" not in x]
    if dcmread(path, stop_before_pixels=True).Modality == "PR":
        lines = _lines(tool("dcmpschk", "dcmtk"), path)
        out += [x for x in lines if x.startswith(("E:", "F:"))]
        if not any("Test passed" in x for x in lines):
            out.append("dcmpschk: not passed")
    return out


def _lines(program: str, path: Path) -> list[str]:
    done = subprocess.run(
        [program, str(path)], capture_output=True, text=True, errors="replace", timeout=60
    )
    return (done.stdout + done.stderr).splitlines()
