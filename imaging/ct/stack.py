"""Slices in order: duplicates, gaps, uneven spacing and gantry tilt; then their voxels."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames

from endplate.errors import EndplateError, UnreadableImage
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.files import StudyFiles
from endplate.imaging.ct.slices import SliceHeader
from endplate.imaging.ct.volume import MAX_VOXELS, VoxelArray
from endplate.imaging.decode import decode_frame
from endplate.imaging.parse import parse_dicom
from endplate.imaging.pixelformat import GREY, PIXEL_DATA, PixelFormat, pixel_format
from endplate.imaging.quiet import quiet_parsing
from endplate.imaging.tags import raw_bytes

__all__ = ["Stack", "decode_stack", "order_slices"]

#: Slices nearer than this part of the usual step lie at the same place.
_SAME_PLACE: Final = 0.1
#: Steps may differ from each other by this part before slices are interpolated.
_EVEN: Final = 0.02
#: Longest step across which slices are interpolated, mm.
_WIDEST_STEP: Final = 6.5
#: Sideways wander of slices that is still a straight stack, mm.
_STRAIGHT: Final = 0.5
_TILTED_DEG: Final = 0.1


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in order, and the regular grid on which they are to lie.

    Parameters
    ----------
    slices : tuple of SliceHeader
        Ascending along their normal.
    places : (S,) array
        Where they lie on the grid, in grid steps from its first plane.
    planes : int
        Planes of the grid: S, unless slices are interpolated.
    affine : (4, 4) array
        Column, row, plane to LPS mm.
    notes : tuple of str
    """

    slices: tuple[SliceHeader, ...]
    places: FloatArray
    planes: int
    affine: FloatArray
    notes: tuple[str, ...]


def order_slices(slices: Sequence[SliceHeader], path: str) -> Stack:
    """Order the slices of a series.

    Raises
    ------
    UnreadableImage
        If slices are missing, if they do not lie behind each other, or if there are too many.
    """
    kept, notes = _one_each(slices)
    if len(kept) < 2:
        raise UnreadableImage(f"{path}: all slices lie at the same place")
    positions = np.array([s.position for s in kept])
    step, offsets = _line(positions, kept[0].normal, path)
    gaps = np.diff(offsets)
    places, planes, more = _grid(gaps, path)
    first = kept[0]
    affine = np.eye(4)
    affine[:3, 0] = first.along_row * first.spacing[1]
    affine[:3, 1] = first.along_column * first.spacing[0]
    affine[:3, 2] = step * float(offsets[-1]) / (planes - 1)
    affine[:3, 3] = first.position
    if first.rows * first.columns * planes > MAX_VOXELS:
        raise UnreadableImage(
            f"{path}: {planes} slices of {first.columns} x {first.rows}, more than the"
            f" {MAX_VOXELS // 1_000_000} million voxels that are read; give a shorter series"
        )
    return Stack(tuple(kept), places, planes, affine, (*notes, *more, *_tilt(kept[0], step)))


def decode_stack(stack: Stack, files: StudyFiles) -> tuple[VoxelArray, str]:
    """(planes, rows, columns) Hounsfield units, and the SHA-256 of the files read.

    Raises
    ------
    UnreadableImage
        If a slice cannot be decoded.
    """
    first = stack.slices[0]
    out = np.empty((stack.planes, first.rows, first.columns), dtype=np.int16)
    digest = hashlib.sha256()
    exact = len(stack.slices) == stack.planes and np.allclose(
        stack.places, np.arange(stack.planes), atol=_EVEN
    )
    reader = _FrameReader(files, digest)
    with quiet_parsing():
        before: npt.NDArray[np.float32] | None = None
        for number, header in enumerate(stack.slices):
            plane = reader.plane(header)
            if exact:
                out[number] = plane
                continue
            values = plane.astype(np.float32)
            _fill(out, stack.places, number, before, values)
            before = values
    return out, digest.hexdigest()


