"""Grey values: lookup tables, windows, polarity, padding, bit depths."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from endplate.imaging.radiograph import Radiograph
from endplate.imaging.tone import LookupTable, ToneTags, Window, render

from .factory import dicom_bytes, grey_ramp, radiograph

Reader = Callable[..., Radiograph]
RAMP = grey_ramp()


def film(image: Any = RAMP, **elements: object) -> bytes:
    """A 12-bit film as a file."""
    return dicom_bytes(radiograph(image, **{"BitsStored": 12, "HighBit": 11, **elements}))


def lut_item(first: int, entries: np.ndarray[Any, Any], bits: int = 16) -> Dataset:
    """Item of a modality or VOI LUT sequence."""
    item = Dataset()
    item.add_new(0x00283002, "US", [len(entries), first, bits])
    item.add_new(0x00283006, "US", [int(v) for v in entries])
    item.ModalityLUTType = "US"
    return item


@pytest.mark.parametrize("bits", [10, 12, 14, 15, 16])
def test_bit_depths_are_spread_by_whole_factors(read: Reader, bits: int) -> None:
    image = grey_ramp(top=(1 << bits) - 1)
    found = read(dicom_bytes(radiograph(image, BitsStored=bits, HighBit=bits - 1)))
    assert np.array_equal(found.pixels, image << (16 - bits))
    assert found.pixels.max() >= 32768


def test_used_range_is_spread_when_narrow(read: Reader) -> None:
    found = read(film(image=RAMP // 8 + 1000)).pixels
    assert np.array_equal(found, (RAMP // 8) * 128)


def test_eight_bit_images_keep_their_values(read: Reader) -> None:
    image = grey_ramp(top=200).astype(np.uint8)
    found = read(dicom_bytes(radiograph(image))).pixels
    assert found.dtype == np.uint8
    assert np.array_equal(found, image)


def test_signed_values(read: Reader) -> None:
    image = RAMP.astype(np.int16) - np.int16(2048)
    assert np.array_equal(read(film(image=image)).pixels, RAMP * 16)
    # Unused bits need not repeat the sign.
    cleared = (image.view(np.uint16) & 0x0FFF).view(np.int16)
    assert np.array_equal(read(film(image=cleared)).pixels, RAMP * 16)


def test_high_bit_at_the_top_of_the_word(read: Reader) -> None:
    found = read(film(image=RAMP << 4, HighBit=15))
    assert np.array_equal(found.pixels, RAMP * 16)
    signed = ((RAMP.astype(np.int16) - 2048) << 4).astype(np.int16)
    assert np.array_equal(read(film(image=signed, HighBit=15)).pixels, RAMP * 16)


def test_overlay_bits_above_the_stored_ones_are_cleared(read: Reader) -> None:
    overlaid = RAMP | ((RAMP % 7 == 0).astype(np.uint16) << 14)
    found = read(film(image=overlaid))
    assert np.array_equal(found.pixels, RAMP * 16)
    assert any("12 stored" in note for note in found.notes)


def test_impossible_bits_are_corrected_with_a_note(read: Reader) -> None:
    found = read(film(BitsStored=0, HighBit=40))
    assert np.array_equal(found.pixels, RAMP * 16)
    assert len(found.notes) == 2


def test_thirty_two_bits(read: Reader) -> None:
    image = RAMP.astype(np.uint32) * 1000
    found = read(dicom_bytes(radiograph(image))).pixels
    assert np.corrcoef(found.ravel(), RAMP.ravel())[0, 1] > 0.9999


@pytest.mark.parametrize(
    ("elements", "inverted"),
    [
        ({}, False),
        ({"PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, True),
        ({"PresentationLUTShape": "IDENTITY"}, False),
        ({"PresentationLUTShape": "INVERSE"}, True),
        ({"RescaleSlope": -1, "RescaleIntercept": 4095}, True),
        (
            {
                "PhotometricInterpretation": "MONOCHROME1",
                "RescaleSlope": -1,
                "RescaleIntercept": 4095,
            },
            False,
        ),
        (
            {"PresentationIntentType": "FOR PROCESSING", "PixelIntensityRelationshipSign": 1},
            True,
        ),
        (
            {"PresentationIntentType": "FOR PROCESSING", "PixelIntensityRelationshipSign": -1},
            False,
        ),
        (
            {"PresentationIntentType": "FOR PRESENTATION", "PixelIntensityRelationshipSign": 1},
            False,
        ),
    ],
)
def test_polarity(read: Reader, elements: dict[str, object], inverted: bool) -> None:
    expected = (4095 - RAMP if inverted else RAMP) * 16
    assert np.array_equal(read(film(**elements)).pixels, expected)


def test_contradicting_polarity_is_noted(read: Reader) -> None:
    assert any("contradicts" in n for n in read(film(PresentationLUTShape="INVERSE")).notes)


def test_linear_window_clips_and_spreads_exactly(read: Reader) -> None:
    found = read(film(WindowCenter=2048, WindowWidth=2048))  # black at 1024, white at 3071
    assert np.array_equal(found.pixels, (np.clip(RAMP, 1024, 3071) - 1024) * 32)
    exact = read(film(WindowCenter=2000, WindowWidth=2000, VOILUTFunction="LINEAR_EXACT"))
    assert np.array_equal(exact.pixels, (np.clip(RAMP, 1000, 3000) - 1000) * 32)


def test_window_refers_to_rescaled_values(read: Reader) -> None:
    window = {"WindowCenter": 524, "WindowWidth": 1024}  # 12 to 1035
    found = read(film(RescaleSlope=0.5, RescaleIntercept=-500, **window)).pixels
    assert np.array_equal(found, (np.clip(RAMP.astype(int), 1024, 3070) - 1024) * 32)


def test_a_window_wider_than_the_values_changes_nothing(read: Reader) -> None:
    assert np.array_equal(read(film(WindowCenter=2048, WindowWidth=16384)).pixels, RAMP * 16)


def test_sigmoid_window(read: Reader) -> None:
    found = read(film(WindowCenter=2048, WindowWidth=1000, VOILUTFunction="SIGMOID")).pixels
    expected = 1 / (1 + np.exp(-4 * (RAMP - 2048.0) / 1000))
    expected = (expected - expected.min()) / (expected.max() - expected.min()) * 65535
    assert abs(found - expected).max() <= 1


@pytest.mark.parametrize(
    ("centre", "width"),
    [(2048, 0), (2048, -5), (2048, 1), (90000, 10), (-5000, 100), (1e30, 1e-30), (4095.5, 3)],
)
def test_absurd_windows_are_ignored_with_a_note(read: Reader, centre: float, width: float) -> None:
    found = read(film(WindowCenter=centre, WindowWidth=width))
    assert np.array_equal(found.pixels, RAMP * 16)
    assert any("window" in note for note in found.notes)


def test_the_first_usable_window_counts(read: Reader) -> None:
    found = read(film(WindowCenter=[90000, 2048], WindowWidth=[10, 2048])).pixels
    assert np.array_equal(found, (np.clip(RAMP, 1024, 3071) - 1024) * 32)


def test_modality_lut(read: Reader) -> None:
    curve = np.rint(np.sqrt(np.arange(4096) / 4095) * 4000)
    found = read(film(ModalityLUTSequence=[lut_item(0, curve)])).pixels
    assert abs(found - curve[RAMP] * 65535 / 4000).max() <= 0.5


def test_voi_lut_wins_over_the_window_and_clamps(read: Reader) -> None:
    curve = np.arange(1000)[::-1] * 4
    voi = film(VOILUTSequence=[lut_item(2000, curve, 12)], WindowCenter=100, WindowWidth=50)
    found = read(voi).pixels
    expected = curve[np.clip(RAMP.astype(int) - 2000, 0, 999)] * 65535 / 3996
    assert abs(found - expected).max() <= 0.5


def test_voi_lut_of_words_and_of_packed_bytes(read: Reader) -> None:
    item = lut_item(0, np.arange(4096), 12)
    item.add_new(0x00283006, "OW", np.arange(4096, dtype="<u2").tobytes())
    assert abs(read(film(VOILUTSequence=[item])).pixels - RAMP * (65535 / 4095)).max() <= 0.5
    packed = lut_item(0, np.arange(4096), 8)
    packed.add_new(0x00283006, "OW", (np.arange(4096) // 16).astype(np.uint8).tobytes())
    assert abs(read(film(VOILUTSequence=[packed])).pixels - RAMP // 16 * 257.0).max() <= 0.5


@pytest.mark.parametrize("descriptor", [[5000, 0, 12], [4096, 0, 40], [4096, 0]])
def test_damaged_tables_are_ignored_with_a_note(read: Reader, descriptor: list[int]) -> None:
    item = lut_item(0, np.arange(4096), 12)
    item.add_new(0x00283002, "US", descriptor)
    found = read(film(VOILUTSequence=[item], ModalityLUTSequence=[item]))
    assert np.array_equal(found.pixels, RAMP * 16)
    assert len(found.notes) == 2


def test_padding_is_black_whatever_the_polarity(read: Reader) -> None:
    padded = RAMP.copy()
    padded[:, :20] = 4000
    padded[:, 20:] //= 2
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        found = read(
            film(image=padded, PhotometricInterpretation=photometric, PixelPaddingValue=4000)
        ).pixels
        assert not found[:, :20].any()
        assert found[:, 20:].max() >= 60000
    ranged = read(film(image=padded, PixelPaddingValue=3900, PixelPaddingRangeLimit=4095)).pixels
    assert not ranged[:, :20].any()


def test_signed_padding_given_as_unsigned(read: Reader) -> None:
    image = RAMP.astype(np.int16)
    image[:20] = -2000
    ds = radiograph(image, BitsStored=12, HighBit=11)
    ds.add_new(0x00280120, "US", 63536)
    assert not read(dicom_bytes(ds)).pixels[:20].any()


def test_padding_that_covers_everything_is_ignored(read: Reader) -> None:
    found = read(film(PixelPaddingValue=0, PixelPaddingRangeLimit=4095))
    assert np.array_equal(found.pixels, RAMP * 16)
    assert any("padding" in note for note in found.notes)


def test_a_blank_film_is_black_and_noted(read: Reader) -> None:
    found = read(film(image=np.full((80, 96), 77, np.uint16)))
    assert not found.pixels.any()
    assert any("same value" in note for note in found.notes)


def test_impossible_rescale_is_ignored() -> None:
    for slope in (0.0, np.nan, np.inf):
        image, notes = render(RAMP, ToneTags(slope=slope, bits_stored=12))
        assert np.array_equal(image, RAMP * 16)
        assert any("rescale" in note for note in notes)


def test_a_table_that_blanks_the_image_is_ignored() -> None:
    table = LookupTable(60000, np.arange(10.0))
    image, notes = render(RAMP, ToneTags(voi_lut=table, bits_stored=12))
    assert np.array_equal(image, RAMP * 16)
    assert any("blank" in note for note in notes)


def test_window_bounds_follow_the_standard() -> None:
    assert Window(2048, 4096).bounds == (0, 4095)
    assert Window(2048, 4096, "LINEAR_EXACT").bounds == (0, 4096)
