"""Films as the trainer wants them: an image pyramid with the bodies as arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.datasets.film import AnnotatedFilm
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import CORNERS, POINTS, level_index
from endplate.models.frames import body_frame
from endplate.models.resample import ImagePyramid

__all__ = ["CERVICAL", "Body", "TrainFilm", "merge_exact", "to_train_film"]

#: Level index of a body above C7: a body all right, but with no level that is measured.
CERVICAL: Final = -2
#: Level index of a body whose name is not known.
UNNAMED: Final = -1

_CORNER_ROWS: Final = [POINTS.index(c) for c in CORNERS]


@dataclass(frozen=True, eq=False)
class Body:
    """A vertebra to learn from.

    Parameters
    ----------
    points : (6, 2) array
        In pixels of the film; NaN where unknown.
    level : int
        Index in `LEVELS`, `CERVICAL` or `UNNAMED`.
    exact : bool
        Whether the points are good enough to teach the refiner.
    marks : tuple of float
        1 or 0 for each of `MARKS` that the body does or does not bear; NaN where unknown.
    """

    points: FloatArray
    level: int
    exact: bool
    marks: tuple[float, float] = (np.nan, np.nan)

    @property
    def is_sacrum(self) -> bool:
        """Whether only a superior endplate was marked, as on S1."""
        return bool(np.isnan(self.points[[3, 5]]).any() and not np.isnan(self.points[[0, 2]]).any())


@dataclass(frozen=True, eq=False)
class TrainFilm:
    """A film with its bodies, head to foot; see `AnnotatedFilm` for the other fields.

    `levels_known` says whether the names may be learnt; `complete`, whether every body from the
    first to the last marked one is marked and nothing above or below looks like one.
    """

    pyramid: ImagePyramid
    bodies: tuple[Body, ...]
    name: str
    subject: str
    group: str
    view: str
    facing: str | None
    hardware: bool | None
    complete: bool
    anchors: FloatArray
    """(N, 3): x, y, depth of each body, head to foot, in pixels."""
    ignored: FloatArray
    """(M, 3): the same of bodies cut by the border: neither to be found nor to be missed."""


def to_train_film(film: AnnotatedFilm, group: str, *, exact: bool = True) -> TrainFilm:
    """Convert a film; `exact` says whether its points may teach the refiner."""
    named = not film.levels_doubtful
    bodies = [
        Body(v.points, level_index(v.level) if named else UNNAMED, exact, _marks(film, v))
        for v in film.vertebrae
    ]
    others = film.attributes.get("other_bodies") or {}
    bodies += [Body(_corner_points(corners), CERVICAL, False) for corners in others.values()]
    cut = film.attributes.get("cut_bodies") or {}
    ignored = [Body(_corner_points(corners), UNNAMED, False) for corners in cut.values()]
    return _build(film, group, bodies, ignored, film.complete or bool(others))


def merge_exact(coarse: TrainFilm, exact: AnnotatedFilm) -> TrainFilm:
    """Replace the bodies of `coarse` that were read again, by level, with the better points."""
    better = {level_index(v.level): v.points for v in exact.vertebrae}
    bodies = [
        Body(better[b.level], b.level, True, b.marks) if b.level in better else b
        for b in coarse.bodies
    ]
    return TrainFilm(
        coarse.pyramid,
        tuple(bodies),
        coarse.name,
        coarse.subject,
        coarse.group,
        coarse.view,
        coarse.facing,
        coarse.hardware,
        coarse.complete,
        _anchors(bodies),
        coarse.ignored,
    )


def _marks(film: AnnotatedFilm, vertebra: Vertebra) -> tuple[float, float]:
    """Cement and metal of a body: simulated films know; of a real one, only that it has none."""
    if film.attributes.get("simulated"):
        return float(vertebra.cement), float(vertebra.hardware)
    return (0.0, 0.0) if film.attributes.get("hardware") is False else (np.nan, np.nan)


def _corner_points(corners: Sequence[Sequence[float | None]]) -> FloatArray:
    """(6, 2) points from four corners as they stand in an annotation file."""
    points = np.full((6, 2), np.nan)
    points[_CORNER_ROWS] = [[np.nan if c is None else c for c in xy] for xy in corners]
    return points


def _build(
    film: AnnotatedFilm,
    group: str,
    bodies: Iterable[Body],
    ignored: Sequence[Body],
    complete: bool,
) -> TrainFilm:
    usable = [b for b in bodies if not np.isnan(body_frame(b.points)[2])]
    usable.sort(key=lambda b: float(body_frame(b.points)[0][1]))
    hardware = film.attributes.get("hardware")
    return TrainFilm(
        ImagePyramid(film.image),
        tuple(usable),
        film.name,
        film.subject,
        group,
        film.view,
        film.facing,
        None if hardware is None else bool(hardware),
        complete,
        _anchors(usable),
        _anchors(ignored),
    )


def _anchors(bodies: Sequence[Body]) -> FloatArray:
    out = np.full((len(bodies), 3), np.nan)
    for i, body in enumerate(bodies):
        centre, _, depth = body_frame(body.points)
        out[i] = (*centre, depth)
    return out
