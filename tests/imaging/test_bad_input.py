"""Files that cannot be read: one clear sentence, nothing else."""

import contextlib
import logging
import os
import struct
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder

from endplate.errors import EndplateError, InputError, MissingDependency, UnreadableImage
from endplate.imaging.radiograph import Radiograph
from endplate.imaging.read import read_radiograph, sniff

from .factory import code, dicom_bytes, grey_ramp, png_bytes, radiograph

Reader = Callable[..., Radiograph]
RAMP = grey_ramp()


def film(**elements: object) -> Dataset:
    """A 12-bit film."""
    return radiograph(RAMP, **{"BitsStored": 12, "HighBit": 11, **elements})


def test_paths_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_radiograph(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_radiograph(tmp_path / "absent.dcm")
    with pytest.raises(InputError, match="cannot be opened"):
        read_radiograph("a\0b")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no regular file"):
        read_radiograph(tmp_path / "pipe")


def test_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "film.dcm"
    path.write_bytes(b"x")
    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    with pytest.raises(InputError, match="no permission"):
        read_radiograph(path)


def test_file_beyond_the_limit_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(UnreadableImage, match="more than the 1 GiB"):
        read_radiograph(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"Dear colleague, please find the film attached.\n" * 9, "is a text file"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04" + bytes(99), "zip"),
        (b"\x1f\x8b" + bytes(99), "gzip"),
        (b"GIF89a" + bytes(99), "GIF"),
        (b"RIFF\0\0\0\0WEBP" + bytes(99), "WebP"),
        (bytes(4000), "no image of a known format"),
        (b"\x89PNG\r\n\x1a\n", "header is damaged"),
        (b"\xff\xd8\xff\xe0", "header is damaged"),
        (b"II*\0\xff\xff\xff\xff" + bytes(20), "header is damaged"),
        (bytes(128) + b"DICM", "no pixel data"),
        (bytes(128) + b"DICM" + b"\x08\x00\x05", "no pixel data"),
    ],
)
def test_what_is_no_radiograph_says_what_it_is(read: Reader, data: bytes, message: str) -> None:
    with pytest.raises(UnreadableImage, match=message):
        read(data)


@pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless])
def test_truncated_dicom(read: Reader, part: float, syntax: str) -> None:
    data = dicom_bytes(film(), syntax, compress=syntax == uid.RLELossless)
    with pytest.raises(UnreadableImage, match=r"truncated|damaged"):
        read(data[: int(len(data) * part)])


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Rows": 81}, "Rows or Columns is wrong"),
        ({"Columns": 97}, "Rows or Columns is wrong"),
        ({"Rows": 79}, "Rows, Columns"),
        ({"Columns": 95}, "Rows, Columns"),
        ({"Rows": 16, "Columns": 16}, "smaller than 64"),
        ({"Rows": 20000, "Columns": 20000}, "more than the 100 million"),
        ({"Rows": 0}, "at least one"),
        ({"Rows": None}, "no pixel data|at least one"),
        ({"PixelData": None}, "truncated"),
        ({"PixelData": b""}, "truncated"),
        ({"BitsAllocated": 12}, "Bits Allocated is 12"),
        ({"BitsAllocated": 8}, "is wrong"),
        ({"BitsAllocated": 32}, "is wrong"),
        ({"BitsAllocated": None}, "Bits Allocated is 0"),
        ({"PhotometricInterpretation": "HSV"}, "'HSV'"),
        ({"SamplesPerPixel": 3}, "Samples per Pixel is 3"),
    ],
)
def test_contradictions_of_the_header(
    read: Reader, elements: dict[str, object], message: str
) -> None:
    with pytest.raises(UnreadableImage, match=message):
        read(dicom_bytes(film(**elements)))


def test_a_few_bytes_too_many_are_a_note(read: Reader) -> None:
    found = read(dicom_bytes(film(PixelData=RAMP.tobytes() + bytes(10))))
    assert np.array_equal(found.pixels, RAMP * 16)
    assert "10 bytes" in found.notes[0]


@pytest.mark.parametrize(
    ("syntax", "message"),
    [
        (uid.MPEG4HP41, "not supported"),
        (uid.JPEGExtended12Bit, "does not begin like"),
        (uid.JPEG2000, "does not begin like"),
    ],
)
def test_syntaxes_that_cannot_be_decoded(read: Reader, syntax: str, message: str) -> None:
    ds = film(PixelData=encapsulate([b"nothing that decodes" * 9]))
    with pytest.raises(UnreadableImage, match=message):
        read(dicom_bytes(ds, syntax))


@pytest.mark.parametrize("syntax", [b"1.2.840.10008.1.9.9", b"1.2.3.4.5.678901234", b"nonsense"])
def test_unknown_syntaxes_are_refused(read: Reader, syntax: bytes) -> None:
    data = dicom_bytes(film()).replace(b"1.2.840.10008.1.2.1", syntax.ljust(19, b"\0"))
    with pytest.raises(UnreadableImage, match="not known"):
        read(data)


def test_compressed_pixels_under_a_native_syntax(read: Reader) -> None:
    data = dicom_bytes(film(), uid.RLELossless, compress=True)
    wrong = data.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0")
    with pytest.raises(UnreadableImage, match="is compressed, but the transfer syntax"):
        read(wrong)


