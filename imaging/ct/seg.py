"""DICOM SEG: binary, fractional and label-map segmentations of vertebrae."""

import hashlib
import re
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset

from endplate.errors import UnreadableImage
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import LEVELS, level_index
from endplate.imaging.ct.slices import SliceHeader, slice_headers
from endplate.imaging.ct.volume import MAX_VOXELS, Provenance, Volume
from endplate.imaging.limits import MAX_FILE_BYTES
from endplate.imaging.parse import parse_dicom
from endplate.imaging.quiet import quiet_parsing
from endplate.imaging.tags import integer, items, text

__all__ = ["read_seg"]

_LEVEL: Final = re.compile(r"(?<![A-Z0-9])(C7|T1[0-3]|T[1-9]|L[1-6]|S1)(?![0-9A-Z])")
#: What is called after a level without being its vertebra.
_OTHER: Final = re.compile(
    r"\b(DIS[CK]S?|IVD|INTERVERTEBRAL|RIBS?|ROOTS?|NERVES?|SCREWS?|RODS?|CAGES?|CANAL|CORD|MUSCLES?"
    r"|LIGAMENTS?|ENDPLATES?|TUMOU?R|LESION)\b"
)
#: SNOMED CT codes of the vertebrae (CID 7603) and of the sacrum.
_CODES: Final = {
    "87391001": "C7",
    "64864005": "T1",
    "53733008": "T2",
    "1626008": "T3",
    "73071006": "T4",
    "56401006": "T5",
    "45296009": "T6",
    "62487009": "T7",
    "11068009": "T8",
    "82687006": "T9",
    "7610001": "T10",
    "12989004": "T11",
    "23215003": "T12",
    "66794005": "L1",
    "14293000": "L2",
    "36470004": "L3",
    "11994002": "L4",
    "49668003": "L5",
    "54735007": "S1",
}


def read_seg(path: Path) -> tuple[Volume, dict[str, int]]:
    """Read a DICOM SEG.

    Returns
    -------
    volume : Volume
        Label numbers: 1 + the level's index.
    numbers : dict
        Level to its number.

    Raises
    ------
    UnreadableImage
        If it is no SEG that can be decoded, or none of its segments is called after a level.
    """
    with quiet_parsing():
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise UnreadableImage(f"{path}: more than the 1 GiB that is read")
            ds = parse_dicom(path.read_bytes(), str(path))
            if text(ds, "Modality") != "SEG":
                raise UnreadableImage(f"{path}: is neither NIfTI nor DICOM SEG; expected labels")
            return _read(ds, path)
        except UnreadableImage:
            raise
        except Exception as error:  # whatever a damaged file makes the parser do
            raise UnreadableImage(f"{path}: the segmentation is damaged") from error


def _read(ds: FileDataset, path: Path) -> tuple[Volume, dict[str, int]]:
    segments = {
        integer(item, "SegmentNumber", 0): level
        for item in items(ds, "SegmentSequence")
        if (level := _level_of(item)) is not None
    }
    if not segments:
        raise UnreadableImage(f"{path}: no segment is called after a vertebra, such as L1")
    headers = list(slice_headers(ds, str(path)))
    frames = _frames(ds, path)
    if not headers or len(headers) != len(frames):
        raise UnreadableImage(f"{path}: the places of its frames are not recorded")
    planes, affine = _grid(headers, path)
    out = np.zeros((planes.max() + 1, *frames.shape[1:]), dtype=np.int16)
    found: dict[str, int] = {}
    for header, plane, number, frame in zip(headers, planes, _numbers(ds), frames, strict=True):
        assert header.frames == len(frames)
        for segment in [number] if number else segments:
            level = segments.get(segment)
            held = frame > 0 if number else frame == segment
            if level is None or not held.any():
                continue
            found[level] = level_index(level) + 1
            out[plane][held] = found[level]
    digest = _digest(path)
    return Volume(out, affine, Provenance(str(path), digest, "SEG")), found


def _level_of(item: Dataset) -> str | None:
    """Level of the vertebra that a segment is, by its label or by its coded type.

    None for what is called after levels without being one: a disc, a rib, a screw.
    """
    words = text(item, "SegmentLabel").upper().replace("_", " ")
    named: set[str] = {level for level in _LEVEL.findall(words) if level in LEVELS}
    if _OTHER.search(words) or len(named) > 1:
        return None
    if named:
        return named.pop()
    for keyword in ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence"):
        for code in items(item, keyword):
            if text(code, "CodeValue") in _CODES:
                return _CODES[text(code, "CodeValue")]
    return "S1" if "SACRUM" in words else None


def _numbers(ds: Dataset) -> list[int]:
    """Segment of each frame; 0 in a label map, whose frames hold all segments."""
    out = []
    for part in items(ds, "PerFrameFunctionalGroupsSequence"):
        named = items(part, "SegmentIdentificationSequence")
        out.append(integer(named[0], "ReferencedSegmentNumber", 0) if named else 0)
    return out


def _frames(ds: FileDataset, path: Path) -> npt.NDArray[np.integer]:
    """(frames, rows, columns): not 0 where the segment is; label numbers in a label map."""
    count = max(1, integer(ds, "NumberOfFrames", 1))
    rows, columns = integer(ds, "Rows", 0), integer(ds, "Columns", 0)
    if count * rows * columns > 4 * MAX_VOXELS:
        raise UnreadableImage(f"{path}: {count} frames of {columns} x {rows}: too many")
    if uid.UID(text(ds.file_meta, "TransferSyntaxUID")).is_encapsulated:
        values = ds.pixel_array
    else:
        data = np.frombuffer(ds.PixelData, np.uint8)
        bits = integer(ds, "BitsAllocated", 8)
        if bits == 1:
            data = np.unpackbits(data, bitorder="little")
        elif bits == 16:
            return _shaped(data.view("<u2"), (count, rows, columns), path)
        values = _shaped(data, (count, rows, columns), path)
    values = values.reshape(count, rows, columns)
    if text(ds, "SegmentationType") == "FRACTIONAL":
        return (values >= integer(ds, "MaximumFractionalValue", 255) / 2).astype(np.uint8)
    out: npt.NDArray[np.integer] = values
    return out


def _shaped(
    data: npt.NDArray[np.integer], shape: tuple[int, int, int], path: Path
) -> npt.NDArray[np.integer]:
    size = shape[0] * shape[1] * shape[2]
    if len(data) < size:
        raise UnreadableImage(f"{path}: the file is truncated")
    return data[:size].reshape(shape)


def _grid(headers: list[SliceHeader], path: Path) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Plane of each frame on a regular grid, and that grid's affine."""
    first = headers[0]
    positions = np.array([h.position for h in headers])
    along = positions @ first.normal
    order = np.unique(np.round(along, 3))
    gaps = np.diff(order)
    gaps = gaps[gaps > 0.01]
    if len(gaps) == 0:
        raise UnreadableImage(f"{path}: all frames lie at the same place")
    planes = np.rint((along - order[0]) / float(gaps.min())).astype(np.int64)
    low, high = int(np.argmin(along)), int(np.argmax(along))
    affine = np.eye(4)
    affine[:3, 0] = first.along_row * first.spacing[1]
    affine[:3, 1] = first.along_column * first.spacing[0]
    affine[:3, 2] = (positions[high] - positions[low]) / planes[high]
    affine[:3, 3] = positions[low]
    error = np.abs(positions - affine[:3, 3] - planes[:, None] * affine[:3, 2]).max()
    if float(error) > 0.3 or planes.max() > 20_000:
        raise UnreadableImage(f"{path}: its frames do not lie on a regular grid")
    return planes, affine


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
