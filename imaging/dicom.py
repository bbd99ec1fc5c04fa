"""Single DICOM radiographs to pixels, calibration and identity."""

from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from endplate.errors import EndplateError, UnreadableImage
from endplate.imaging.calibrate import Pair, SpacingTags, calibrate
from endplate.imaging.decode import decode_frame
from endplate.imaging.orientation import facing_of, position_of, view_of
from endplate.imaging.parse import parse_dicom
from endplate.imaging.pixelformat import GREY, PIXEL_DATA, PixelFormat, pixel_format
from endplate.imaging.pixels import luminance, stretch
from endplate.imaging.quiet import quiet_parsing
from endplate.imaging.radiograph import GreyImage, Radiograph
from endplate.imaging.tags import integer, number, pair, raw_bytes, text, texts
from endplate.imaging.tone import render
from endplate.imaging.tonetags import tone_tags

__all__ = ["WANTED", "decode_dicom", "spacing_tags"]

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
#: Elements that are looked at; all others are skipped while parsing, which bounds its cost.
WANTED: Final = (
    # identity
    *("SOPClassUID", "Modality", "ImageType", "StudyInstanceUID", "SeriesInstanceUID"),
    *("SOPInstanceUID", "PatientID", "StudyDate", "PresentationIntentType"),
    # view and position
    *("ViewPosition", "ViewCodeSequence", "PatientOrientation", "PatientPosition"),
    "PatientOrientationCodeSequence",
    # spacing
    *("PixelSpacing", "PixelSpacingCalibrationType", "ImagerPixelSpacing"),
    *("NominalScannedPixelSpacing", "EstimatedRadiographicMagnificationFactor"),
    *("DistanceSourceToDetector", "DistanceSourceToPatient", "PixelAspectRatio"),
    # pixels
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    "PixelData",
    # grey values
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "PixelIntensityRelationshipSign"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "ModalityLUTSequence"),
    *("RescaleIntercept", "RescaleSlope", "PresentationLUTShape"),
    *("RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData"),
    *("GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData"),
    *("BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData"),
    *("SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData"),
    "SegmentedBluePaletteColorLookupTableData",
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
            ds = parse_dicom(data, path, WANTED)
        except EndplateError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:120]
            raise UnreadableImage(
                f"{path}: the DICOM file is damaged or truncated ({type(error).__name__}: {reason})"
            ) from error
        _check_kind(ds, path)
        form, format_notes = pixel_format(ds, path)
        pixels, pixel_notes = _pixels(ds, form, path)
        calibration, spacing_notes = calibrate(spacing_tags(ds), user_spacing)
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
            notes=(*format_notes, *pixel_notes, *spacing_notes),
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


def _check_kind(ds: Dataset, path: str) -> None:
    """Refuse what is no single radiograph."""
    modality = text(ds, "Modality").upper()
    other = _OTHER_MODALITIES.get(modality)
    if other and not (modality == "CT" and "LOCALIZER" in texts(ds, "ImageType")):
        raise UnreadableImage(f"{path}: is {other}; expected a radiograph")
    if raw_bytes(ds, PIXEL_DATA) is None:
        if integer(ds, "Rows", 0):
            raise UnreadableImage(
                f"{path}: the header describes an image, but there is no pixel data: the file is"
                " truncated"
            )
        name = uid.UID(text(ds, "SOPClassUID")).name or "unknown"
        raise UnreadableImage(f"{path}: holds no pixel data (kind of object: {name})")
    frames = integer(ds, "NumberOfFrames", 1)
    if frames > 1:
        raise UnreadableImage(
            f"{path}: holds {frames} frames; expected a single radiograph: export one frame"
        )


def _pixels(ds: Dataset, form: PixelFormat, path: str) -> tuple[GreyImage, tuple[str, ...]]:
    """Decode; grey with bone bright."""
    stored, notes = decode_frame(raw_bytes(ds, PIXEL_DATA) or b"", form, path)
    if form.photometric in GREY:
        tags, tag_notes = tone_tags(ds, form)
        pixels, tone_notes = render(stored, tags)
        return pixels, (*notes, *tag_notes, *tone_notes)
    if form.photometric == "PALETTE COLOR":
        stored = _palette_colours(stored, ds, path)
    grey = luminance(stored.astype(np.uint8 if stored.dtype.itemsize == 1 else np.uint16))
    colour_note = "the image is stored in colour; its luminance is used"
    if grey.dtype == np.uint16:
        grey = stretch(grey)
    return grey, (*notes, colour_note)


def _palette_colours(
    stored: npt.NDArray[np.integer], ds: Dataset, path: str
) -> npt.NDArray[np.integer]:
    """Red, green, blue of palette indices."""
    try:
        return apply_color_lut(stored, ds)
    except Exception as error:
        raise UnreadableImage(f"{path}: the colour palette is missing or damaged") from error
