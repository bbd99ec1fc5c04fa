"""DICOM results of batches: while films are read, afterwards, from archives, pseudonymous."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom import dcmread

pytest.importorskip("highdicom", reason="needs the extra dicom")

from endplate.errors import InputError, MissingDependency
from endplate.imaging.pseudonyms import load_key
from endplate.infer.batch import results as batch_results
from endplate.infer.batch.sink import open_sink
from endplate.infer.batch.task import CellSetup, Task
from endplate.infer.cli import main
from endplate.infer.dicom_results import dicom_builders
from endplate.reports.dicom.readback import read_sr
from endplate.reports.reading_json import reading_text
from endplate.study.reading import Reading
from endplate.study.serialise import reading_from_dict

from ..dicom_samples import complaints
from .batch_export import film
from .batch_fake_reader import NASTY
from .test_batch import run, table

#: One worker that no busy machine makes too slow.
_CALM: Any = {"workers": 1, "time_limit": 600.0, "overlays": False}

pytestmark = pytest.mark.usefixtures("fake_reader")


@pytest.fixture
def fake_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers import the fake reader."""
    folder = tmp_path / "modules"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("batch_fake_reader.py"), folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Two films, one of them in an archive, a frontal one, and a picture without identity."""
    root = tmp_path / "export"
    root.mkdir()
    (root / "a").write_bytes(film(1))
    with zipfile.ZipFile(root / "b.zip", "w") as archive:
        archive.writestr("in", film(2))
    (root / "c").write_bytes(film(3, NASTY["frontal"]))
    picture = np.arange(220 * 160, dtype=np.uint16).reshape(220, 160)
    (root / "d.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return root


def written(output: Path) -> list[str]:
    return sorted(p.name for p in (output / "dicom").rglob("*.dcm"))


def reading(output: Path, number: int) -> Reading:
    path = output / "readings" / "0000" / f"{number:07d}.json"
    return reading_from_dict(json.loads(path.read_text()), path.name)


def test_results_are_written_while_films_are_read(export: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(export, out, results=("sr", "gsps", "sc"), uid_root="1.2.3", **_CALM)
    names = [f"000000{i}-{kind}.dcm" for i in (1, 2) for kind in ("gsps", "sc", "sr")]
    assert written(out) == names
    rows = {row["path"]: row["dicom"] for row in table(out / "films.csv")}
    assert rows.pop("d.png") == "it is no DICOM file, to which results could refer"
    assert rows == {"a": "sr gsps sc", "b.zip/in": "sr gsps sc"}
    assert any("lack DICOM results" in note for note in result.notes)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["dicom_results"] == {"gsps": 2, "sc": 2, "sr": 2}
    files = [out / "dicom" / "0000" / name for name in names]
    assert [complaints(path, warnings=False) for path in files[:3]] == [[], [], []]
    source = dcmread(export / "a")
    for path in files[:3]:
        made = dcmread(path)
        assert made.StudyInstanceUID == source.StudyInstanceUID
        assert made.PatientID == source.PatientID
        assert made.SOPInstanceUID.startswith("1.2.3.")
    again, expected = read_sr(files[2]), reading(out, 1)
    assert again.id == expected.id
    assert again.source.instance_uid == source.SOPInstanceUID
    for ours, theirs in zip(expected.vertebrae, again.vertebrae, strict=True):
        np.testing.assert_allclose(theirs.points, ours.points, atol=2e-3)


def test_results_are_added_to_a_finished_batch(export: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(export, out, **_CALM)
    assert written(out) == []
    run(export, out, resume=True, results=("gsps",), **_CALM)
    assert written(out) == ["0000001-gsps.dcm", "0000002-gsps.dcm"]
    with pytest.raises(InputError, match="another root of identifiers"):
        run(export, out, resume=True, results=("sc",), uid_root="1.2.3", **_CALM)
    (export / "a").write_bytes(film(7))
    run(export, out, resume=True, results=("gsps", "sc"), **_CALM)
    rows = {row["path"]: row["dicom"] for row in table(out / "films.csv")}
    assert rows["a"] == "gsps; the file is not the one that was read"
    assert rows["b.zip/in"] == "gsps sc"
    assert complaints(out / "dicom" / "0000" / "0000002-sc.dcm", warnings=False) == []


def test_pseudonymous_results_belong_to_the_films_without_identity(
    export: Path, tmp_path: Path
) -> None:
    pytest.importorskip("dicomanonymizer", reason="needs the extra privacy")
    key = tmp_path / "key"
    load_key(key)
    out = tmp_path / "out"
    run(export, out, pseudonymise=True, key=key, results=("sr",), **_CALM)
    run(export, out, pseudonymise=True, key=key, resume=True, results=("gsps",), **_CALM)
    assert (
        main(["pseudonymise", str(export), "-o", str(tmp_path / "films"), "--key", str(key)]) == 0
    )
    films = {f.SOPInstanceUID: f for f in map(dcmread, (tmp_path / "films").rglob("*.dcm"))}
    for path in (out / "dicom").rglob("*.dcm"):
        made = dcmread(path)
        text = str(made)
        assert "1.2.9." not in text
        assert "P1" not in text.replace("T1", "")
        copies = [f for uid, f in films.items() if uid in text]
        assert len(copies) == 1, path
        assert made.StudyInstanceUID == copies[0].StudyInstanceUID
        assert made.PatientID == made.PatientName == copies[0].PatientID
        assert made.StudyDate == copies[0].StudyDate
    assert len(written(out)) == 4


def test_what_is_missing_is_said_at_once(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endplate.infer.dicom_results.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"endplate\[dicom\]"):
        run(export, tmp_path / "out", results=("sr",))
    assert not (tmp_path / "out").exists()


def test_a_fault_of_one_object_costs_neither_the_others_nor_the_reading(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*given: Any) -> Any:
        def fail() -> Any:
            raise ValueError("something unforeseen")

        return [(k, fail if k == "sr" else build) for k, build in dicom_builders(*given)]

    monkeypatch.setattr(batch_results, "dicom_builders", faulty)
    out = tmp_path / "out"
    run(export, out, **_CALM)
    setup = CellSetup(output=str(out), created="", results=("sr", "gsps"))
    results = batch_results.FilmResults(setup, open_sink(str(out)), None)
    task, read = Task(1, "a", str(export / "a")), reading(out, 1)
    found = results.write(task, read, reading_text(read), lambda: np.zeros((1, 1, 3), np.uint8))
    assert found["written"] == ["gsps"]
    assert found["note"] == "ValueError: something unforeseen"
