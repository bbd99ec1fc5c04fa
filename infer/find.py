"""First step of a reading: find the vertebrae on the whole film and name them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import check_level
from endplate.infer.session import Network
from endplate.models.decode import Candidate, FilmScores, decode_film, decode_maps
from endplate.models.frames import film_window
from endplate.models.naming import NamedColumn, NamingConfig, name_column
from endplate.models.resample import ImagePyramid, detector_input

__all__ = ["Anchor", "Found", "find_column"]

#: Body depth, in pixels of the window, that the second look aims at.
_SECOND_LOOK_DEPTH: Final = 38.0
#: The second look is left out where the first already saw bodies of this depth.
_DEEP_ENOUGH: Final = 30.0
_LARGEST_WINDOW: Final = 1024 * 512
_MOST_CANDIDATES: Final = 45
_SIDEWAYS: Final = 4.5
"""Depths that the second look shows on either side of the column."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A level that the user knows: ``L1@x,y``, in pixels of the stored image."""

    level: str
    x: float
    y: float

    @classmethod
    def parse(cls, text: str) -> "Anchor":
        """Read ``L1@812,1440``."""
        level, at, place = text.partition("@")
        x, comma, y = place.partition(",")
        if not at or not comma:
            raise InputError(f"levels {text!r}: expected LEVEL@x,y such as L1@812,1440")
        try:
            return cls(check_level(level.strip()), float(x), float(y))
        except ValueError:
            raise InputError(f"levels {text!r}: x and y must be numbers") from None


@dataclass(frozen=True, eq=False)
class Found:
    """What the detector saw on a film.

    Parameters
    ----------
    scores : FilmScores
    column : NamedColumn or None
        None if there is no vertebra.
    turned : int
        Quarter turns, clockwise as seen, by which the stored film must be turned to stand.
    downward : (2,) array
        Direction from head to foot in the stored film.
    candidates : tuple of Candidate
        All that the column was chosen from.
    """

    scores: FilmScores
    column: NamedColumn | None
    turned: int
    downward: FloatArray
    candidates: tuple[Candidate, ...] = ()


def find_column(
    pyramid: ImagePyramid,
    network: Network,
    config: NamingConfig,
    *,
    anchors: Sequence[Anchor] = (),
) -> Found:
    """Find and name the vertebrae of a film.

    The film is seen as a whole first; where its bodies are small, a second look covers the
    column at a larger scale. Where it looks like no lateral film as stored, it is tried lying
    on its side and upside down.

    Raises
    ------
    InputError
        If an anchor lies on no vertebra that was found.
    """
    best = _look(pyramid, network, config, 0, anchors)
    if best.scores.lateral < 0.5 and best.scores.frontal < 0.5:
        for turned in (1, 2, 3):
            other = _look(pyramid, network, config, turned, ())
            sure = other.scores.lateral > 0.9 and other.column is not None
            if sure and other.scores.lateral > best.scores.lateral:
                best = other
        if best.turned and anchors:
            best = _look(pyramid, network, config, best.turned, anchors)
    return best


def _look(
    pyramid: ImagePyramid,
    network: Network,
    config: NamingConfig,
    turned: int,
    anchors: Sequence[Anchor],
) -> Found:
    rotation, downward = _rotation(turned)
    scores, candidates = _run(pyramid, network, _whole_window(pyramid.shape, rotation))
    column = name_column(candidates, config, downward=downward)
    if column is None:
        if anchors:
            raise InputError(f"levels {anchors[0].level}@...: no vertebra was found on this film")
        return Found(scores, None, turned, downward)
    window = _second_window(pyramid.shape, column, rotation)
    if window is not None:
        _, closer = _run(pyramid, network, window)
        candidates = closer or candidates
    named = _name(candidates, config, downward, anchors)
    return Found(scores, named or column, turned, downward, tuple(candidates))


