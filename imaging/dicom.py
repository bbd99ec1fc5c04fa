"""Single DICOM radiographs to pixels, calibration and identity."""

import io
import zlib
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from pydicom import dcmread, uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset
from pydicom.pixels import apply_color_lut

from endplate.errors import EndplateError, UnreadableImage
from endplate.imaging.calibrate import Pair, SpacingTags, calibrate
from endplate.imaging.decode import PixelFormat, decode_frame
from endplate.imaging.limits import MAX_FILE_BYTES, check_size
from endplate.imaging.orientation import facing_of, position_of, view_of
from endplate.imaging.quiet import quiet_parsing
from endplate.imaging.radiograph import GreyImage, Radiograph
from endplate.imaging.tags import integer, number, pair, raw_bytes, text, texts
from endplate.imaging.tone import ToneTags, render
from endplate.imaging.tonetags import tone_tags

__all__ = ["decode_dicom", "spacing_tags"]

#: Modalities whose images are no radiographs. CT is let through as a localizer only.
_OTHER_MODALITIES: Final = {
    "CT": "a CT slice; give the folder of its series",
    "MR": "a magnetic resonance image",
    "PT": "a positron emission image",
    "NM": "a nuclear medicine image",
    "US": "an ultrasound image",
    "SEG": "a segmentation",
    "RTDOSE": "a dose distribution",
    "OCT": "an optical coherence image",
    "SM": "a microscopy image",
}
_GREY: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOURS: Final = (
    "RGB",
    "YBR_FULL",
    "YBR_FULL_422",
    "YBR_ICT",
    "YBR_RCT",
)
_PIXEL_DATA: Final = 0x7FE00010
#: Preamble and file meta information of an uncompressed file.
_EXPLICIT_HEAD: Final = (
    bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x14\x00" + b"1.2.840.10008.1.2.1\0"
)


def decode_dicom(data: bytes, path: str, sha256: str, user_spacing: Pair | None) -> Radiograph:
    """Read the bytes of a DICOM file.

    Parameters
    ----------
    data : bytes
        The whole file, with or without preamble.
    path, sha256 : str
        For messages and the record.
    user_spacing : (row, column) or None
        Spacing that wins over the header.

    Raises
    ------
    UnreadableImage
        If it holds no single radiograph that can be decoded.
    """
    with quiet_parsing():
        try:
            ds = _parse(data, path)
        except EndplateError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:120]
            raise UnreadableImage(
                f"{path}: the DICOM file is damaged or truncated ({type(error).__name__}: {reason})"
            ) from error
        _check_kind(ds, path)
        form, notes = _pixel_format(ds, path)
        pixels = _pixels(ds, form, path, notes)
        calibration, more = calibrate(spacing_tags(ds), user_spacing)
        return Radiograph(
            pixels=pixels,
            calibration=calibration,
            path=path,
            sha256=sha256,
            modality=text(ds, "Modality"),
            study_uid=text(ds, "StudyInstanceUID"),
            series_uid=text(ds, "SeriesInstanceUID"),
            instance_uid=text(ds, "SOPInstanceUID"),
            patient_id=text(ds, "PatientID"),
            study_date=text(ds, "StudyDate"),
            view_tag=view_of(ds),
            facing_tag=facing_of(ds),
            position=position_of(ds),
            notes=(*notes, *more),
        )


def spacing_tags(ds: Dataset) -> SpacingTags:
    """The elements of a data set that bear on its calibration."""
    return SpacingTags(
        rows=integer(ds, "Rows", 0),
        columns=integer(ds, "Columns", 0),
        pixel_spacing=pair(ds, "PixelSpacing"),
        calibration_type=text(ds, "PixelSpacingCalibrationType"),
        imager_spacing=pair(ds, "ImagerPixelSpacing"),
        scanned_spacing=pair(ds, "NominalScannedPixelSpacing"),
        magnification=number(ds, "EstimatedRadiographicMagnificationFactor"),
        source_to_detector=number(ds, "DistanceSourceToDetector"),
        source_to_patient=number(ds, "DistanceSourceToPatient"),
        aspect_ratio=pair(ds, "PixelAspectRatio"),
    )


