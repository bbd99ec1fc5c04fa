"""Help of the networks while a person works: place a body at a click, snap a body again."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.errors import EndplateError, InputError
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import above, below, level_index
from endplate.imaging.radiograph import Radiograph
from endplate.infer.ct_networks import ROUGH_SD
from endplate.infer.pipeline import FilmReader
from endplate.infer.refine import Refined, refine
from endplate.infer.square import (
    from_square,
    shrink_covariance,
    stretch_of,
    to_square,
    with_square,
)
from endplate.models.resample import ImagePyramid

__all__ = [
    "LEAST_MASS",
    "Assistant",
    "Slabs",
    "SnapStore",
    "body_at",
    "clearness",
    "level_at",
    "refuse_twice",
]

#: Gives pictures of one place.
Slabs = Callable[[], Sequence[npt.NDArray[np.uint16]]]

_MOST_SNAPS: Final = 5000
#: A body that the refiner moved further than this, in depths, was not the one clicked.
_FAR: Final = 0.8
#: Centres of two bodies are further apart than this, in depths.
_SAME: Final = 0.5
#: Least mean mass of the heat maps of a body: the greatest hundredth that 99 % of the bodies of
#: simulated films pass; see ``benchmarks/assist.py``, which tries it on real ones too.
LEAST_MASS: Final = 0.91


class SnapStore:
    """Vertebrae that the refiner placed, by token; the oldest are forgotten."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, Vertebra] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, vertebra: Vertebra) -> str:
        """Keep a vertebra and name it."""
        token = secrets.token_hex(8)
        with self._lock:
            self._items[token] = vertebra
            while len(self._items) > _MOST_SNAPS:
                self._items.popitem(last=False)
        return token

    def get(self, token: str) -> Vertebra | None:
        """The vertebra of a token."""
        with self._lock:
            return self._items.get(token)


