"""NIfTI-1 and NIfTI-2 volumes, plain or gzipped, in bounded memory."""

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from endplate.errors import InputError, UnreadableImage
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.volume import MAX_VOXELS, Provenance, Volume

__all__ = ["is_nifti", "read_nifti"]

_TYPES: Final = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
#: Units of length (low three bits of xyzt_units) in mm; 0 is "not said", taken as mm.
_UNITS: Final = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_LEFT_BACK: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From RAS, in which NIfTI counts, to LPS."""


_Stream = IO[bytes] | gzip.GzipFile


@dataclass(frozen=True, eq=False)
class _Header:
    """What the header says; `order` is the byte order."""

    shape: tuple[int, int, int]
    dtype: np.dtype[np.generic]
    offset: int
    slope: float
    intercept: float
    affine: FloatArray


def is_nifti(path: Path) -> bool:
    """Whether a file is NIfTI, by its content."""
    try:
        with path.open("rb") as file:
            head = file.read(2)
        if head == b"\x1f\x8b":
            with gzip.open(path) as packed:
                return _order(packed.read(352)) is not None
        with path.open("rb") as file:
            return _order(file.read(352)) is not None
    except (OSError, EOFError, zlib.error):
        return False


def read_nifti(path: Path, *, labels: bool = False) -> Volume:
    """Read a NIfTI volume.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``.
    labels : bool
        Whether the values are label numbers, which must be whole.

    Raises
    ------
    UnreadableImage
        If it is damaged, not three-dimensional, too large, or says nothing of its orientation.
    """
    shown = str(path)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as inner:
                    voxels, header = _read(inner, shown, labels)
            else:
                voxels, header = _read(file, shown, labels)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        raise InputError(f"{shown}: there is no such file") from None
    except PermissionError:
        raise InputError(f"{shown}: no permission to read the file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableImage(f"{shown}: the file is damaged ({error})") from None
    step = float(np.linalg.norm(header.affine[:3, 2]))
    provenance = Provenance(shown, digest.hexdigest(), "CT", slice_spacing_mm=step)
    return Volume(voxels, header.affine, provenance)


def _order(head: bytes) -> str | None:
    """Byte order of a header, None if it is no single-file NIfTI."""
    for order in "<>":
        size = struct.unpack_from(order + "i", head)[0] if len(head) >= 348 else 0
        if size == 348 and head[344:347] == b"n+1":
            return order
        if size == 540 and head[4:7] == b"n+2":
            return order
    return None


def _read(stream: _Stream, shown: str, labels: bool) -> tuple[npt.NDArray[np.int16], _Header]:
    head = stream.read(348)
    order = _order(head + bytes(4)) if len(head) == 348 else None
    if order is None and head[344:347] == b"ni1":
        raise UnreadableImage(f"{shown}: is one half of a .hdr/.img pair; expected one .nii file")
    if order is None:
        raise UnreadableImage(f"{shown}: is no NIfTI file")
    if struct.unpack_from(order + "i", head)[0] == 540:
        head += stream.read(192)
    header = _header(head, order, shown)
    skip = header.offset - len(head)
    if skip < 0 or len(stream.read(skip)) != skip:
        raise UnreadableImage(f"{shown}: the file is truncated")
    return _voxels(stream, header, shown, labels), header


def _header(head: bytes, order: str, shown: str) -> _Header:
    second = len(head) == 540
    dims = struct.unpack_from(order + ("8q" if second else "8h"), head, 16 if second else 40)
    code = struct.unpack_from(order + "h", head, 12 if second else 70)[0]
    if not 3 <= dims[0] <= 7 or any(d != 1 for d in dims[4 : dims[0] + 1]):
        raise UnreadableImage(f"{shown}: {dims[0]} dimensions {dims[1:]}; expected one volume")
    shape = (dims[1], dims[2], dims[3])
    if min(shape) < 2 or shape[0] * shape[1] * shape[2] > MAX_VOXELS:
        raise UnreadableImage(
            f"{shown}: {' x '.join(map(str, shape))} voxels; expected 2 or more each way and"
            f" {MAX_VOXELS // 1_000_000} million at most"
        )
    if code not in _TYPES:
        raise UnreadableImage(f"{shown}: data type {code}; expected real numbers")
    number = "d" if second else "f"
    offset, slope, inter = (
        struct.unpack_from(order + "q2d", head, 168)
        if second
        else struct.unpack_from(order + "3f", head, 108)
    )
    if not 0 <= offset < 1 << 20:
        raise UnreadableImage(
            f"{shown}: data starts at byte {offset}; expected 352 or a little more"
        )
    usable = np.isfinite([slope, inter]).all() and slope != 0
    pixdim = struct.unpack_from(order + "8" + number, head, 104 if second else 76)
    return _Header(
        shape,
        np.dtype(order + _TYPES[code]),
        int(offset),
        float(slope) if usable else 1.0,
        float(inter) if usable else 0.0,
        _affine(head, order, pixdim, second, shown),
    )


def _affine(
    head: bytes, order: str, pixdim: tuple[float, ...], second: bool, shown: str
) -> FloatArray:
    """Voxel indices to LPS mm: the sform if it is set, else the qform."""
    at = 344 if second else 252
    qform, sform = struct.unpack_from(order + ("2i" if second else "2h"), head, at)
    number = "d" if second else "f"
    unit = struct.unpack_from(order + "i", head, 500)[0] if second else head[123]
    scale = _UNITS.get(unit & 7, 1.0)
    out = np.eye(4)
    if sform > 0:
        rows = struct.unpack_from(order + "12" + number, head, 400 if second else 280)
        out[:3] = np.reshape(rows, (3, 4))
    elif qform > 0:
        values = struct.unpack_from(order + "6" + number, head, 352 if second else 256)
        out[:3, :3] = _rotation(values[:3]) * np.array(pixdim[1:4])
        out[:3, 2] *= -1.0 if pixdim[0] < 0 else 1.0
        out[:3, 3] = values[3:]
    else:
        raise UnreadableImage(
            f"{shown}: neither sform nor qform is set, so left, back and head are not known;"
            " convert the series again"
        )
    out[:3] *= scale
    lps: FloatArray = _LEFT_BACK @ out
    return lps


def _rotation(quaternion: tuple[float, ...]) -> FloatArray:
    """Rotation of the last three numbers of a unit quaternion (NIfTI-1, method 2)."""
    b, c, d = quaternion
    a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def _voxels(stream: _Stream, header: _Header, shown: str, labels: bool) -> npt.NDArray[np.int16]:
    """Slice by slice, so that wide types never stand in memory as a whole."""
    ni, nj, nk = header.shape
    convert = _labels if labels else _hounsfield
    out = np.empty((nk, nj, ni), dtype=np.int16)
    size = ni * nj * header.dtype.itemsize
    for k in range(nk):
        block = stream.read(size)
        if len(block) != size:
            raise UnreadableImage(f"{shown}: ends in slice {k + 1} of {nk}: the file is truncated")
        plane = np.frombuffer(block, header.dtype).reshape(nj, ni)
        out[k] = convert(plane, header, shown)
    return out


def _hounsfield(
    plane: npt.NDArray[np.generic], header: _Header, shown: str
) -> npt.NDArray[np.int16]:
    if plane.dtype == np.dtype(np.int16) and _unscaled(header):
        return plane.astype(np.int16)
    values = plane.astype(np.float32) * header.slope + header.intercept
    whole = np.nan_to_num(np.rint(values), nan=-1024.0)
    out: npt.NDArray[np.int16] = np.clip(whole, -32768, 32767).astype(np.int16)
    return out


def _labels(plane: npt.NDArray[np.generic], header: _Header, shown: str) -> npt.NDArray[np.int16]:
    if plane.dtype == np.dtype(np.uint8) and _unscaled(header):
        return plane.astype(np.int16)
    values = plane.astype(np.float64) * header.slope + header.intercept
    whole = np.rint(values)
    if not (np.abs(values - whole) < 1e-3).all() or whole.min() < 0 or whole.max() > 32767:
        raise UnreadableImage(
            f"{shown}: holds values that are no label numbers (whole numbers from 0); is this the"
            " CT itself?"
        )
    return whole.astype(np.int16)


def _unscaled(header: _Header) -> bool:
    return header.slope == 1 and header.intercept == 0