def _name(
    candidates: list[Candidate],
    config: NamingConfig,
    downward: FloatArray,
    anchors: Sequence[Anchor],
) -> NamedColumn | None:
    return name_column(
        candidates, config, downward=downward, anchors=_match(candidates, anchors) or None
    )


def _match(candidates: Sequence[Candidate], anchors: Sequence[Anchor]) -> Mapping[int, str]:
    out: dict[int, str] = {}
    for anchor in anchors:
        place = np.array([anchor.x, anchor.y])
        wanted = [i for i, c in enumerate(candidates) if c.sacrum == (anchor.level == "S1")]
        near = [
            (float(np.hypot(*(candidates[i].centre - place))) / candidates[i].depth, i)
            for i in wanted
        ]
        if not near or min(near)[0] > 1.0:
            raise InputError(
                f"levels {anchor.level}@{anchor.x:g},{anchor.y:g}: no vertebra was found there;"
                " give the middle of a body in pixels of the stored image"
            )
        out[min(near)[1]] = anchor.level
    return out


def _run(
    pyramid: ImagePyramid, network: Network, window: tuple[FloatArray, tuple[int, int]]
) -> tuple[FilmScores, list[Candidate]]:
    to_film, size = window
    image = detector_input(pyramid.warp(to_film, size))
    maps, film = network.run(image[None])
    return decode_film(film[0]), decode_maps(maps[0], to_film)[:_MOST_CANDIDATES]


def _rotation(turned: int) -> tuple[FloatArray, FloatArray]:
    """(2, 2) map from a standing window to the stored film, and its downward direction."""
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    rotation = np.linalg.matrix_power(quarter, turned)
    return rotation, rotation @ np.array([0.0, 1.0])


def _whole_window(
    shape: tuple[int, int], rotation: FloatArray
) -> tuple[FloatArray, tuple[int, int]]:
    """Window of the whole film as it stands after turning."""
    lying = abs(rotation[0, 1]) > 0.5
    standing = (shape[1], shape[0]) if lying else shape
    to_standing, size = film_window(standing)
    middle_standing = np.array([standing[1] - 1, standing[0] - 1]) / 2
    middle_film = np.array([shape[1] - 1, shape[0] - 1]) / 2
    linear = rotation @ to_standing[:, :2]
    origin = rotation @ (to_standing[:, 2] - middle_standing) + middle_film
    return np.column_stack([linear, origin]), size


def _second_window(
    shape: tuple[int, int], column: NamedColumn, rotation: FloatArray
) -> tuple[FloatArray, tuple[int, int]] | None:
    """Window of the column at a larger scale; None where the first look was close enough."""
    to_film, _ = _whole_window(shape, rotation)
    first_scale = float(np.sqrt(abs(np.linalg.det(to_film[:, :2]))))
    depths = np.array([c.depth for c in column.candidates])
    # the lower bodies are the large ones: half of all is a fair size for them
    depth = float(np.quantile(depths, 0.65))
    if depth / first_scale >= _DEEP_ENOUGH:
        return None
    step = max(depth / _SECOND_LOOK_DEPTH, 1e-3)
    centres = np.array([c.centre for c in column.candidates]) @ rotation
    corners = np.array([[0, 0], [shape[1] - 1, 0], [0, shape[0] - 1], [shape[1] - 1, shape[0] - 1]])
    edges = corners @ rotation
    # the whole height of the film: the first look may have missed the small upper bodies
    aside = np.array([_SIDEWAYS * depth, np.inf])
    low = np.maximum(centres.min(axis=0) - aside, edges.min(axis=0))
    high = np.minimum(centres.max(axis=0) + aside, edges.max(axis=0))
    step = max(step, float(np.sqrt(np.prod(np.maximum(high - low, 1)) / _LARGEST_WINDOW)))
    size = np.maximum(np.ceil((high - low) / step / 64) * 64, 128).astype(int)
    return np.column_stack([rotation * step, rotation @ low]), (int(size[1]), int(size[0]))
