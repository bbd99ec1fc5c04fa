"""Pseudonyms and files without identity."""

import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from endplate.errors import InputError
from endplate.imaging.pseudonyms import Pseudonyms, load_key
from endplate.imaging.read import read_radiograph

from .factory import dicom_bytes, grey_ramp, radiograph

_KEY = bytes(range(32))


def test_pseudonyms_are_stable_and_differ() -> None:
    hidden, other = Pseudonyms(_KEY), Pseudonyms(bytes(32))
    assert hidden.subject("P1") == Pseudonyms(_KEY).subject("P1") == "S-8H1NCZZF3SM3"
    assert len({hidden.subject(f"P{i}") for i in range(1000)}) == 1000
    assert hidden.subject("P1") != other.subject("P1")
    assert hidden.subject("") == ""
    assert hidden.uid("1.2.3").startswith("2.25.")
    assert len(hidden.uid("1.2.3")) <= 64
    assert hidden.uid("") == ""


@given(st.dates(date(1950, 1, 1)), st.dates(date(1950, 1, 1)), st.text(max_size=20))
def test_intervals_stay_true(first: date, second: date, patient: str) -> None:
    hidden = Pseudonyms(_KEY)
    a, b = (date.fromisoformat(hidden.date(d.strftime("%Y%m%d"), patient)) for d in (first, second))
    assert b - a == second - first
    assert a <= first


def test_what_is_no_date_is_dropped() -> None:
    hidden = Pseudonyms(_KEY)
    for text in ("", "2024", "20241350", "yesterday", "00010101"):
        assert hidden.date(text, "P1") == ""
    assert hidden.date("20240131101112.5", "P1")[8:] == "101112.5"


def test_keys(tmp_path: Path) -> None:
    key = load_key(tmp_path / "key")
    assert load_key(tmp_path / "key") == key
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    (tmp_path / "bad").write_text("no key")
    (tmp_path / "short").write_text("abcd")
    for name in ("bad", "short", "no/such/folder"):
        with pytest.raises(InputError):
            load_key(tmp_path / name)


def identified() -> Dataset:
    ds = radiograph(
        grey_ramp(70, 80),
        PatientID="SECRET-1",
        PatientName="Secret^Name",
        PatientBirthDate="19500203",
        StudyDate="20240131",
        AcquisitionTime="101112",
        InstitutionName="Secret Hospital",
        ReferringPhysicianName="Secret^Doctor",
        AccessionNumber="SECRET-2",
        StudyDescription="Secret words",
        ImagerPixelSpacing=[2.0, 2.0],
    )
    inner = Dataset()
    inner.PatientID, inner.PatientName = "SECRET-1", "Secret^Name"
    inner.ReferencedSOPInstanceUID = "1.2.3.4.5"
    outer = Dataset()
    outer.PerformedStationNameCodeSequence = Sequence([inner])
    outer.OperatorsName = "Secret^Operator"
    ds.ViewCodeSequence = Sequence([outer])
    block = ds.private_block(0x0009, "SECRET MAKER", create=True)
    block.add_new(1, "LO", "SECRET-3")
    return ds


def test_files_lose_identity_and_keep_the_film(tmp_path: Path) -> None:
    pytest.importorskip("dicomanonymizer", reason="needs the extra privacy")
    from endplate.imaging.pseudonymise import pseudonymise

    hidden = Pseudonyms(_KEY)
    before = dcmread(io.BytesIO(dicom_bytes(identified())))
    after = pseudonymise(before, hidden)
    assert before.PatientID == "SECRET-1"
    assert after.PatientID == after.PatientName == hidden.subject("SECRET-1")
    assert after.StudyDate == hidden.date("20240131", "SECRET-1")
    assert after.AcquisitionTime == "101112"
    assert after.PatientBirthDate == ""
    assert after.StudyInstanceUID == hidden.uid("1.2.1")
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID == hidden.uid("1.2.3")
    assert after.SOPClassUID == before.SOPClassUID
    assert after.PatientIdentityRemoved == "YES"
    assert [c.CodeValue for c in after.DeidentificationMethodCodeSequence] == ["113100", "113107"]
    path = tmp_path / "film"
    after.save_as(path, enforce_file_format=True)
    content = path.read_bytes().lower()
    for secret in (b"secret", b"19500203", b"20240131", b"1.2.3.4.5"):
        assert secret not in content, secret
    film = read_radiograph(path)
    assert film.calibration.spacing_mm == (2.0, 2.0)
    (tmp_path / "original").write_bytes(dicom_bytes(identified()))
    assert (film.pixels == read_radiograph(tmp_path / "original").pixels).all()