def _fill(
    out: VoxelArray,
    places: FloatArray,
    number: int,
    before: npt.NDArray[np.float32] | None,
    plane: npt.NDArray[np.float32],
) -> None:
    """Write the grid planes between the slice before and this one."""
    here = float(places[number])
    if before is None:
        out[0] = np.rint(plane).astype(np.int16)
        return
    there = float(places[number - 1])
    for k in range(int(np.floor(there + 1e-6)) + 1, int(np.floor(here + 1e-6)) + 1):
        weight = np.float32((k - there) / (here - there))
        out[k] = np.rint(before * (1 - weight) + plane * weight).astype(np.int16)


def _one_each(slices: Sequence[SliceHeader]) -> tuple[list[SliceHeader], list[str]]:
    """One slice for each place, ascending along the normal."""
    notes = []
    normal = slices[0].normal
    members = list(slices)
    if _doubles(members, normal) > 0.2 * len(members):
        by_repeat: dict[str, list[SliceHeader]] = defaultdict(list)
        for header in members:
            by_repeat[header.repeat].append(header)
        fewest = min(by_repeat, key=lambda r: (_doubles(by_repeat[r], normal), -len(by_repeat[r])))
        if len(by_repeat) > 1:
            members = by_repeat[fewest]
            notes.append(f"the series holds {len(by_repeat)} acquisitions; one of them was read")
    members.sort(key=lambda s: (float(s.position @ normal), s.instance, s.frame))
    along = np.array([float(s.position @ normal) for s in members])
    usual = _usual_step(np.diff(along))
    kept = [members[0]]
    for header, place in zip(members[1:], along[1:], strict=True):
        if place - float(kept[-1].position @ normal) > _SAME_PLACE * usual:
            kept.append(header)
    if len(kept) < len(members):
        notes.append(f"{len(members) - len(kept)} slices lie where another does; the first is read")
    return kept, notes


def _doubles(members: Sequence[SliceHeader], normal: FloatArray) -> int:
    along = np.array([float(s.position @ normal) for s in members])
    return len(members) - len(np.unique(np.round(along, 2)))


def _usual_step(gaps: FloatArray) -> float:
    real = gaps[gaps > 0.01]
    return float(np.median(real)) if len(real) else 1.0


def _line(positions: FloatArray, normal: FloatArray, path: str) -> tuple[FloatArray, FloatArray]:
    """Unit step of the stack (not always its normal) and how far along it each slice lies."""
    whole = positions[-1] - positions[0]
    step = whole / np.linalg.norm(whole)
    if float(step @ normal) < 0.5:
        raise UnreadableImage(f"{path}: the slices do not lie behind each other")
    offsets = (positions - positions[0]) @ normal / float(step @ normal)
    aside = np.linalg.norm(positions - positions[0] - offsets[:, None] * step, axis=1)
    if float(aside.max()) > _STRAIGHT:
        raise UnreadableImage(
            f"{path}: slices are shifted sideways by up to {aside.max():.1f} mm against each"
            " other; expected one straight stack"
        )
    return step, offsets


def _grid(gaps: FloatArray, path: str) -> tuple[FloatArray, int, list[str]]:
    """Places of the slices on a regular grid, its planes, and what was done."""
    usual = float(np.median(gaps))
    if float(np.abs(gaps - usual).max()) <= max(_EVEN * usual, 0.01):
        return np.arange(len(gaps) + 1, dtype=float), len(gaps) + 1, []
    wide = gaps[gaps > max(1.5 * usual, 0.01)]
    if len(wide) and float(wide.max()) > _WIDEST_STEP:
        raise UnreadableImage(
            f"{path}: slices are missing: a gap of {wide.max():.1f} mm in a series of"
            f" {usual:.2g} mm steps; send the whole series"
        )
    fine = min(usual, float(np.quantile(gaps, 0.1)))
    whole = float(gaps.sum())
    planes = max(2, round(whole / fine)) + 1
    places = np.concatenate([[0.0], np.cumsum(gaps)]) * (planes - 1) / whole
    missing = [g for g in gaps if abs(g / usual - round(g / usual)) < 0.05 and g > 1.5 * usual]
    if len(missing) == len(wide) and len(wide) and len(wide) < 0.2 * len(gaps):
        note = f"{len(wide)} gaps of up to {wide.max():.1f} mm: slices are missing, interpolated"
    else:
        note = (
            f"the distance of slices varies from {gaps.min():.2f} to {gaps.max():.2f} mm;"
            f" interpolated to {whole / (planes - 1):.2f} mm"
        )
    return places, planes, [note]


