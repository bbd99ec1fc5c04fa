"""The quality gate: may this reading be trusted, and if not, why (reasons are data)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.infer.find import Found
from endplate.models.calibration import Calibrations
from endplate.study.reading import Quality, Reason

__all__ = ["REASON_CODES", "judge_quality"]

#: Every code the gate may give, with whether it rejects or only flags.
REASON_CODES: Final = {
    "not_a_spine": "rejects",
    "not_lateral": "rejects",
    "too_few_vertebrae": "rejects",
    "resolution_too_low": "rejects",
    "few_vertebrae": "flags",
    "index_level_missing": "flags",
    "level_uncertain": "flags",
    "point_uncertain": "flags",
    "implausible_shape": "flags",
    "cut_by_border": "flags",
    "low_resolution": "flags",
    "facing_unclear": "flags",
    "image_turned": "flags",
    "hardware": "flags",
    "contrast_inverted": "flags",
}

_FEWEST: Final = 2
_COMFORTABLE: Final = 4
_SMALLEST_DEPTH: Final = 20.0
_COARSEST_DEPTH: Final = 60.0
"""Pixels of body depth below which a pixel is more than 1.7 % of the depth."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Limits of a believable body: heights over depth."""

    lowest: float = 0.25
    highest: float = 1.6


def judge_quality(
    found: Found,
    vertebrae: Sequence[Vertebra],
    level_probability: float,
    size: tuple[int, int],
    calibrations: Calibrations,
    index_level: str | None,
) -> Quality:
    """Verdict with reasons.

    Parameters
    ----------
    level_probability : float
        Probability of the naming as a whole.
    size : (rows, columns)
        Of the stored image.
    """
    rejections = _rejections(found, vertebrae, calibrations)
    flags = [
        *_naming_flags(vertebrae, level_probability, calibrations, index_level),
        *_point_flags(vertebrae, size, calibrations),
        *_film_flags(found),
    ]
    if rejections:
        return Quality("rejected", tuple(rejections))
    return Quality("flagged" if flags else "accepted", tuple(flags))


def _rejections(
    found: Found, vertebrae: Sequence[Vertebra], calibrations: Calibrations
) -> list[Reason]:
    scores = found.scores
    if scores.lateral < calibrations.lateral:
        if scores.frontal >= scores.other:
            return [
                Reason(
                    "not_lateral",
                    f"this looks like a frontal view (probability {scores.frontal:.2f});"
                    " lateral films only",
                )
            ]
        return [
            Reason(
                "not_a_spine",
                "this does not look like a lateral film of the spine (probability"
                f" {scores.lateral:.2f})",
            )
        ]
    if not vertebrae:
        return [Reason("not_a_spine", "no vertebra was found on this image")]
    if len(vertebrae) < _FEWEST:
        return [
            Reason(
                "too_few_vertebrae",
                f"only {len(vertebrae)} vertebra was found; at least {_FEWEST} are needed",
            )
        ]
    depths = [v.depth_px for v in vertebrae if np.isfinite(v.depth_px)]
    if depths and float(np.median(depths)) < _SMALLEST_DEPTH:
        return [
            Reason(
                "resolution_too_low",
                f"vertebrae are only {np.median(depths):.0f} pixels deep; at least"
                f" {_SMALLEST_DEPTH:.0f} are needed to measure anything",
            )
        ]
    return []


def _naming_flags(
    vertebrae: Sequence[Vertebra],
    level_probability: float,
    calibrations: Calibrations,
    index_level: str | None,
) -> list[Reason]:
    out = []
    if _FEWEST <= len(vertebrae) < _COMFORTABLE:
        out.append(
            Reason("few_vertebrae", f"only {len(vertebrae)} vertebrae were found on this film")
        )
    if level_probability < calibrations.level_probability:
        out.append(
            Reason(
                "level_uncertain",
                "the level names may all be off by one (probability of being right"
                f" {level_probability:.2f}); check them, or give one with --levels L1@x,y",
            )
        )
    names = [v.level for v in vertebrae]
    if index_level is not None and index_level not in names:
        out.append(
            Reason(
                "index_level_missing",
                f"{index_level} was not found; found: {', '.join(names)}",
            )
        )
    return out


def _point_flags(
    vertebrae: Sequence[Vertebra], size: tuple[int, int], calibrations: Calibrations
) -> list[Reason]:
    out = []
    doubtful = [v.level for v in vertebrae if _worst_sd(v) > calibrations.point_sd]
    if doubtful:
        out.append(Reason("point_uncertain", f"points are uncertain on {', '.join(doubtful)}"))
    odd = [v.level for v in vertebrae if not _plausible(v)]
    if odd:
        out.append(Reason("implausible_shape", f"implausible outline on {', '.join(odd)}"))
    cut = [v.level for v in vertebrae if _is_cut(v.points, size)]
    if cut:
        out.append(Reason("cut_by_border", f"cut by the edge of the film: {', '.join(cut)}"))
    depths = [v.depth_px for v in vertebrae if np.isfinite(v.depth_px)]
    if depths and float(np.median(depths)) < _COARSEST_DEPTH:
        out.append(
            Reason(
                "low_resolution",
                f"vertebrae are only {np.median(depths):.0f} pixels deep; points cannot be"
                " better than about a pixel",
            )
        )
    return out


def _film_flags(found: Found) -> list[Reason]:
    out = []
    scores = found.scores
    if 0.2 < scores.facing_right < 0.8:
        out.append(Reason("facing_unclear", "which way the patient faces is not clear"))
    if found.turned:
        out.append(
            Reason("image_turned", f"the film was read turned by {90 * found.turned} degrees")
        )
    if found.inverted:
        out.append(Reason("contrast_inverted", "bone is dark on this image: contrast inverted"))
    if scores.hardware > 0.8:
        out.append(Reason("hardware", "metal is visible: check the points beside it"))
    return out


def _worst_sd(vertebra: Vertebra) -> float:
    """Largest standard deviation of a point in body depths; 0 where nothing is known."""
    if vertebra.covariance is None:
        return 0.0
    variance = np.diag(vertebra.covariance)
    if np.isnan(variance).all() or not np.isfinite(vertebra.depth_px):
        return 0.0
    return float(np.sqrt(np.nanmax(variance))) / max(vertebra.depth_px, 1e-6)


def _plausible(vertebra: Vertebra, limits: _Shape | None = None) -> bool:
    limits = limits or _Shape()
    points = vertebra.points
    if np.isnan(points[[0, 2, 3, 5]]).any():
        return True
    depth = 0.5 * float(np.hypot(*(points[0] - points[2])) + np.hypot(*(points[5] - points[3])))
    heights = [float(np.hypot(*(points[a] - points[b]))) / depth for a, b in ((0, 5), (2, 3))]
    convex = _turns_one_way(points[[0, 2, 3, 5]])
    return convex and all(limits.lowest <= h <= limits.highest for h in heights)


def _turns_one_way(corners: FloatArray) -> bool:
    """Whether a quadrilateral is convex, its edges not crossing."""
    edges = np.roll(corners, -1, axis=0) - corners
    after = np.roll(edges, -1, axis=0)
    cross = edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0]
    return bool((cross > 0).all() or (cross < 0).all())


def _is_cut(points: FloatArray, size: tuple[int, int]) -> bool:
    seen = points[~np.isnan(points).any(axis=1)]
    x, y = seen[:, 0], seen[:, 1]
    return bool(
        (x < 1).any() or (y < 1).any() or (x > size[1] - 2).any() or (y > size[0] - 2).any()
    )
