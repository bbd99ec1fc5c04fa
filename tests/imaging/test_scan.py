"""Scanning exports: order, kinds of files, archives, links, damage, speed of the header walk."""

import io
import json
import os
import struct
import tarfile
import zipfile
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from endplate.errors import InputError
from endplate.imaging.scan import ScanPosition, scan
from endplate.imaging.scan_entry import Entry, FilmHeader
from endplate.imaging.scan_header import read_header

from .factory import code, dicom_bytes, grey_ramp, radiograph

_FILM = grey_ramp(70, 80)


def header_of(data: bytes) -> FilmHeader:
    return read_header(lambda at, size: data[at : at + size])


def by_path(root: Path, tmp_path: Path) -> dict[str, Entry]:
    found = list(scan(root, tmp_path / "unpacked"))
    assert len({e.path for e in found}) == len(found)
    return {e.path: e for e in found}


def codes(entries: dict[str, Entry]) -> dict[str, str]:
    return {path: e.fault.code if e.fault else e.kind for path, e in entries.items()}


def described(**elements: object) -> Dataset:
    view = code("399067008", "lateral projection")
    return radiograph(
        _FILM,
        BodyPartExamined="LSPINE",
        SeriesDescription="Rücken seitlich",
        SpecificCharacterSet="ISO_IR 192",
        AcquisitionDate="20240131",
        AcquisitionTime="101112",
        ViewCodeSequence=Sequence([view]),
        AnatomicRegionSequence=Sequence([code("421060004", "Spine")]),
        **elements,
    )


@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize(
    "syntax",
    [
        uid.ExplicitVRLittleEndian,
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    ],
)
def test_headers_are_read_in_every_encoding(syntax: str, undefined: bool, preamble: bool) -> None:
    ds = described()
    if undefined:
        for keyword in ("ViewCodeSequence", "AnatomicRegionSequence"):
            ds[keyword].is_undefined_length = True
            for item in ds[keyword].value:
                item.is_undefined_length_sequence_item = True
    if not preamble and syntax == uid.DeflatedExplicitVRLittleEndian:
        pytest.skip("a bare data set is never deflated")
    if syntax == uid.ExplicitVRBigEndian:
        ds["PixelData"].value = _FILM.byteswap().tobytes()
    found = header_of(dicom_bytes(ds, syntax, preamble=preamble))
    assert found.complete
    assert (found.rows, found.columns, found.frames) == (70, 80, -1)
    assert found.modality == "DX"
    assert found.sop_class == uid.DigitalXRayImageStorageForPresentation
    assert found.instance_uid == "1.2.3"
    assert found.view == "lateral projection"
    assert found.region == "Spine"
    assert found.acquired == "20240131 101112"
    assert found.series_description == "Rücken seitlich"


def test_long_private_elements_are_jumped_over() -> None:
    ds = described()
    block = ds.private_block(0x0009, "TEST", create=True)
    block.add_new(1, "OB", bytes(3_000_000))
    fetched = []
    data = dicom_bytes(ds)

    def fetch(at: int, size: int) -> bytes:
        fetched.append(size)
        return data[at : at + size]

    assert read_header(fetch).rows == 70
    assert sum(fetched) < 100_000


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damaged_headers_never_fail(data: st.DataObject) -> None:
    clean = bytearray(dicom_bytes(described()))
    for _ in range(data.draw(st.integers(1, 8))):
        clean[data.draw(st.integers(132, 1400))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 2000))
    header_of(bytes(clean))
    header_of(bytes(clean[:cut]))


