"""CTs of readings: slabs beside the sagittal one, the coronal strip, and the map to the patient."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from endplate.errors import EndplateError, InputError
from endplate.geometry.landmarks import Vertebra
from endplate.imaging.ct.read import looks_like_ct, read_ct
from endplate.imaging.ct.slab import WINDOW, coronal_strip, cut_slabs, parallel_slab, strip_map
from endplate.imaging.ct.slab_file import Sheet
from endplate.imaging.ct.volume import Volume
from endplate.infer.ct_networks import SLABS
from endplate.review.ct_sheets import find_sheet, keep_sheet, make_sheet
from endplate.review.library import FilmEntry, Library, Summary

__all__ = ["ASIDE", "STEP", "VIEW_WINDOW", "CtFilms", "SlabPicture", "strip_values"]

#: How far slabs are shown to either side of the sheet, and in which steps; mm.
ASIDE: Final = 40
STEP: Final = 2
#: Hounsfield units of the least and greatest grey value that a browser gets; cement is brightest.
VIEW_WINDOW: Final = (-1000.0, 2500.0)
_STRIP_SPACING: Final = 1.0
_STRIP_HALF: Final = 70.0
_CACHE_BYTES: Final = 48 * 1024 * 1024
#: CTs that are read in search of the right one; each takes seconds.
_MOST_TRIED: Final = 12
_LINE_POINTS: Final = 80
#: Edges of slabs that are the same lie closer together, mm.
_SAME_PLACE: Final = 0.01

_Pixels = npt.NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class SlabPicture:
    """Pixels, and the values that are black and white at first."""

    pixels: _Pixels
    black: int
    white: int


class CtFilms:
    """Finds the CTs of readings; keeps the one looked at last, cut down to the spine.

    Parameters
    ----------
    library : Library
    places : callable
        Gives paths at which the CT of an entry may lie, the likeliest first.
    """

    def __init__(self, library: Library, places: Callable[[FilmEntry], Iterable[Path]]) -> None:
        self.library, self.places = library, places
        self._sheets: dict[str, Sheet | InputError] = {}
        self._volume: tuple[str, Volume] | None = None
        self._pictures: OrderedDict[tuple[str, str], _Pixels] = OrderedDict()
        self._lock = threading.RLock()

    def sheet(self, entry: FilmEntry) -> Sheet | None:
        """The map of the slab that was read, None if it was not kept and cannot be made anew.

        Making it anew reads the CT, which takes seconds, the first time.
        """
        known = self._sheet(entry)
        return known if isinstance(known, Sheet) else None

    def is_there(self, entry: FilmEntry) -> bool:
        """Whether something lies where the CT should; it is looked into when it is shown."""
        return self.is_open(entry) or any(path.exists() for path in self.places(entry))

    def is_open(self, entry: FilmEntry) -> bool:
        """Whether the CT is the one that was looked at last."""
        return self._volume is not None and self._volume[0] == entry.key

    def slab(self, entry: FilmEntry, aside: int) -> SlabPicture:
        """The slab that lies `aside` mm to the patient's left of the one that was read.

        Raises
        ------
        InputError
            If it is too far aside, or the CT or the map is not there.
        """
        if abs(aside) > ASIDE:
            raise InputError(f"aside {aside} mm: slabs are shown up to {ASIDE} mm to either side")

        def cut(ct: Volume, sheet: Sheet) -> _Pixels:
            return parallel_slab(ct, sheet.slab, sheet.size, aside=float(aside), window=VIEW_WINDOW)

        return _seen(self._picture(entry, f"slab {aside}", cut))

    def as_read(self, entry: FilmEntry) -> _Pixels:
        """The slab as the reader got it.

        Raises
        ------
        InputError
            As `slab`.
        """

        def cut(ct: Volume, sheet: Sheet) -> _Pixels:
            return parallel_slab(ct, sheet.slab, sheet.size)

        return self._picture(entry, "as read", cut)

    def looks(self, entry: FilmEntry) -> list[_Pixels]:
        """The slabs that the networks look at, of the size and place of the one that was read.

        Raises
        ------
        InputError
            As `slab`, or if the reading was made on a slab of another form.
        """
        with self._lock:
            sheet = self._sheet(entry)
            if isinstance(sheet, InputError):
                raise sheet
            cut = cut_slabs(self._ct(entry, sheet), sheet.slab.line, SLABS)
            apart = abs(cut[0].first_front - sheet.slab.first_front)
            if cut[0].pixels.shape != sheet.size or apart > _SAME_PLACE:
                raise InputError("the networks do not know slabs of this form")
            return [slab.pixels for slab in cut]

    def strip(self, entry: FilmEntry) -> SlabPicture:
        """The coronal strip.

        Raises
        ------
        InputError
            As `slab`.
        """

        def cut(ct: Volume, sheet: Sheet) -> _Pixels:
            line = sheet.slab.line
            return coronal_strip(ct, line, spacing=_STRIP_SPACING, half_width=_STRIP_HALF).pixels

        return SlabPicture(self._picture(entry, "strip", cut), 0, 65535)

    def _picture(
        self, entry: FilmEntry, name: str, cut: Callable[[Volume, Sheet], _Pixels]
    ) -> _Pixels:
        with self._lock:
            known = self._pictures.get((entry.key, name))
            if known is not None:
                self._pictures.move_to_end((entry.key, name))
                return known
            sheet = self._sheet(entry)
            if isinstance(sheet, InputError):
                raise sheet
            pixels = cut(self._ct(entry, sheet), sheet)
            self._pictures[entry.key, name] = pixels
            while sum(p.nbytes for p in self._pictures.values()) > _CACHE_BYTES:
                self._pictures.popitem(last=False)
            return pixels

    def _sheet(self, entry: FilmEntry) -> Sheet | InputError:
        """The map, or why there is none; of what the reading that counts goes back to."""
        root = entry.root
        with self._lock:
            if root.id not in self._sheets:
                try:
                    self._sheets[root.id] = self._find_sheet(entry, root)
                except InputError as error:
                    self._sheets[root.id] = error
            return self._sheets[root.id]

    def _find_sheet(self, entry: FilmEntry, root: Summary) -> Sheet:
        reading = self.library.reading(root)
        beside = self.library.folder / root.file
        kept = find_sheet(reading, beside, self.library.own, self.places(entry))
        if kept is not None:
            return kept
        self._volume = None
        ct, path = self._read(entry)
        sheet = make_sheet(reading, ct, [path.parent, *self.places(entry)])
        keep_sheet(self.library.own, reading, sheet)
        self._volume = (entry.key, _around(ct, sheet))
        return sheet

    def _ct(self, entry: FilmEntry, sheet: Sheet) -> Volume:
        """The CT around the spine; whole ones are too large to keep."""
        if not self.is_open(entry):
            self._volume = None  # two at a time would be too large
            self._volume = (entry.key, _around(self._read(entry)[0], sheet))
        assert self._volume is not None, "it was just read"
        return self._volume[1]

    def _read(self, entry: FilmEntry) -> tuple[Volume, Path]:
        """The whole CT, and where it lies."""
        wanted = entry.current.values["sha256"]
        tried = 0
        for path in self.places(entry):
            if tried >= _MOST_TRIED:
                break
            try:
                if not path.exists() or not looks_like_ct(path):
                    continue
                tried += 1
                ct = read_ct(path)
            except EndplateError:
                continue
            if ct.provenance.sha256 == wanted:
                return ct, path
        raise InputError(
            "the CT was not found; name the folder that holds it with --films when starting"
            " endplate review"
        )


def strip_values(sheet: Sheet, vertebrae: Iterable[Vertebra]) -> dict[str, Any]:
    """What a page draws on the coronal strip: the line of the sheet, and the bodies' centres."""
    strip = strip_map(sheet.slab.line, spacing=_STRIP_SPACING, half_width=_STRIP_HALF)
    path = strip.path[:: max(1, len(strip.path) // _LINE_POINTS)]
    centres = [
        (v.level, strip.to_pixels(np.nanmean(v.points_mm, axis=0)))
        for v in vertebrae
        if v.points_mm is not None and np.isfinite(v.points_mm).any()
    ]
    return {
        "mm": _STRIP_SPACING,
        "path": [[round(float(x), 1), round(float(y), 1)] for x, y in path],
        "centres": [[level, round(float(c[0]), 1), round(float(c[1]), 1)] for level, c in centres],
    }


def _seen(pixels: _Pixels) -> SlabPicture:
    low, high = VIEW_WINDOW
    black, white = (round((v - low) / (high - low) * 65535) for v in WINDOW)
    return SlabPicture(pixels, black, white)


def _around(ct: Volume, sheet: Sheet) -> Volume:
    """The part of a CT that slabs and strip can show."""
    rows, columns = sheet.size
    x, y = np.meshgrid(np.linspace(0, columns - 1, 9), np.linspace(0, rows - 1, 40))
    grid = np.stack([x, y], axis=-1)
    reach = max(float(ASIDE), _STRIP_HALF) + 5.0
    places = [sheet.slab.to_patient(grid, aside) for aside in (-reach, 0.0, reach)]
    at = ct.to_indices(np.stack(places).reshape(-1, 3))
    cut = ct.crop(at.min(axis=0) - 2, at.max(axis=0) + 3)
    return ct if cut.voxels.size > 0.8 * ct.voxels.size else cut