class Assistant:
    """The refiner, loaded when it is first needed.

    Parameters
    ----------
    weights : Path or None
        Folder of the networks, by default those of the package.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self.weights = weights
        self._reader: FilmReader | None = None
        self._error = ""
        self._lock = threading.Lock()
        self._pictures: tuple[str, list[ImagePyramid]] | None = None

    def unavailable(self) -> str:
        """Why there is no help, empty if there is."""
        try:
            self._load()
        except EndplateError as error:
            return str(error)
        return ""

    def knows_slabs(self) -> bool:
        """Whether the networks have seen slabs of CTs.

        Raises
        ------
        InputError
            If they are not installed.
        """
        return bool(self._load().refiner.metadata.training.get("ct_slabs"))

    def snap(
        self,
        film: Radiograph,
        body: FloatArray,
        level: str,
        down: FloatArray,
        *,
        inverted: bool = False,
        slabs: Slabs | None = None,
    ) -> Vertebra:
        """Place the six points of the body near rough ones.

        Parameters
        ----------
        body : (6, 2) array
            Rough points; inferior ones NaN for the sacrum.
        down : (2,) array
            Direction from head to foot.
        inverted : bool
            Whether bone is dark on the film.
        slabs : callable or None
            Of a CT: gives the slabs of the film's size that are looked at instead of it.

        Raises
        ------
        InputError
            If the networks are not installed, or find no body there.
        """
        found = self.look(film, body, down, inverted=inverted, slabs=slabs)
        stretch = stretch_of(film.calibration)
        rough = to_square(body, stretch)
        apart = np.hypot(*(np.nanmean(found.points, axis=0) - np.nanmean(rough, axis=0)))
        if not apart <= _FAR * found.depth or clearness(found) < LEAST_MASS:
            raise InputError("no vertebral body was found there; place its corners by hand")
        points = from_square(found.points, stretch)
        return Vertebra(level, points, shrink_covariance(found.covariance, stretch))

    def look(
        self,
        film: Radiograph,
        body: FloatArray,
        down: FloatArray,
        *,
        inverted: bool = False,
        slabs: Slabs | None = None,
    ) -> Refined:
        """What the refiner makes of rough points, in square pixels, whether a body is there or not.

        Parameters and errors are those of `snap`.
        """
        reader = self._load()
        stretch = stretch_of(film.calibration)
        with self._lock:
            pictures = self._pictures_of(film, inverted, slabs)
            errors = reader.calibrations.points if slabs is None else reader.slab_errors
            rough = to_square(body, stretch)
            prior = None if slabs is None else ROUGH_SD
            (found,) = refine(
                pictures, [rough], reader.refiner, errors, [down * stretch], prior=prior
            )
        return found

    def _pictures_of(
        self, film: Radiograph, inverted: bool, slabs: Slabs | None
    ) -> list[ImagePyramid]:
        name = f"{film.sha256} {inverted} {slabs is None} {film.pixels.shape}"
        if self._pictures is None or self._pictures[0] != name:
            if slabs is not None:
                made = [ImagePyramid(pixels) for pixels in slabs()]
            else:
                pyramid = ImagePyramid(with_square(film.pixels, stretch_of(film.calibration)))
                made = [pyramid.inverted() if inverted else pyramid]
            self._pictures = (name, made)
        return self._pictures[1]

    def _load(self) -> FilmReader:
        with self._lock:
            if self._error:
                raise InputError(self._error)
            if self._reader is None:
                try:
                    self._reader = FilmReader(self.weights, threads=0)
                except EndplateError:
                    # Not with the path of the machine: this goes to browsers.
                    self._error = "the networks are not part of this installation"
                    raise InputError(self._error) from None
            return self._reader


def clearness(found: Refined) -> float:
    """How clearly the network saw the points that it placed: their mean mass, 0 to 1."""
    seen = np.isfinite(found.points[:, 0])
    return float(np.mean(found.mass[seen]))


def refuse_twice(centre: FloatArray, others: Sequence[Vertebra]) -> None:
    """Refuse a body, or a click, at a place where one is marked already.

    Raises
    ------
    InputError
        If the centre of another lies within half its depth.
    """
    for other in others:
        if np.hypot(*(centre - other.centre)) < _SAME * other.depth_px:
            raise InputError(f"{other.level} is marked there already")


def level_at(vertebrae: Sequence[Vertebra], y: float) -> str:
    """Name for a body at that height: the free one next to its neighbours, else L1.

    Parameters
    ----------
    vertebrae : sequence of Vertebra
        Those on the film, with different levels.
    """
    if not vertebrae:
        return "L1"
    taken = {v.level for v in vertebrae}
    order = sorted(vertebrae, key=lambda v: float(v.centre[1]))
    higher = [v for v in order if v.centre[1] < y]
    lower = [v for v in order if v.centre[1] >= y]
    tries = []
    if higher:
        tries.append(below(higher[-1].level))
    if lower:
        tries.append(above(lower[0].level))
    free = [x for x in tries if x is not None and x not in taken]
    if free:
        return free[0]
    others = [x for x in ("T13", "L6") if x not in taken]
    if higher and lower:
        gap = range(level_index(higher[-1].level) + 1, level_index(lower[0].level))
        others = [x for x in others if level_index(x) in gap]
    if others:
        return others[0]
    raise InputError("no name is free there: shift the levels of the other bodies first")


def body_at(
    vertebrae: Sequence[Vertebra], x: float, y: float, level: str, rows: int
) -> tuple[FloatArray, FloatArray]:
    """Rough points of a body centred at a click, like its neighbours; and the way down.

    Parameters
    ----------
    rows : int
        Of the film: without neighbours a body is taken as a fourteenth of it deep.

    Returns
    -------
    points : (6, 2) array
    down : (2,) array
    """
    click = np.array([x, y])
    whole = [v for v in vertebrae if not np.isnan(v.points).any()]
    near = sorted(whole, key=lambda v: float(np.hypot(*(v.centre - click))))[:2]
    if near:
        weights = np.array([1 / max(float(np.hypot(*(v.centre - click))), 1.0) for v in near])
        shapes = np.stack([v.points - v.points.mean(axis=0) for v in near])
        shape = np.tensordot(weights / weights.sum(), shapes, axes=1)
    else:
        half, tall = rows / 28, rows / 36
        facing = _facing(vertebrae)
        shape = np.array([[1, -1], [0, -0.95], [-1, -1], [-1, 1], [0, 0.95], [1, 1]]) * np.array(
            [half * facing, tall]
        )
    down = shape[[3, 5]].mean(axis=0) - shape[[0, 2]].mean(axis=0)
    points: FloatArray = shape + click
    if level == "S1":
        points = points - shape[[0, 2]].mean(axis=0)
        points[3:] = np.nan
    return points, down


def _facing(vertebrae: Sequence[Vertebra]) -> int:
    forward = [float(v.points[0, 0] - v.points[2, 0]) for v in vertebrae]
    return -1 if forward and np.nansum(forward) < 0 else 1
