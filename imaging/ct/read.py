"""Read a CT volume from whatever it comes in."""

from pathlib import Path
from typing import Final

import numpy as np

from endplate.errors import InputError, UnreadableImage
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.files import study_files
from endplate.imaging.ct.nifti import is_nifti, read_nifti
from endplate.imaging.ct.series import choose_series
from endplate.imaging.ct.slices import scan_slices
from endplate.imaging.ct.stack import decode_stack, order_slices
from endplate.imaging.ct.volume import Provenance, Volume

__all__ = ["looks_like_ct", "read_ct"]

#: Files of a folder that are looked at to tell whether it holds a CT.
_PROBED: Final = 40


def read_ct(path: str | Path) -> Volume:
    """Read a CT volume.

    Parameters
    ----------
    path : path
        A folder of DICOM files (the best series in it is chosen), a zip archive of them, a
        DICOMDIR, an enhanced multi-frame file, or a NIfTI file.

    Returns
    -------
    Volume
        Hounsfield units; its notes say what was corrected and left out.

    Raises
    ------
    InputError
        If the path cannot be used.
    UnreadableImage
        If it holds no CT volume that can be measured on; the message gives the reason.
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"{path}: there is no such file or folder")
    if place.is_file() and is_nifti(place):
        return read_nifti(place)
    files = study_files(place)
    slices, left = scan_slices(files)
    if not slices and not left:
        raise UnreadableImage(f"{path}: holds no DICOM images and is no NIfTI file")
    chosen, notes = choose_series(slices, left, str(path))
    stack = order_slices(chosen.slices, str(path))
    voxels, sha256 = decode_stack(stack, files)
    first = stack.slices[0]
    step = float(np.linalg.norm(stack.affine[:3, 2]) * abs(first.normal @ _unit(stack.affine)))
    provenance = Provenance(
        path=str(path),
        sha256=sha256,
        modality="CT",
        study_uid=first.study_uid,
        series_uid=first.series_uid,
        patient_id=first.patient_id,
        study_date=first.study_date,
        position=first.patient_position,
        slice_thickness_mm=first.thickness,
        slice_spacing_mm=round(step, 4),
        kernel=first.kernel,
        description=first.description,
    )
    return Volume(voxels, stack.affine, provenance, (*stack.notes, *notes))


def looks_like_ct(path: str | Path) -> bool:
    """Whether a path is a CT volume and no radiograph, by a glance at its contents."""
    place = Path(path)
    if place.is_file() and is_nifti(place):
        return True
    try:
        files = study_files(place)
    except InputError:
        return False
    few = files.names[:: max(1, len(files.names) // _PROBED)]
    slices, _ = scan_slices(type(files)(files.path, tuple(few), files.archive))
    return len(slices) >= 2


def _unit(affine: FloatArray) -> FloatArray:
    out: FloatArray = affine[:3, 2] / np.linalg.norm(affine[:3, 2])
    return out
