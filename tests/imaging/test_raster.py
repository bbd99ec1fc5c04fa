"""PNG, JPEG and TIFF."""

import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from endplate.errors import InputError, UnreadableImage
from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.imaging.radiograph import Radiograph

from .factory import chunk, grey_ramp, png_bytes, tiff_bytes

Reader = Callable[..., Radiograph]
GREY = grey_ramp(top=255).astype(np.uint8)
DEEP = grey_ramp(top=4095)


def encode(kind: str, image: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """Encode with OpenCV."""
    return bytes(cv2.imencode(kind, image)[1])


@pytest.mark.parametrize("kind", [".png", ".tif"])
def test_eight_and_sixteen_bit_grey(read: Reader, kind: str) -> None:
    found = read(encode(kind, GREY))
    assert found.pixels.dtype == np.uint8
    assert np.array_equal(found.pixels, GREY)
    assert found.calibration == UNCALIBRATED
    assert (found.modality, found.patient_id, found.notes) == ("", "", ())
    deep = read(encode(kind, DEEP + 100))
    assert deep.pixels.dtype == np.uint16
    assert np.array_equal(deep.pixels, DEEP * 16)


def test_jpeg_grey_and_colour(read: Reader) -> None:
    smooth = cv2.GaussianBlur(GREY, (0, 0), 2)
    for image in (smooth, np.dstack([smooth] * 3)):
        assert abs(read(encode(".jpg", image)).pixels.astype(int) - smooth).max() <= 4


@pytest.mark.parametrize("kind", [".png", ".tif"])
def test_grey_stored_as_colour_is_exact(read: Reader, kind: str) -> None:
    for image, expected in ((GREY, GREY), (DEEP, DEEP * 16)):
        found = read(encode(kind, np.dstack([image] * 3)))
        assert np.array_equal(found.pixels, expected)
        assert found.notes == ()


def test_colour_becomes_luminance_with_a_note(read: Reader) -> None:
    found = read(encode(".png", np.dstack([GREY * 0, GREY, GREY * 0])))
    assert abs(found.pixels - GREY * 0.587).max() <= 1
    assert "colour" in found.notes[0]


def test_transparency_shows_black(read: Reader) -> None:
    opaque = np.full_like(GREY, 255)
    rgba = np.dstack([GREY, GREY, GREY, opaque])
    assert read(encode(".png", rgba)).notes == ()
    rgba[:40, :, 3] = 0
    found = read(encode(".png", rgba))
    assert not found.pixels[:40].any()
    assert np.array_equal(found.pixels[40:], GREY[40:])
    assert "transparent" in found.notes[0]


def test_grey_with_alpha(read: Reader) -> None:
    for image, bits in ((GREY, 8), (DEEP, 16)):
        pair = np.stack([image, np.full_like(image, np.iinfo(image.dtype).max)], -1)
        rows = pair.astype(pair.dtype.newbyteorder(">")).view(np.uint8).reshape(len(image), -1)
        found = read(png_bytes(rows, 4, bits, image.shape[1]))
        assert np.array_equal(found.pixels, image * (16 if bits == 16 else 1))


def test_palettes_and_few_bits(read: Reader) -> None:
    palette = np.repeat(np.arange(256, dtype=np.uint8)[::-1, None], 3, axis=1)
    data = png_bytes(GREY, 3, 8, GREY.shape[1], chunk(b"PLTE", palette.tobytes()))
    assert np.array_equal(read(data).pixels, 255 - GREY)
    four = GREY >> 4
    packed = (four[:, ::2] << 4) | four[:, 1::2]
    assert np.array_equal(read(png_bytes(packed, 0, 4, GREY.shape[1])).pixels, four * 17)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tiff_in_both_byte_orders_and_sizes(read: Reader, order: str, big: bool) -> None:
    assert np.array_equal(read(tiff_bytes(GREY, order=order, big=big)).pixels, GREY)
    assert np.array_equal(read(tiff_bytes(DEEP, order=order, big=big)).pixels, DEEP * 16)


def test_tiff_whose_zero_is_white(read: Reader) -> None:
    assert np.array_equal(read(tiff_bytes(GREY, {262: 0})).pixels, 255 - GREY)
    assert np.array_equal(read(tiff_bytes(DEEP, {262: 0})).pixels, (4095 - DEEP) * 16)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_is_read_as_stored_whatever_its_orientation(
    read: Reader, orientation: int, order: str
) -> None:
    found = read(tiff_bytes(GREY, {274: orientation}, order=order))
    assert np.array_equal(found.pixels, GREY)
    assert "as stored" in found.notes[0]


def test_jpeg_is_read_as_stored_whatever_its_orientation(read: Reader) -> None:
    plain = encode(".jpg", GREY)
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)
    turned = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]
    found = read(turned)
    assert np.array_equal(found.pixels, read(plain).pixels)
    assert "orientation 6" in found.notes[0]


def test_tiff_of_several_pages_or_real_numbers_is_refused(read: Reader) -> None:
    with pytest.raises(UnreadableImage, match="2 pages"):
        read(tiff_bytes(GREY, pages=2))
    with pytest.raises(UnreadableImage, match="real numbers"):
        read(tiff_bytes(GREY.astype(np.float32), {339: 3}))


def test_user_spacing(read: Reader) -> None:
    assert read(encode(".png", GREY), (0.2, 0.25)).calibration == Calibration((0.2, 0.25), "user")
    with pytest.raises(InputError, match="cannot be one"):
        read(encode(".png", GREY), (0.0, 0.2))


def test_animations_and_impossible_chunks_are_refused(read: Reader) -> None:
    rows = GREY.view(np.uint8)
    animated = png_bytes(rows, 0, 8, GREY.shape[1], chunk(b"acTL", struct.pack(">II", 3, 0)))
    with pytest.raises(UnreadableImage, match="animation"):
        read(animated)
    plain = png_bytes(rows, 0, 8, GREY.shape[1])
    at = plain.index(b"IDAT") - 4
    with pytest.raises(UnreadableImage, match="cut off"):
        read(plain[:at] + b"\x7f" + plain[at + 1 :])


def bomb(rows: int, columns: int, bits: int = 8, colour: int = 0) -> bytes:
    """PNG that declares a size which its few bytes may or may not hold."""
    head = struct.pack(">IIBBBBB", columns, rows, bits, colour, 0, 0, 0)
    data = zlib.compress(bytes(10_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_sizes_are_limited_before_decoding(read: Reader) -> None:
    for data in (
        bomb(20000, 20000),
        tiff_bytes(GREY, {256: 20000, 257: 20000}),
        encode(".jpg", GREY).replace(struct.pack(">HH", *GREY.shape), b"\x4e\x20\x4e\x20", 1),
    ):
        with pytest.raises(UnreadableImage, match="20000 x 20000 pixels, more than the 100 mill"):
            read(data)
    with pytest.raises(UnreadableImage, match="8 bytes, more than"):
        read(bomb(9000, 9000, 16, 6))
    with pytest.raises(UnreadableImage, match="cannot hold"):
        read(bomb(9000, 9000))
    with pytest.raises(UnreadableImage, match="smaller than 64"):
        read(encode(".png", GREY[:16, :16]))


@pytest.mark.parametrize("kind", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("part", [0.02, 0.2, 0.6, 0.95])
def test_truncated_files_are_refused(
    read: Reader, kind: str, part: float, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = encode(kind, GREY)
    with pytest.raises(UnreadableImage):
        read(whole[: int(len(whole) * part)])
    assert capfd.readouterr() == ("", "")
