"""Deflated files and archives: read like any other, and never without a bound."""

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid

from endplate.errors import InputError, UnreadableImage
from endplate.imaging import parse, scan_archive
from endplate.imaging.ct.files import study_files
from endplate.imaging.ct.slices import scan_slices
from endplate.imaging.parse import parse_dicom, parse_header, parse_header_file

from .ct_factory import ct_slice, ramp
from .factory import dicom_bytes, radiograph

DEFLATED = uid.DeflatedExplicitVRLittleEndian
TAGS = ("SOPInstanceUID", "Rows", "PixelData")


def film(deflated: bool, size: int = 200) -> bytes:
    ds = radiograph(np.zeros((size, size), np.uint16))
    return dicom_bytes(ds, DEFLATED if deflated else uid.ExplicitVRLittleEndian)


def test_deflated_or_not_is_the_same_data_set(tmp_path):
    plain, packed = parse_dicom(film(False), "a"), parse_dicom(film(True), "a")
    assert len(film(True)) < len(film(False)) / 10
    assert packed == plain
    assert packed.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert "Modality" in plain
    path = tmp_path / "film.dcm"
    for deflated in (False, True):
        path.write_bytes(film(deflated))
        for header in (parse_header(film(deflated), TAGS), parse_header_file(path, TAGS)):
            assert [e.keyword for e in header] == ["SOPInstanceUID", "Rows"]
            assert header.SOPInstanceUID == plain.SOPInstanceUID
        assert parse_header(film(deflated)).Modality == plain.Modality


def test_a_header_costs_no_more_than_a_header(tmp_path, monkeypatch):
    monkeypatch.setattr(parse, "_MAX_HEADER_BYTES", 1 << 20)
    bomb = film(True, 6000)  # 72 MB of zeros in 72 kB
    assert len(bomb) < 100_000
    path = tmp_path / "bomb.dcm"
    path.write_bytes(bomb)
    for read in (lambda: parse_header(bomb, TAGS), lambda: parse_header_file(path, TAGS)):
        tracemalloc.start()
        try:
            assert read().Rows == 6000
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
    monkeypatch.setattr(parse, "MAX_FILE_BYTES", 1 << 20)
    with pytest.raises(UnreadableImage, match=r"bomb.dcm: inflates to more"):
        parse_dicom(bomb, "bomb.dcm")


def zipped(path: Path, count: int, deflated: bool = False) -> Path:
    volume = ramp(count)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(count):
            syntax = DEFLATED if deflated else uid.ExplicitVRLittleEndian
            archive.writestr(f"{k}.dcm", dicom_bytes(ct_slice(volume[k], k), syntax))
    return path


@pytest.mark.parametrize("deflated", [False, True])
def test_slices_of_an_archive_are_found(tmp_path, deflated):
    slices, left = scan_slices(study_files(zipped(tmp_path / "ct.zip", 5, deflated)))
    assert (len(slices), left) == (5, [])


def test_an_archive_that_bursts_is_left(tmp_path, monkeypatch):
    path = zipped(tmp_path / "ct.zip", 5)
    monkeypatch.setattr(scan_archive, "_FREE_BYTES", 0)
    monkeypatch.setattr(scan_archive, "_MOST_RATIO", 1)
    with pytest.raises(InputError, match=r"ct.zip: The archive unpacks to more than 1 times"):
        scan_slices(study_files(path))


def test_members_that_share_bytes_are_refused(tmp_path):
    path = zipped(tmp_path / "ct.zip", 2)
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.infolist()[0]
        for k in range(300):
            twin = zipfile.ZipInfo(f"twin-{k}.dcm")
            for name in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(twin, name, getattr(first, name))
            archive.filelist.append(twin)
        archive.NameToInfo["x"] = first
        archive._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(UnreadableImage, match="overlap"):
        study_files(path)


def test_a_damaged_archive_is_said_to_be_damaged(tmp_path):
    path = zipped(tmp_path / "ct.zip", 3)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at : at + 4] = b"PKxx"
    path.write_bytes(bytes(data))
    with pytest.raises(UnreadableImage, match=r"ct.zip"):
        study_files(path)
