"""A DICOM film with full headers: from its reading to the structured report of what was signed."""

import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from endplate import infer
from endplate.imaging.read import read_radiograph
from endplate.infer.pipeline import FilmReader
from endplate.reports.reading_json import write_reading
from endplate.review.app import build_app
from endplate.review.assist import Assistant
from endplate.review.desk import Desk
from endplate.review.films import FilmShelf
from endplate.review.guard import GuardRules
from endplate.review.library import Library
from endplate.review.people import Doorkeeper, Person
from endplate.study.identity import without_identity

from .conftest import COOKIE, HOST, Browser, wire

SAMPLE = Path(str(infer.__file__)).with_name("sample.dcm")


@pytest.fixture(scope="module")
def reading():
    """The networks' reading of the bundled film."""
    return FilmReader(threads=1).read(read_radiograph(SAMPLE))


@pytest.mark.parametrize("keep_identity", [True, False])
def test_sr_of_a_signed_dicom_film(tmp_path, reading, keep_identity):
    pytest.importorskip("highdicom", reason="needs the extra dicom")
    import pydicom

    from endplate.reports.dicom.readback import read_sr

    film = tmp_path / "films" / "sample.dcm"
    film.parent.mkdir()
    shutil.copy(SAMPLE, film)
    (tmp_path / "out").mkdir()
    write_reading(
        tmp_path / "out" / "sample.json", reading if keep_identity else without_identity(reading)
    )
    library = Library(tmp_path / "out")
    desk = Desk(library, FilmShelf(library, [film.parent]), Assistant())
    door = Doorkeeper([Person("Dr Anna B", "reviewer")])
    app = build_app(desk, door, GuardRules(frozenset({HOST}), False, COOKIE))
    browser = Browser(app, door, "Dr Anna B", desk)
    (row,) = browser.films()
    path = f"/api/films/{row['key']}"
    shown = browser.get(path).json()
    assert shown["has_sr"]
    edit = wire(shown)
    edit["vertebrae"][3]["points"][0][1] += 6.0
    edit["index_level"] = edit["vertebrae"][3]["level"]
    signed = browser.post(f"{path}/sign", {**edit, "verdict": "accepted"})
    assert signed.status_code == 200, signed.text

    answer = browser.get(f"{path}/export/sr")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom"
    report = pydicom.dcmread(BytesIO(answer.content))
    source = pydicom.dcmread(film, stop_before_pixels=True)
    assert report.Modality == "SR"
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate"):
        assert report[name].value == source[name].value
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    instance = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert instance.ReferencedSOPInstanceUID == source.SOPInstanceUID

    packed = browser.get(f"{path}/export/all").content
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        assert sum(name.endswith("-sr.dcm") for name in archive.namelist()) == 1

    (tmp_path / "sr.dcm").write_bytes(answer.content)
    back = read_sr(tmp_path / "sr.dcm")
    (entry,) = library.entries()
    kept = library.reading(entry.current)
    assert (back.reader.kind, back.reader.name) == ("person", "Dr Anna B")
    assert back.vertebrae[3].points == pytest.approx(np.array(kept.vertebrae[3].points), abs=0.05)
    values = {(m.name, m.level): m.value for m in back.measurements}
    wanted = ("vertebral_kyphosis_deg", kept.vertebrae[3].level)
    expected = next(m.value for m in kept.measurements if (m.name, m.level) == wanted)
    assert values[wanted] == pytest.approx(expected, abs=0.01)
