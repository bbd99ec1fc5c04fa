"""The map of a CT's slab to the patient: kept beside the reading or elsewhere, or made anew."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from endplate.errors import EndplateError, InputError
from endplate.imaging.ct.column import find_column_line
from endplate.imaging.ct.labels import SCHEMES, read_labels
from endplate.imaging.ct.slab import Slab, cut_slab
from endplate.imaging.ct.slab_file import SLAB_SUFFIX, Sheet, read_sheet, write_sheet
from endplate.imaging.ct.volume import Volume
from endplate.infer.ct import read_ct_labels
from endplate.study.reading import Reading

__all__ = ["find_sheet", "keep_sheet", "make_sheet"]

_OWN_FOLDER: Final = "slabs"
_BY_LABELS: Final = "labels:"
#: Points of a reading and what the map makes of their places in the patient differ less, pixels.
_SAME: Final = 0.25
_LABEL_FILES: Final = (".nii", ".nii.gz", ".dcm")
#: Folders with more files hold slices, not a segmentation.
_FEW_FILES: Final = 40
_MOST_HASHED: Final = 100


def find_sheet(reading: Reading, beside: Path, own: Path, places: Iterable[Path]) -> Sheet | None:
    """A map that was kept and is that of the reading, None if there is none.

    Parameters
    ----------
    reading : Reading
        Made on the slab; not an edit of it.
    beside : Path
        File of the reading.
    own : Path
        Folder of the review.
    places : iterable of Path
        Folders in which one may lie too: results of ``endplate score`` that a store was filled
        from.
    """
    first = (beside.with_name(f"{beside.stem}{SLAB_SUFFIX}"), _own_file(own, reading))
    for path in _and_in_folders(first, places):
        try:
            sheet = read_sheet(path) if path.is_file() else None
        except (EndplateError, OSError):
            continue
        if sheet is not None and _fits(sheet, reading):
            return sheet
    return None


def make_sheet(reading: Reading, ct: Volume, places: Sequence[Path]) -> Sheet:
    """The map made anew, the way it was made when the CT was scored.

    Parameters
    ----------
    ct : Volume
        The whole CT of the reading.
    places : sequence of Path
        Where a segmentation may lie; it is known by its hash.

    Raises
    ------
    InputError
        If that cannot be done, or another slab comes of it.
    """
    labels = None
    if reading.reader.name.startswith(_BY_LABELS):
        labels = _file_of_hash(reading.reader.sha256, places)
        if labels is None:
            raise InputError(
                "the map of this slab was not kept, and the segmentation that it was made from was"
                " not found; name its folder with --films when starting endplate review, or score"
                " the CT again"
            )
    try:
        if labels is None:
            slab: Slab | None = cut_slab(ct, find_column_line(ct))
        else:
            scheme = reading.reader.name.removeprefix(_BY_LABELS)
            known = read_labels(labels, scheme if scheme in SCHEMES else "auto")
            slab = read_ct_labels(ct, known).slab
    except EndplateError:
        slab = None  # told below, without the names of files
    if slab is not None:
        size = (slab.pixels.shape[0], slab.pixels.shape[1])
        sheet = Sheet(slab, size, reading.source.sha256)
        if _fits(sheet, reading):
            return sheet
    raise InputError(
        "the map of this slab was not kept, and another one comes of the CT now;"
        " score the CT again to see its slabs"
    )


def keep_sheet(own: Path, reading: Reading, sheet: Sheet) -> None:
    """Keep a map that was made anew for the next time, where that can be written."""
    path = _own_file(own, reading)
    picture = np.broadcast_to(np.zeros((), np.uint16), sheet.size)
    line = sheet.slab.line
    slab = Slab(picture, line, sheet.slab.spacing, sheet.slab.first_length, sheet.slab.first_front)
    with contextlib.suppress(InputError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sheet(path, slab, sheet.sha256)


def _own_file(own: Path, reading: Reading) -> Path:
    # Ids come from outside, so they do not become file names.
    name = hashlib.sha256(reading.id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return own / _OWN_FOLDER / f"{name}.json"


def _and_in_folders(first: Iterable[Path], places: Iterable[Path]) -> Iterator[Path]:
    yield from first
    for place in places:
        if place.is_dir():
            yield from sorted(place.glob(f"*{SLAB_SUFFIX}"))


def _fits(sheet: Sheet, reading: Reading) -> bool:
    """Whether a map is that of the picture on which a reading was made."""
    source = reading.source
    if sheet.sha256 != source.sha256 or sheet.size != (source.rows, source.columns):
        return False
    for vertebra in reading.vertebrae:
        if vertebra.points_mm is None:
            continue
        apart = np.hypot(*(sheet.slab.to_pixels(vertebra.points_mm) - vertebra.points).T)
        if not np.nanmax(apart, initial=0.0) <= _SAME:
            return False
    return True


def _file_of_hash(wanted: str, places: Iterable[Path]) -> Path | None:
    tried: set[Path] = set()
    for place in places:
        for path in _label_files(place):
            if path in tried or len(tried) >= _MOST_HASHED:
                continue
            tried.add(path)
            try:
                with path.open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() == wanted:
                        return path
            except OSError:
                continue
    return None


def _label_files(place: Path) -> list[Path]:
    """Files that may be a segmentation: a file itself, or those of a folder of few."""
    try:
        files = sorted(p for p in place.iterdir() if p.is_file()) if place.is_dir() else [place]
    except OSError:
        return []
    if len(files) > _FEW_FILES:
        files = [p for p in files if not p.name.lower().endswith(".dcm")]
    return [p for p in files if p.name.lower().endswith(_LABEL_FILES)]