def _parse(data: bytes, path: str) -> FileDataset:
    """Data set of a file; a deflated one is inflated here, within bounds."""
    meta, start = _file_meta(data)
    if text(meta, "TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
        return dcmread(io.BytesIO(data), force=True)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(data[start:], MAX_FILE_BYTES)
    if inflater.unconsumed_tail:
        raise UnreadableImage(f"{path}: inflates to more than the 1 GiB that is read")
    return dcmread(io.BytesIO(_EXPLICIT_HEAD + plain), force=True)


def _file_meta(data: bytes) -> tuple[Dataset, int]:
    """File meta information and where the data set begins; empty and 0 without preamble."""
    if data[128:132] != b"DICM":
        return Dataset(), 0
    buffer = io.BytesIO(data)
    buffer.seek(132)
    meta = read_dataset(buffer, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    return meta, buffer.tell()


def _check_kind(ds: Dataset, path: str) -> None:
    """Refuse what is no single radiograph."""
    modality = text(ds, "Modality").upper()
    other = _OTHER_MODALITIES.get(modality)
    if other and not (modality == "CT" and "LOCALIZER" in texts(ds, "ImageType")):
        raise UnreadableImage(f"{path}: is {other}; expected a radiograph")
    if raw_bytes(ds, _PIXEL_DATA) is None:
        name = uid.UID(text(ds, "SOPClassUID")).name or "unknown"
        raise UnreadableImage(f"{path}: holds no pixel data (kind of object: {name})")
    frames = integer(ds, "NumberOfFrames", 1)
    if frames > 1:
        raise UnreadableImage(
            f"{path}: holds {frames} frames; expected a single radiograph: export one frame"
        )


def _pixel_format(ds: FileDataset, path: str) -> tuple[PixelFormat, list[str]]:
    """Checked format of the pixels, with notes about what was corrected."""
    notes: list[str] = []
    rows, columns = integer(ds, "Rows", 0), integer(ds, "Columns", 0)
    check_size(path, rows, columns)
    photometric = text(ds, "PhotometricInterpretation").upper()
    samples = integer(ds, "SamplesPerPixel", 1)
    if photometric not in _GREY and photometric not in _COLOURS and photometric != "PALETTE COLOR":
        if photometric or samples != 1:
            raise UnreadableImage(
                f"{path}: Photometric Interpretation {photometric!r} is not read; expected"
                f" {', '.join((*_GREY, *_COLOURS))} or PALETTE COLOR"
            )
        photometric = "MONOCHROME2"
        notes.append("Photometric Interpretation is missing; high values are taken as bright")
    if samples != (3 if photometric in _COLOURS else 1):
        raise UnreadableImage(
            f"{path}: Samples per Pixel is {samples}, which does not go with {photometric}"
        )
    allocated = integer(ds, "BitsAllocated", 0)
    if allocated not in (8, 16, 32) or (samples == 3 and allocated != 8):
        raise UnreadableImage(
            f"{path}: Bits Allocated is {allocated}; expected 8, 16 or 32 (colour: 8)"
        )
    stored = integer(ds, "BitsStored", allocated)
    if not 1 <= stored <= allocated:
        notes.append(f"Bits Stored {stored} cannot be true; {allocated} is assumed")
        stored = allocated
    high = integer(ds, "HighBit", stored - 1)
    if not stored - 1 <= high < allocated:
        notes.append(f"High Bit {high} cannot be true; {stored - 1} is assumed")
        high = stored - 1
    syntax, little = _syntax(ds)
    form = PixelFormat(
        rows=rows,
        columns=columns,
        samples=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=integer(ds, "PixelRepresentation", 0) == 1,
        photometric=photometric,
        planar=integer(ds, "PlanarConfiguration", 0) == 1,
        syntax=syntax,
        little_endian=little,
        word_data=getattr(ds.get_item(_PIXEL_DATA), "VR", None) == "OW",
    )
    return form, notes


def _syntax(ds: FileDataset) -> tuple[str, bool]:
    """Transfer syntax and whether it is little-endian."""
    meta = getattr(ds, "file_meta", None)
    syntax = text(meta, "TransferSyntaxUID") if meta is not None else ""
    little = ds.original_encoding[1] is not False
    if not syntax or not uid.UID(syntax).is_transfer_syntax:
        syntax = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
    return str(syntax), little


def _pixels(ds: Dataset, form: PixelFormat, path: str, notes: list[str]) -> GreyImage:
    """Decode, grey, bone bright."""
    data = raw_bytes(ds, _PIXEL_DATA)
    assert data is not None
    stored, more = decode_frame(data, form, path)
    notes.extend(more)
    if form.photometric in _GREY:
        tags, tone_notes = tone_tags(ds, form)
        pixels, rendered = render(stored, tags)
        notes.extend((*tone_notes, *rendered))
        return pixels
    if form.photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, ds)
    notes.append("the image is in colour; its luminance is used")
    grey = _luminance(stored)
    if grey.dtype == np.uint8:
        return grey
    pixels, rendered = render(grey, ToneTags())
    notes.extend(rendered)
    return pixels


def _luminance(colour: npt.NDArray[np.integer]) -> GreyImage:
    """Luminance of a red, green, blue image."""
    exact = colour if colour.dtype in (np.uint8, np.uint16) else colour.astype(np.uint16)
    grey: GreyImage = cv2.cvtColor(np.ascontiguousarray(exact), cv2.COLOR_RGB2GRAY)  # type: ignore
    return grey
