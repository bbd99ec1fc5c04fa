"""The points of a subject's films as arrays, fronts to the same side, in depths of a body."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import LEVELS
from endplate.study.body_shape import depth_of
from endplate.study.reading import Reading

__all__ = ["Films"]

#: Levels on either side of a changing body that are used.
_REACH: Final = 3
#: Name of the reader where networks of endplate read.
_NETWORK: Final = "endplate"
_FACING: Final = np.tile([-1.0, 1.0], 6)


@dataclass(frozen=True, eq=False)
class Films:
    """Points of T films and J bodies, fronts to the same side, in mean depths of the film.

    points (T, J, 6, 2), NaN where a body is not used; covariance (T, J, 12, 12); factor (T, 2):
    pixels per unit of x and y, x negative where the film was mirrored; network (T,): whether a
    network read the film.
    """

    levels: tuple[str, ...]
    points: FloatArray
    covariance: FloatArray
    factor: FloatArray
    changing: np.ndarray
    network: np.ndarray

    @classmethod
    def of(cls, readings: Sequence[Reading], changing: Collection[str]) -> "Films | None":
        usable = [
            {} if r.source.modality == "CT" else {v.level: v for v in r.vertebrae if _complete(v)}
            for r in readings
        ]
        counts = {x: sum(x in film for film in usable) for x in LEVELS}
        near = [i for i, x in enumerate(LEVELS) if x in changing]
        levels = tuple(
            x
            for i, x in enumerate(LEVELS)
            if counts[x] >= 2 and any(abs(i - k) <= _REACH for k in near)
        )
        if not set(levels) & set(changing):
            return None
        shape = (len(readings), len(levels))
        points = np.full((*shape, 6, 2), np.nan)
        covariance = np.zeros((*shape, 12, 12))
        scale = np.array([r.calibration.scale_xy for r in readings])
        for t, film in enumerate(usable):
            for j, level in enumerate(levels):
                if level in film:
                    points[t, j] = film[level].points * scale[t]
                    both = np.tile(scale[t], 6)
                    covariance[t, j] = film[level].covariance * np.outer(both, both)
        mirrored = np.array([_turn(film) < 0 for film in points])
        points[mirrored] *= [-1.0, 1.0]
        covariance[mirrored] *= np.outer(_FACING, _FACING)
        unit = _units(points)
        signs = np.where(mirrored[:, None], [-1.0, 1.0], 1.0)
        return cls(
            levels,
            points / unit[:, None, None, None],
            covariance / unit[:, None, None, None] ** 2,
            unit[:, None] * signs / scale,
            np.array([x in changing for x in levels]),
            np.array([r.reader.kind == "model" and r.reader.name == _NETWORK for r in readings]),
        )


def _complete(body: Vertebra) -> bool:
    if body.covariance is None or body.level == "S1":
        return False
    own = np.linalg.norm(body.points - body.points.mean(axis=0), axis=1)
    return bool(np.isfinite(body.covariance).all() and np.isfinite(own).all() and own.min() > 0)


def _turn(points: FloatArray) -> float:
    """Sign of which side the fronts of (J, 6, 2) bodies are on."""
    forward = points[:, 0] - points[:, 2] + points[:, 5] - points[:, 3]
    down = points[:, 5] - points[:, 0] + points[:, 3] - points[:, 2]
    cross = forward[:, 0] * down[:, 1] - forward[:, 1] * down[:, 0]
    return float(np.nansum(cross))


def _units(points: FloatArray) -> FloatArray:
    """(T,) length of a mean body's depth on each film; 1 for films that show nothing."""
    depth = depth_of(points)
    seen = np.isfinite(depth).any(axis=1)
    unit = np.ones(len(points))
    for _ in range(3):
        body = np.nanmedian(depth[seen] / unit[seen, None], axis=0)
        unit[seen] = np.nanmedian(depth[seen] / body, axis=1)
    unit[seen] *= float(np.nanmedian(depth[seen] / unit[seen, None]))
    return unit
