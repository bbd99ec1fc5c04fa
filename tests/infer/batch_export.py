"""A small export as a PACS might give it: good films, other images, and hostile files."""

import io
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from ..imaging.factory import dicom_bytes, grey_ramp, radiograph
from .batch_fake_reader import NASTY

__all__ = ["film", "make_export"]


def film(number: int, rows: int = 220, **elements: Any) -> bytes:
    """A DICOM film whose pixels and instance depend on `number`."""
    pixels = grey_ramp(rows, 160).copy()
    pixels[5:40, 5:40] = 37 * number % 4096
    values = {
        "SOPInstanceUID": f"1.2.9.{number}",
        "StudyInstanceUID": f"1.2.8.{number}",
        "SeriesInstanceUID": f"1.2.7.{number}",
        "PatientID": f"P{number}",
        "ImagerPixelSpacing": [0.2, 0.2],
        **elements,
    }
    return dicom_bytes(radiograph(pixels, **values))


def make_export(root: Path) -> dict[str, tuple[str, str]]:
    """Write the export; what must become of each file."""
    expected: dict[str, tuple[str, str]] = {}

    def put(path: str, data: bytes, outcome: str, code: str = "") -> None:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        expected[path] = (outcome, code)

    for i in range(8):
        put(f"good/{i // 4}/film{i}", film(i), "measured")
    put("good/bare", _bare(20), "measured")
    _studies(put)
    put("other/ct", film(30, Modality="CT"), "left", "modality")
    put("other/hand", film(31, BodyPartExamined="HAND"), "left", "body_part")
    put("other/ap", film(32, ViewPosition="AP"), "left", "view")
    put("other/report.pdf", b"%PDF-1.4 nothing", "left", "not_an_image")
    put("other/empty", b"", "left", "empty")
    put("other/frontal", film(33, NASTY["frontal"]), "rejected", "not_lateral")
    put("nasty/crash", film(40, NASTY["crash"]), "failed", "crashed")
    put("nasty/hang", film(41, NASTY["hang"]), "failed", "timeout")
    put("nasty/memory", film(42, NASTY["memory"]), "failed", "memory")
    put("nasty/bug", film(43, NASTY["bug"]), "failed", "internal_error")
    put("nasty/truncated", film(44)[:-9000], "failed", "unreadable_image")
    put("nasty/wrong-rows", film(45, Rows=5000), "failed", "unreadable_image")
    put("nasty/endless", _endless(film(46)), "failed", "unreadable_image")
    (root / "loop").mkdir()
    (root / "loop" / "up").symlink_to("..")
    expected["loop/up"] = ("left", "link_cycle")
    (root / "loop" / "gone").symlink_to("nowhere")
    expected["loop/gone"] = ("left", "broken_link")
    _archives(root, expected)
    return expected


def _studies(put: Any) -> None:
    """Copies, and several laterals of one study."""
    put("copies/a", film(50)[:-9000], "failed", "unreadable_image")
    put("copies/b", film(50), "measured")
    put("copies/c", film(50), "duplicate", "duplicate_instance")
    put("copies/d", film(50, SOPInstanceUID="1.2.9.999"), "duplicate", "duplicate_pixels")
    same: dict[str, Any] = {"StudyInstanceUID": "1.2.8.60", "PatientID": "P60"}
    put("study/flexion", film(60, **same, SeriesDescription="L spine lat flexion"), "other")
    put("study/first", film(61, **same, AcquisitionTime="101500"), "other")
    put("study/repeat", film(62, **same, AcquisitionTime="102000"), "measured")


def _bare(number: int) -> bytes:
    """A film without preamble and file meta information."""
    pixels = grey_ramp(220, 160).copy()
    pixels[5:40, 5:40] = 37 * number % 4096
    elements = {"SOPInstanceUID": f"1.2.9.{number}", "StudyInstanceUID": f"1.2.8.{number}"}
    return dicom_bytes(radiograph(pixels, **elements), "1.2.840.10008.1.2", preamble=False)


def _endless(data: bytes) -> bytes:
    """A film in which sequences of undefined length open and never close."""
    head = data[: data.index(b"\x08\x00\x60\x00CS") + 10]
    opened = b"\x08\x00\x10\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return head + opened * 5000


def _archives(root: Path, expected: dict[str, tuple[str, str]]) -> None:
    with zipfile.ZipFile(root / "films.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/zipped", film(70))
        archive.writestr("in/ct", film(71, Modality="CT"))
        archive.writestr("../escape", film(72))
        archive.writestr("nested.zip", b"PK\x03\x04 more")
    expected["films.zip/in/zipped"] = ("measured", "")
    expected["films.zip/in/ct"] = ("left", "modality")
    expected["films.zip/../escape"] = ("left", "path_escape")
    expected["films.zip/nested.zip"] = ("left", "archive_nested")
    expected["films.zip"] = ("container", "")
    with tarfile.open(root / "films.tar.gz", "w:gz") as archive:
        data = film(73)
        info = tarfile.TarInfo("in/tarred")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    expected["films.tar.gz/in/tarred"] = ("measured", "")
    expected["films.tar.gz/link"] = ("left", "not_a_file")
    expected["films.tar.gz"] = ("container", "")
    (root / "bomb.tar.gz").write_bytes(_bomb())
    expected["bomb.tar.gz/zeros"] = ("left", "not_an_image")
    expected["bomb.tar.gz"] = ("left", "archive_bomb")


def _bomb() -> bytes:
    """A compressed tar archive whose first member has 300 MB of zeros."""
    info = tarfile.TarInfo("zeros")
    info.size = 300 << 20
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(info.tobuf()) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block stands alone and may be repeated.
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + 300 * block
