"""Headers of CT slices: one for each file, or for each frame of an enhanced file."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset

from endplate.errors import InputError, UnreadableImage
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.files import StudyFiles
from endplate.imaging.orientation import position_of
from endplate.imaging.parse import parse_header, parse_header_file
from endplate.imaging.quiet import quiet_parsing
from endplate.imaging.tags import integer, items, number, numbers, text, texts

__all__ = ["LeftOut", "SliceHeader", "scan_slices", "slice_headers"]

_TAGS: Final = (
    *("SOPClassUID", "SOPInstanceUID", "Modality", "ImageType", "StudyInstanceUID"),
    *("SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "PatientID", "StudyDate"),
    *("PatientPosition", "ConvolutionKernel", "SliceThickness", "GantryDetectorTilt"),
    *("AcquisitionNumber", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "Rows", "Columns", "NumberOfFrames", "RescaleSlope", "RescaleIntercept"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("PatientOrientationCodeSequence", "TemporalPositionIdentifier", "TriggerTime"),
)
_IMAGES: Final = (
    uid.CTImageStorage,
    uid.EnhancedCTImageStorage,
    uid.LegacyConvertedEnhancedCTImageStorage,
)
#: Values of ImageType that are no slices of the patient, and what they are.
_NO_SLICE: Final = {
    "LOCALIZER": "a localizer",
    "MIP": "a maximum-intensity projection",
    "MAXIMUM": "a maximum-intensity projection",
    "MINIP": "a minimum-intensity projection",
    "PROJECTION IMAGE": "a projection",
    "VOLUME_RENDER": "a rendering",
    "VRT": "a rendering",
    "SCREEN SAVE": "a screen shot",
    "DOSE_INFO": "a dose report",
}


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """Where a slice lies and how its values are to be read.

    Parameters
    ----------
    name, frame : str, int
        The file, and the frame in it (0 in a plain file).
    frames : int
        Frames of the file.
    position : (3,) array
        Centre of the first pixel, LPS mm.
    along_row, along_column : (3,) arrays
        Unit vectors of growing column and growing row number.
    spacing : (row, column)
        mm between neighbouring rows and columns.
    slope, intercept : float
        To Hounsfield units.
    repeat : str
        Tells acquisitions of the same place apart (acquisition, phase).
    """

    name: str
    frame: int
    frames: int
    study_uid: str
    series_uid: str
    series_number: int
    description: str
    patient_id: str
    study_date: str
    image_type: tuple[str, ...]
    patient_position: str | None
    kernel: str
    thickness: float | None
    tilt: float
    instance: int
    repeat: str
    rows: int
    columns: int
    position: FloatArray
    along_row: FloatArray
    along_column: FloatArray
    spacing: tuple[float, float]
    slope: float
    intercept: float

    @property
    def normal(self) -> FloatArray:
        """(3,) unit vector across the slice."""
        out: FloatArray = np.cross(self.along_row, self.along_column)
        return out


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something in a study that is no slice of a volume, and why it was left out."""

    what: str
    reason: str


def scan_slices(files: StudyFiles) -> tuple[list[SliceHeader], list[LeftOut]]:
    """Headers of all CT slices among `files`; what else is DICOM, with the reason."""
    slices: list[SliceHeader] = []
    left: list[LeftOut] = []
    with quiet_parsing():
        for name in files.names:
            ds = _header(files, name)
            if ds is None:
                continue
            reason = _no_slice(ds)
            if reason is None:
                found = list(slice_headers(ds, name))
                slices += found
                reason = None if found else "its position in the patient is not recorded"
            if reason is not None:
                label = text(ds, "SeriesDescription") or text(ds, "SeriesInstanceUID") or name
                left.append(LeftOut(label, reason))
    return slices, left


def _header(files: StudyFiles, name: str) -> Dataset | None:
    """Elements before the pixels, None if the file is no DICOM.

    Raises
    ------
    InputError
        If the archive in which it lies is not to be read any further.
    """
    head = files.head(name, 512)
    if head[128:132] != b"DICM" and head[:2] != b"\x08\x00":
        return None
    try:
        if files.archive is None:
            return parse_header_file(name, _TAGS)
        return parse_header(files.read(name), _TAGS)
    except Exception as error:  # a file that cannot be parsed is not part of the series
        if isinstance(error, InputError) and not isinstance(error, UnreadableImage):
            raise
        return None