def test_code_stream_of_another_size_is_not_decoded(read: Reader) -> None:
    stream = cv2.imencode(".jpg", np.zeros((3000, 3000), np.uint8))[1].tobytes()
    ds = radiograph(grey_ramp(top=255).astype(np.uint8), PixelData=encapsulate([stream]))
    with pytest.raises(UnreadableImage, match="3000 x 3000"):
        read(dicom_bytes(ds, uid.JPEGBaseline8Bit))


def test_damaged_jpeg_in_dicom_never_reaches_the_decoder(read: Reader) -> None:
    image = cv2.GaussianBlur(grey_ramp(top=255).astype(np.uint8), (0, 0), 2)
    stream = cv2.imencode(".jpg", image)[1].tobytes()
    frame = stream.index(b"\xff\xc0")
    tables = stream.index(b"\xff\xc4")
    for broken in (
        stream[: len(stream) // 2],
        stream[: frame + 4] + b"\x7f" + stream[frame + 5 :],
        stream[: tables + 5] + b"\xff" + stream[tables + 6 :],
        stream.replace(b"\xff\xc4", b"\xff\xfe"),
    ):
        ds = radiograph(image, PixelData=encapsulate([broken]))
        with pytest.raises(UnreadableImage, match="JPEG stream"):
            read(dicom_bytes(ds, uid.JPEGBaseline8Bit))


def test_missing_decoder_names_the_extra(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from endplate.imaging import compressed

    monkeypatch.setattr(compressed, "_twelve_bit_gdcm", lambda *_: None)
    if "pylibjpeg" in get_decoder(uid.JPEGExtended12Bit).available_plugins:
        pytest.skip("the optional decoder is installed")
    with pytest.raises(UnreadableImage, match=r"RG3_JPLY.dcm.*12-bit.*\[codecs-gpl\]"):
        read_radiograph(data_dir / "dicom-radiographs" / "RG3_JPLY.dcm")
    monkeypatch.setattr(compressed, "find_spec", lambda _: None)
    with pytest.raises(MissingDependency, match=r"RG3_JPLY.dcm: 12-bit .*\[codecs-gpl\]"):
        read_radiograph(data_dir / "dicom-radiographs" / "RG3_JPLY.dcm")


def test_nested_sequences_do_not_overflow(read: Reader) -> None:
    """Thousands of undefined-length sequences, one inside the other."""
    begin = struct.pack("<HH2sHI", 0x0054, 0x0220, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    with pytest.raises(UnreadableImage):
        read(bytes(128) + b"DICM" + begin * 20_000)


def test_deflate_bomb_is_bounded(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    from endplate.imaging import parse

    monkeypatch.setattr(parse, "MAX_FILE_BYTES", 5000)
    with pytest.raises(UnreadableImage, match="inflates to more"):
        read(dicom_bytes(film(), uid.DeflatedExplicitVRLittleEndian))


def test_wrong_value_representations_do_not_matter(read: Reader) -> None:
    ds = film()
    ds.add_new("PixelSpacing", "LO", ["many", "few"])
    ds.add_new("WindowCenter", "LO", "middle")
    ds.add_new("WindowWidth", "US", 100)
    ds.add_new("ViewCodeSequence", "LO", "lateral")
    ds.add_new("PatientID", "OB", b"\xff\xfe\x80\x81")
    found = read(dicom_bytes(ds))
    assert np.array_equal(found.pixels, RAMP * 16)
    assert found.calibration.spacing_mm is None


def test_a_colour_photograph_is_readable(read: Reader) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert read(cv2.imencode(".png", photo)[1].tobytes()).pixels.shape == (300, 400)


def test_names_that_cannot_be_printed(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"f\xfflm\n.png")
    path.write_bytes(b"")
    with pytest.raises(UnreadableImage) as caught:
        read_radiograph(path)
    str(caught.value).encode("utf-8")
    assert "\n" not in str(caught.value)


def test_nothing_is_printed_logged_or_warned(
    read: Reader, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    handlers = logging.getLogger("pydicom").handlers
    assert any(isinstance(h, logging.NullHandler) for h in handlers)
    odd = film(PixelSpacing="0.2")
    data = bytearray(dicom_bytes(odd))
    data[200:230] = bytes(30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for attempt in (bytes(data), dicom_bytes(odd), png_bytes(RAMP.view(np.uint8), 0, 16, 96)):
            with contextlib.suppress(EndplateError):
                read(attempt[:-7])
    assert capfd.readouterr() == ("", "")


def test_threads_may_read_at_once(tmp_path: Path) -> None:
    paths = []
    for i, data in enumerate((dicom_bytes(film()), cv2.imencode(".png", RAMP)[1].tobytes())):
        paths.append(tmp_path / str(i))
        paths[-1].write_bytes(data)
    found: list[int] = []

    def work(path: Path) -> None:
        found.extend(int(read_radiograph(path).pixels.max()) for _ in range(10))

    before = os.fstat(2)
    threads = [threading.Thread(target=work, args=(p,)) for p in paths * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [65520] * 60
    assert os.path.samestat(before, os.fstat(2))


def test_formats_are_told_apart_by_content() -> None:
    assert sniff(dicom_bytes(film(ViewCodeSequence=[code("1")]))) == "DICOM"
    assert sniff(dicom_bytes(film(), preamble=False)) == "DICOM"
    assert sniff(b"\xff\xd8\xff\xe0") == "JPEG"
    assert sniff(b"MM\0*") == "TIFF"
    assert sniff(b"") is None