def _tilt(header: SliceHeader, step: FloatArray) -> tuple[str, ...]:
    """A note on gantry tilt; the sheared grid itself is exact."""
    angle = float(np.degrees(np.arccos(np.clip(step @ header.normal, -1, 1))))
    if angle > _TILTED_DEG:
        return (f"the gantry was tilted by {angle:.1f} degrees; corrected for",)
    if abs(header.tilt) > 1.0:
        return (
            f"the header gives a gantry tilt of {header.tilt:.1f} degrees, but the slices are"
            " not sheared: taken as already corrected",
        )
    return ()


class _FrameReader:
    """Decodes slices; of an enhanced file the bytes are read once."""

    def __init__(self, files: StudyFiles, digest: "hashlib._Hash") -> None:
        self._files = files
        self._digest = digest
        self._name = ""
        self._form: PixelFormat | None = None
        self._data = b""
        self._frames: list[bytes] = []

    def plane(self, header: SliceHeader) -> npt.NDArray[np.int16]:
        """(rows, columns) Hounsfield units of one slice."""
        if header.name != self._name:
            self._open(header)
        assert self._form is not None
        form = self._form
        if self._frames:
            if header.frame >= len(self._frames):
                raise UnreadableImage(f"{header.name}: frame {header.frame + 1} is missing")
            data = encapsulate([self._frames[header.frame]], has_bot=False)
        else:
            size = form.frame_bytes
            data = self._data[header.frame * size : (header.frame + 1) * size]
            if header.frames == 1:
                data = self._data
        stored, _ = decode_frame(data, form, header.name)
        return _hounsfield(stored, header)

    def _open(self, header: SliceHeader) -> None:
        content = self._files.read(header.name)
        self._digest.update(content)
        ds = _parse(content, header.name)
        data = raw_bytes(ds, PIXEL_DATA)
        if data is None:
            raise UnreadableImage(f"{header.name}: holds no pixel data: the file is truncated")
        form, _ = pixel_format(ds, header.name)
        if (form.rows, form.columns) != (header.rows, header.columns) or form.samples != 1:
            raise UnreadableImage(f"{header.name}: the image is not of one grey value for a pixel")
        if form.photometric not in GREY:
            raise UnreadableImage(f"{header.name}: is {form.photometric}; expected MONOCHROME2")
        self._frames = []
        if uid.UID(form.syntax).is_encapsulated and header.frames > 1:
            self._frames = list(generate_frames(data, number_of_frames=header.frames))
        self._name, self._form, self._data = header.name, form, data


def _parse(content: bytes, name: str) -> FileDataset:
    try:
        return parse_dicom(content, name)
    except EndplateError:
        raise
    except Exception as error:  # pydicom raises many kinds
        raise UnreadableImage(f"{name}: the DICOM file is damaged or truncated") from error


def _hounsfield(stored: npt.NDArray[np.integer], header: SliceHeader) -> npt.NDArray[np.int16]:
    if header.slope == 1.0 and header.intercept == int(header.intercept):
        values = stored.astype(np.int32) + int(header.intercept)
        return np.clip(values, -32768, 32767).astype(np.int16)
    scaled = stored.astype(np.float64) * header.slope + header.intercept
    return np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