def _no_slice(ds: Dataset) -> str | None:
    """Why an object is no slice of a CT volume, None if it is one."""
    kind = text(ds, "SOPClassUID")
    if kind and kind not in _IMAGES:
        name = uid.UID(kind).name
        return f"is {name}, not a CT image"
    if text(ds, "Modality") not in ("CT", ""):
        return f"is of modality {text(ds, 'Modality')}, not CT"
    for value in texts(ds, "ImageType")[2:]:
        for word, what in _NO_SLICE.items():
            if value.upper() == word:
                return f"is {what}"
    if not integer(ds, "Rows", 0) or not integer(ds, "Columns", 0):
        return "holds no image"
    return None


def slice_headers(ds: Dataset, name: str) -> Iterator[SliceHeader]:
    """Headers of the slices or frames of a data set whose place is recorded."""
    frames = max(1, integer(ds, "NumberOfFrames", 1))
    shared = items(ds, "SharedFunctionalGroupsSequence")[:1]
    each = items(ds, "PerFrameFunctionalGroupsSequence")
    if not each:
        found = _slice(ds, name, 0, 1, [ds]) if frames == 1 else None
        if found is not None:
            yield found
        return
    for i, groups in enumerate(each[:frames]):
        inner = [g for part in (groups, *shared) for g in _groups(part)]
        found = _slice(ds, name, i, frames, [*inner, ds])
        if found is not None:
            yield found


def _groups(part: Dataset) -> Iterator[Dataset]:
    """First items of the functional groups that are looked at."""
    for keyword in (
        "PlanePositionSequence",
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
        "FrameContentSequence",
        "CTReconstructionSequence",
        "CTImageFrameTypeSequence",
    ):
        yield from items(part, keyword)[:1]


def _first(parts: Sequence[Dataset], keyword: str) -> tuple[float, ...]:
    return next((found for p in parts if (found := numbers(p, keyword))), ())


def _slice(
    ds: Dataset, name: str, frame: int, frames: int, parts: Sequence[Dataset]
) -> SliceHeader | None:
    position = _first(parts, "ImagePositionPatient")
    axes = _first(parts, "ImageOrientationPatient")
    spacing = _first(parts, "PixelSpacing")
    usable = len(position) == 3 and len(axes) == 6 and len(spacing) == 2
    if not usable or not np.isfinite([*position, *axes, *spacing]).all():
        return None
    row, column = np.array(axes[:3]), np.array(axes[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(float(row @ column)) > 0.01:
        return None
    slope, intercept = _first(parts, "RescaleSlope"), _first(parts, "RescaleIntercept")
    thickness = _first(parts, "SliceThickness")
    kernel = next((k for p in parts if (k := text(p, "ConvolutionKernel"))), "")
    frame_type = next((t for p in parts if (t := texts(p, "FrameType"))), ())
    return SliceHeader(
        name=name,
        frame=frame,
        frames=frames,
        study_uid=text(ds, "StudyInstanceUID"),
        series_uid=text(ds, "SeriesInstanceUID"),
        series_number=integer(ds, "SeriesNumber", 0),
        description=text(ds, "SeriesDescription"),
        patient_id=text(ds, "PatientID"),
        study_date=text(ds, "StudyDate"),
        image_type=tuple(t.upper() for t in (frame_type or texts(ds, "ImageType"))),
        patient_position=position_of(ds),
        kernel=kernel,
        thickness=thickness[0] if thickness and math.isfinite(thickness[0]) else None,
        tilt=number(ds, "GantryDetectorTilt") or 0.0,
        instance=integer(ds, "InstanceNumber", 0) if frames == 1 else frame,
        repeat=f"{text(ds, 'AcquisitionNumber')}|{text(ds, 'TemporalPositionIdentifier')}"
        f"|{text(ds, 'TriggerTime')}",
        rows=integer(ds, "Rows", 0),
        columns=integer(ds, "Columns", 0),
        position=np.array(position),
        along_row=row / lengths[0],
        along_column=column / lengths[1],
        spacing=(spacing[0], spacing[1]),
        slope=slope[0] if slope and math.isfinite(slope[0]) and slope[0] else 1.0,
        intercept=intercept[0] if intercept and math.isfinite(intercept[0]) else 0.0,
    )