def test_endless_sequences_end() -> None:
    head = dicom_bytes(described())[:400]
    opened = struct.pack("<HH2sHI", 8, 0x1110, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    assert not header_of(head[:132] + (opened + item) * 10_000).complete
    calls = 0

    def fetch(at: int, size: int) -> bytes:
        nonlocal calls
        calls += 1
        return (item * (size // 8 + 1))[:size] if at else head[:132] + opened

    assert not read_header(fetch).complete
    assert calls < 50


def test_files_of_every_kind(tmp_path: Path) -> None:
    root = tmp_path / "export"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "IM1").write_bytes(dicom_bytes(described()))
    (root / "bare").write_bytes(
        dicom_bytes(described(), uid.ImplicitVRLittleEndian, preamble=False)
    )
    (root / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n and so on")
    (root / "b.txt").write_text("words")
    (root / "empty").touch()
    os.mkfifo(root / "pipe")
    (root / "to-file").symlink_to("bare")
    (root / "to-nothing").symlink_to("nothing")
    (root / "loop").symlink_to("loop")
    (root / "up").symlink_to(".")
    (root / "other").symlink_to("deep")
    found = codes(by_path(root, tmp_path))
    assert found == {
        "deep/er/IM1": "dicom",
        "bare": "dicom",
        "a.png": "raster",
        "b.txt": "not_an_image",
        "empty": "empty",
        "pipe": "not_a_file",
        "to-file": "dicom",
        "to-nothing": "broken_link",
        "loop": "broken_link",
        "up": "link_cycle",
        "other": "link_cycle",
    }


def test_order_depends_on_names_alone(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        for file in ("2", "1"):
            folder = tmp_path / "export" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text("x")
    paths = [e.path for e in scan(tmp_path / "export", tmp_path / "unpacked")]
    assert paths == ["a/1", "a/2", "b/1", "b/2", "c/1", "c/2"]


def test_names_that_are_no_text_are_printable(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path / "export")
    os.mkdir(root)  # noqa: PTH102
    with open(root + b"/caf\xe9\nx", "wb") as file:  # noqa: PTH123
        file.write(b"text")
    (entry,) = scan(tmp_path / "export", tmp_path / "unpacked")
    assert entry.path == "caf\\udce9\\nx"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "film").touch(mode=0)
    assert codes(by_path(tmp_path / "export", tmp_path)) == {"film": "no_permission"}


def test_only_wanted_members_are_unpacked(tmp_path: Path) -> None:
    film, other = dicom_bytes(described()), dicom_bytes(described(Modality="MR"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("folder/film", film)
        archive.writestr("folder/other", other)
    unpacked = tmp_path / "unpacked"
    entries = list(
        scan(tmp_path / "x.zip", unpacked, lambda e: e.header is None or e.header.modality == "DX")
    )
    assert [e.path for e in entries] == ["x.zip/folder/film", "x.zip/folder/other", "x.zip"]
    assert Path(entries[0].file).read_bytes() == film
    assert [p.name for p in unpacked.iterdir()] == ["0000001"]


def test_zip_tricks_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "export"
    root.mkdir()
    with zipfile.ZipFile(root / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("../up", "/abs", "C:/windows", "a\\..\\..\\b"):
            archive.writestr(name, dicom_bytes(described()))
        archive.writestr("inner.zip", b"PK\x03\x04")
        archive.writestr("zeros", bytes(70 << 20))
    (root / "cut.zip").write_bytes((root / "a.zip").read_bytes()[:-30])
    found = codes(by_path(root, tmp_path))
    assert found == {
        "a.zip/../up": "path_escape",
        "a.zip//abs": "path_escape",
        "a.zip/C:/windows": "path_escape",
        "a.zip/a\\..\\..\\b": "path_escape",
        "a.zip/inner.zip": "archive_nested",
        "a.zip/zeros": "archive_bomb",
        "a.zip": "container",
        "cut.zip": "archive_damaged",
    }
    assert not (tmp_path / "unpacked").exists()


def test_members_that_share_their_bytes_are_a_bomb(tmp_path: Path) -> None:
    """The trick of small zip files that unpack to petabytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", np.random.default_rng(1).bytes(50_000))
        for name in "bcd":
            info = zipfile.ZipInfo(name)
            first = archive.filelist[0]
            for slot in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
                setattr(info, slot, getattr(first, slot))
            archive.filelist.append(info)
            archive._didModify = True  # type: ignore[attr-defined]
    (tmp_path / "x.zip").write_bytes(out.getvalue())
    (entry,) = scan(tmp_path / "x.zip", tmp_path / "unpacked")
    assert entry.fault is not None
    assert entry.fault.code == "archive_bomb"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_archives(tmp_path: Path, mode: str) -> None:
    film = dicom_bytes(described())
    path = tmp_path / "films"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in (("in/film", film), ("empty", b""), ("../up", film), ("text", b"words")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("hard")
        link.type, link.linkname = tarfile.LNKTYPE, "in/film"
        archive.addfile(link)
    entries = by_path(path, tmp_path)
    assert codes(entries) == {
        "films/in/film": "dicom",
        "films/empty": "empty",
        "films/../up": "path_escape",
        "films/text": "not_an_image",
        "films/hard": "not_a_file",
        "films": "container",
    }
    assert Path(entries["films/in/film"].file).read_bytes() == film


def test_a_tar_header_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    (entry,) = scan(tmp_path / "x.tar", tmp_path / "unpacked")
    assert entry.fault is not None
    assert entry.fault.code in ("archive_bomb", "archive_damaged")


def test_gaps_of_sparse_members_count_as_what_they_unpack_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tar file of some kilobytes may hold gigabytes of zeros that way."""
    monkeypatch.setattr("endplate.imaging.scan_archive._FREE_BYTES", 20 << 20)
    film = dicom_bytes(described())
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("a", "b", "c"):
            info = tarfile.TarInfo(name)
            info.size = len(film)
            info.pax_headers = {
                "GNU.sparse.size": str(9 << 20),
                "GNU.sparse.map": f"0,{len(film)}",
                "GNU.sparse.name": name,
            }
            archive.addfile(info, io.BytesIO(film))
    size = (tmp_path / "x.tar").stat().st_size
    monkeypatch.setattr("endplate.imaging.scan_archive._MOST_RATIO", (5 << 20) // size)
    found = codes(by_path(tmp_path / "x.tar", tmp_path))
    assert found == {"x.tar/a": "dicom", "x.tar/b": "dicom", "x.tar": "archive_bomb"}
    assert sum(p.stat().st_size for p in (tmp_path / "unpacked").iterdir()) == 18 << 20


def test_a_disk_that_takes_no_members_is_no_fault_of_the_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("film", dicom_bytes(described()))
    (tmp_path / "unpacked").touch()  # no folder can be made there
    with pytest.raises(InputError, match="members of archives cannot be written there"):
        list(scan(tmp_path / "x.zip", tmp_path / "unpacked" / "here"))


def make_media(root: Path) -> None:
    """A folder with a DICOMDIR that lists one file that is there and two that are not."""
    (root / "images").mkdir(parents=True)
    (root / "images" / "im1").write_bytes(dicom_bytes(described()))
    (root / "extra").write_bytes(dicom_bytes(described()))
    records = []
    for parts in (["IMAGES", "IM1"], ["IMAGES", "GONE"], ["XX", "SECRET"]):
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        record.ReferencedFileID = parts
        records.append(record)
    index = Dataset()
    index.SOPClassUID = index.SOPInstanceUID = uid.MediaStorageDirectoryStorage
    index.DirectoryRecordSequence = Sequence(records)
    (root / "DICOMDIR").write_bytes(dicom_bytes(index).replace(b"XX\\SECRET", b"..\\SECRET"))


def test_a_dicomdir_within_a_folder_tells_what_is_missing(tmp_path: Path) -> None:
    make_media(tmp_path / "disk")
    assert codes(by_path(tmp_path / "disk", tmp_path)) == {
        "images/im1": "dicom",
        "IMAGES/GONE": "missing_file",
        "../SECRET": "path_escape",
        "DICOMDIR": "media_index",
        "extra": "dicom",
    }


def test_a_dicomdir_alone_stands_for_what_it_lists(tmp_path: Path) -> None:
    make_media(tmp_path / "disk")
    assert codes(by_path(tmp_path / "disk" / "DICOMDIR", tmp_path)) == {
        "IMAGES/IM1": "dicom",
        "IMAGES/GONE": "missing_file",
        "../SECRET": "path_escape",
        "DICOMDIR": "media_index",
    }


def test_no_such_export(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be scanned"):
        list(scan(tmp_path / "nothing", tmp_path))


def test_an_interrupted_scan_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "export"
    root.mkdir()
    for name in ("a", "c", "z"):
        (root / name).write_bytes(dicom_bytes(described()))
    with zipfile.ZipFile(root / "b.zip", "w") as archive:
        for i in range(3):
            archive.writestr(f"IM{i}", dicom_bytes(described()) + bytes(i))
    with tarfile.open(root / "d.tar", "w") as tar:
        tar.add(root / "a", "IM4")
        tar.add(root / "c", "IM5")
    (root / "results").mkdir()
    (root / "results" / "of the batch").touch()
    options: dict[str, Any] = {"apart": [root / "results"]}
    whole = list(scan(root, tmp_path / "whole", **options))
    assert len(whole) == 10
    for stop in range(len(whole)):
        folder = tmp_path / f"stopped-{stop}"
        position = ScanPosition()
        begun = list(islice(scan(root, folder, position=position, **options), stop))
        again = ScanPosition(**json.loads(json.dumps(asdict(position))))
        ended = list(scan(root, folder, position=again, **options))
        assert [e.path for e in begun + ended] == [e.path for e in whole]
        assert [Path(e.file).name for e in begun + ended] == [Path(e.file).name for e in whole]
        for entry in begun + ended:
            assert entry.kind == "container" or Path(entry.file).stat().st_size == entry.size
        assert len(list(folder.iterdir())) == 5
        assert again.files == 5
    (root / "a").rename(root / "aa")
    with pytest.raises(InputError, match="has changed since its scan was interrupted"):
        list(scan(root, tmp_path / "x", position=ScanPosition(1, "a"), **options))
