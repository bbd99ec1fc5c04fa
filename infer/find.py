"""First step of a reading: find the vertebrae on the whole film and name them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import check_level
from endplate.infer.looks import averaged_maps
from endplate.infer.session import Network
from endplate.models.decode import Candidate, FilmScores, decode_film, decode_maps
from endplate.models.frames import UNIT, film_window
from endplate.models.naming import NamedColumn, NamingConfig, name_column
from endplate.models.resample import ImagePyramid, detector_input

__all__ = ["Anchor", "Found", "find_column", "match_anchors"]

#: Body depth, in pixels of the window, that the second look aims at.
_SECOND_LOOK_DEPTH: Final = 38.0
#: The second look is left out where the first already saw bodies of this depth.
_DEEP_ENOUGH: Final = 30.0
_LARGEST_WINDOW: Final = 1024 * 512
_MOST_CANDIDATES: Final = 45
_SURELY_LATERAL: Final = 0.9
"""Probability of a lateral film above which no other way up is tried."""
_LIKELY_LEANING: Final = 0.5
"""The same below which a film is not read for a patient who leans."""
_AGAINST_INVERTING: Final = 0.5
_AGAINST_TURNING: Final = 1.0
"""Log odds by which a film must look better inverted, or turned, than as it is stored."""
_AGAINST_STEPPING_BACK: Final = 1.0
"""The same for a film seen from twice as far, where few bodies fill it."""
_FROM_AFAR: Final = (512, 320)
"""Rows and columns of the window that shows a film from twice as far."""
_AFAR: Final = ((0, False, True), (0, True, True))
_TURNED: Final = tuple((turn, dark, False) for turn in (1, 2, 3) for dark in (False, True))
"""Other ways of looking: quarter turns, whether inverted, whether from afar."""
_SIDEWAYS: Final = 4.5
"""Depths that the second look shows on either side of the column."""
_Window = tuple[FloatArray, tuple[int, int]]
"""Affine map from a window to the film, and the window's rows and columns."""


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
            anchor = cls(check_level(level.strip()), float(x), float(y))
        except ValueError:
            raise InputError(f"levels {text!r}: x and y must be numbers") from None
        if not (math.isfinite(anchor.x) and math.isfinite(anchor.y)):
            raise InputError(f"levels {text!r}: x and y must be numbers")
        return anchor


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
    inverted : bool
        Whether bright and dark had to be exchanged for bones to be bright.
    downward : (2,) array
        Direction from head to foot in the stored film.
    candidates : tuple of Candidate
        All that the column was chosen from.
    shape : (rows, columns) or None
        Of the film in which the candidates lie.
    lean : float
        Degrees, clockwise as stored, by which the patient was taken to lean; part of `downward`.
    """

    scores: FilmScores
    column: NamedColumn | None
    turned: int
    inverted: bool
    downward: FloatArray
    candidates: tuple[Candidate, ...] = ()
    shape: tuple[int, int] | None = None
    lean: float = 0.0

    @property
    def upright(self) -> FloatArray:
        """(2,) downward direction of the film itself, however the patient leans on it."""
        return _leaning(-self.lean) @ self.downward


def find_column(
    pyramid: ImagePyramid,
    network: Network,
    config: NamingConfig,
    *,
    second: Network | None = None,
    anchors: Sequence[Anchor] = (),
    as_stored: bool = False,
    lean: float = 0.0,
) -> Found:
    """Find and name the vertebrae of a film.

    The film is seen as a whole first, as it is stored and with its contrast inverted; where it
    looks like a lateral film in neither way, also from twice as far, lying on its side and upside
    down. Then the column is looked at closer, at several scales and both ways round.

    Parameters
    ----------
    second : Network or None
        A detector of another training, which takes half of the closer looks.
    as_stored : bool
        Whether the film is known to stand, and its bones to be bright.
    lean : float
        Degrees, clockwise, by which the patient leans on the film, which is then known to stand.
        Nothing is found where it does not look like a lateral film that way.

    Raises
    ------
    InputError
        If an anchor lies on no vertebra that was found.
    """
    look = _first_look(pyramid, network, as_stored, lean)
    film = pyramid.inverted() if look.inverted else pyramid
    rotation, downward = _rotation(look.turned, lean)
    if lean != 0.0 and look.scores.lateral < _LIKELY_LEANING:
        return Found(look.scores, None, look.turned, look.inverted, downward, lean=lean)
    column = name_column(look.candidates, config, downward=downward, shape=film.shape)
    if column is None:
        if anchors:
            raise InputError(f"levels {anchors[0].level}@...: no vertebra was found on this film")
        return Found(look.scores, None, look.turned, look.inverted, downward, lean=lean)
    window = _second_window(film.shape, column, rotation, look.step) or look.window
    candidates = _look_closer(film, network, window, second) or look.candidates
    named = _name(candidates, config, downward, film.shape, anchors)
    return Found(
        look.scores,
        named or column,
        look.turned,
        look.inverted,
        downward,
        tuple(candidates),
        film.shape,
        lean,
    )


@dataclass(frozen=True, eq=False)
class _Look:
    """What one look at the whole film gave, and the window through which."""

    scores: FilmScores
    candidates: list[Candidate]
    turned: int
    inverted: bool
    window: _Window

    @property
    def step(self) -> float:
        """Film pixels to one of the window."""
        return float(np.sqrt(abs(np.linalg.det(self.window[0][:, :2]))))

    @property
    def evidence(self) -> float:
        """Log odds of this being a lateral film, the right way up and bones bright."""
        p = min(max(self.scores.lateral, 1e-4), 1 - 1e-4)
        return math.log(p / (1 - p))


def _first_look(pyramid: ImagePyramid, network: Network, as_stored: bool, lean: float) -> _Look:
    """The way of looking at the film in which it most looks like a lateral film."""

    def look(film: ImagePyramid, turned: int, inverted: bool, afar: bool = False) -> _Look:
        rotation, _ = _rotation(turned, lean)
        window = _far_window(film.shape) if afar else _whole_window(film.shape, rotation)
        scores, candidates = _run(film, network, window)
        return _Look(scores, candidates, turned, inverted, window)

    stored = look(pyramid, 0, False)
    if as_stored:
        return stored
    negative = pyramid.inverted()
    best = stored
    other = look(negative, 0, True)
    if other.evidence > stored.evidence + _AGAINST_INVERTING:
        best = other
    if lean != 0.0 or best.scores.lateral >= _SURELY_LATERAL or stored.scores.frontal > 0.5:
        return best
    for ways, margin in ((_AFAR, _AGAINST_STEPPING_BACK), (_TURNED, _AGAINST_TURNING)):
        for turned, inverted, afar in ways:
            one = look(negative if inverted else pyramid, turned, inverted, afar)
            if one.evidence > best.evidence + margin:
                best = one
        if best.scores.lateral >= _SURELY_LATERAL:
            break
    return best


def _name(
    candidates: list[Candidate],
    config: NamingConfig,
    downward: FloatArray,
    shape: tuple[int, int],
    anchors: Sequence[Anchor],
) -> NamedColumn | None:
    known = match_anchors(candidates, anchors) or None
    return name_column(candidates, config, downward=downward, shape=shape, anchors=known)


def match_anchors(candidates: Sequence[Candidate], anchors: Sequence[Anchor]) -> Mapping[int, str]:
    """Index of a candidate -> level that the user says it has.

    Raises
    ------
    InputError
        If an anchor lies on no candidate.
    """
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
    pyramid: ImagePyramid, network: Network, window: _Window
) -> tuple[FilmScores, list[Candidate]]:
    to_film, size = window
    image = detector_input(pyramid.warp(to_film, size))
    maps, film = network.run(image[None])
    return decode_film(film[0]), decode_maps(maps[0], to_film)[:_MOST_CANDIDATES]


def _look_closer(
    pyramid: ImagePyramid, network: Network, window: _Window, second: Network | None
) -> list[Candidate]:
    maps = averaged_maps(pyramid, network, window, second)
    return decode_maps(maps, window[0])[:_MOST_CANDIDATES]


def _leaning(degrees: float) -> FloatArray:
    """(2, 2) rotation by so many degrees, clockwise as seen."""
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def _rotation(turned: int, lean: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """(2, 2) map from a standing window to the stored film, and its downward direction."""
    quarter = np.array([[0.0, 1.0], [-1.0, 0.0]])
    rotation = _leaning(lean) @ np.linalg.matrix_power(quarter, turned)
    return rotation, rotation @ np.array([0.0, 1.0])


def _whole_window(shape: tuple[int, int], rotation: FloatArray) -> _Window:
    """Window of the whole film as it stands after turning."""
    lying = abs(rotation[0, 1]) > 0.5
    standing = (shape[1], shape[0]) if lying else shape
    to_standing, size = film_window(standing)
    middle_standing = np.array([standing[1] - 1, standing[0] - 1]) / 2
    middle_film = np.array([shape[1] - 1, shape[0] - 1]) / 2
    linear = rotation @ to_standing[:, :2]
    origin = rotation @ (to_standing[:, 2] - middle_standing) + middle_film
    return np.column_stack([linear, origin]), size


def _far_window(shape: tuple[int, int]) -> _Window:
    """Window with the film, at half the usual scale, in its middle."""
    to_film, _ = film_window(shape)
    step = 2.0 * float(to_film[0, 0])
    middle = np.array([shape[1] - 1, shape[0] - 1]) / 2
    origin = middle - step * (np.array([_FROM_AFAR[1], _FROM_AFAR[0]]) - 1) / 2
    return np.array([[step, 0.0, origin[0]], [0.0, step, origin[1]]]), _FROM_AFAR


def _second_window(
    shape: tuple[int, int], column: NamedColumn, rotation: FloatArray, first_step: float
) -> _Window | None:
    """Window of the column at a larger scale; None where the first look was close enough.

    `first_step` is the film pixels to one pixel of the first look.
    """
    depths = np.array([c.depth for c in column.candidates])
    # the lower bodies are the large ones: half of all is a fair size for them
    depth = float(np.quantile(depths, 0.65))
    if depth / first_step >= _DEEP_ENOUGH:
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
    size = np.maximum(np.ceil((high - low) / step / UNIT) * UNIT, 2 * UNIT).astype(int)
    return np.column_stack([rotation * step, rotation @ low]), (int(size[1]), int(size[0]))
