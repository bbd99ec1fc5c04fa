"""What a DICOM header says about grey values: lookup tables, windows, polarity, padding."""

from pydicom.dataset import Dataset

from endplate.imaging.pixelformat import PixelFormat
from endplate.imaging.tags import integer, items, number, numbers, text, texts, words
from endplate.imaging.tone import LookupTable, ToneTags, Window

__all__ = ["tone_tags"]


def tone_tags(ds: Dataset, form: PixelFormat) -> tuple[ToneTags, tuple[str, ...]]:
    """Collect the elements on which the grey of an image depends.

    Parameters
    ----------
    ds : Dataset
        The data set.
    form : PixelFormat
        Its checked pixel format.

    Returns
    -------
    tags : ToneTags
        For `endplate.imaging.tone.render`.
    notes : tuple of str
        What was refused or is doubtful.
    """
    notes: list[str] = []
    slope, intercept = number(ds, "RescaleSlope"), number(ds, "RescaleIntercept")
    tags = ToneTags(
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        modality_lut=_table(ds, "ModalityLUTSequence", form, notes),
        voi_lut=_table(ds, "VOILUTSequence", form, notes),
        windows=_windows(ds),
        padding=_padding(ds, form),
        invert=_inverted(ds, form, notes),
        bits_stored=form.bits_stored,
    )
    return tags, tuple(notes)


def _table(ds: Dataset, keyword: str, form: PixelFormat, notes: list[str]) -> LookupTable | None:
    """First lookup table of a sequence that is whole."""
    for item in items(ds, keyword):
        descriptor = numbers(item, "LUTDescriptor")
        data = words(item, "LUTData")
        if len(descriptor) != 3 or any(v != v for v in descriptor):
            notes.append(f"{keyword} without a valid descriptor is ignored")
            continue
        count, first, bits = (int(v) for v in descriptor)
        count = count or 65536
        if len(data) * 2 == count and bits == 8:  # two 8-bit entries in a word
            data = data.astype("<u2").view("u1").astype("i8")
        if len(data) < count or count < 2 or not 1 <= bits <= 16:
            notes.append(f"{keyword} of {len(data)} entries, {count} declared, is ignored")
            continue
        entries = data[:count].astype("f8")
        if entries.min() == entries.max():
            notes.append(f"{keyword} maps all values to one and is ignored")
            continue
        if first > 32767 and (form.signed or number(ds, "RescaleIntercept")):
            first -= 65536  # the first value mapped is signed, its VR may not say so
        return LookupTable(first, entries)
    return None


def _windows(ds: Dataset) -> tuple[Window, ...]:
    """Windows in the order of the header."""
    function = text(ds, "VOILUTFunction").upper()
    if function not in ("LINEAR_EXACT", "SIGMOID"):
        function = "LINEAR"
    pairs = zip(numbers(ds, "WindowCenter"), numbers(ds, "WindowWidth"), strict=False)
    return tuple(Window(centre, width, function) for centre, width in pairs)


def _padding(ds: Dataset, form: PixelFormat) -> tuple[int, int] | None:
    """Stored values that mean background, lowest and highest."""
    value = number(ds, "PixelPaddingValue")
    if value is None or value != value:
        return None
    first = integer(ds, "PixelPaddingValue", 0)
    last = integer(ds, "PixelPaddingRangeLimit", first)
    if form.signed:  # the VR may say unsigned although pixels are signed
        first, last = (v - 65536 if v > 32767 else v for v in (first, last))
    return min(first, last), max(first, last)


def _inverted(ds: Dataset, form: PixelFormat, notes: list[str]) -> bool:
    """Whether low stored values are bright.

    Display images say so by MONOCHROME1 or an INVERSE presentation LUT shape, which are two
    words for the same thing and not two inversions. Unprocessed detector images may tell
    instead how their values go with X-ray intensity, which is low behind bone.
    """
    first = form.photometric == "MONOCHROME1"
    shape = text(ds, "PresentationLUTShape").upper()
    if "FOR PROCESSING" in texts(ds, "PresentationIntentType"):
        notes.append("an unprocessed detector image (FOR PROCESSING): prefer the one for display")
        sign = number(ds, "PixelIntensityRelationshipSign")
        if sign in (1.0, -1.0):
            return sign == 1.0
    if (first and shape == "IDENTITY") or (not first and shape == "INVERSE"):
        notes.append(
            f"Presentation LUT Shape {shape} contradicts {form.photometric}:"
            " the image is taken as inverted"
        )
    return first or shape == "INVERSE"
