"""The quality gate: may this reading be trusted, and if not, why (reasons are data).

An image is rejected as no lateral film by all the evidence of both networks, weighed as fitted
(`endplate.train.gate`); readings of laterals are flagged. The limits are in `GateLimits`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.infer.evidence import FEATURES, evidence
from endplate.infer.filmlook import FilmLook
from endplate.infer.find import Found
from endplate.models.calibration import Calibrations
from endplate.models.gatelimits import GateLimits
from endplate.study.reading import Quality, Reason

__all__ = ["LEANS", "REASON_CODES", "SURELY_FRONTAL", "column_tilt", "judge_quality", "may_lean"]

#: Every code the gate may give, with whether it rejects or only flags.
REASON_CODES: Final = {
    "blank_image": "rejects",
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
    "tilted": "flags",
    "overexposed": "flags",
    "underexposed": "flags",
    "low_contrast": "flags",
    "noisy": "flags",
    "blurred": "flags",
    "compressed": "flags",
}

#: Degrees by which a patient may lean on a film that is looked at once more.
LEANS: Final = (-22.0, 22.0)
#: Probability of a frontal film above which it is not.
SURELY_FRONTAL: Final = 0.5
_FEWEST: Final = 2
_COMFORTABLE: Final = 4
_TURNED: Final = 8.0
"""Degrees in its frame beyond which a picture counts as turned."""
_AT_THE_BORDER: Final = 0.03
"""Depths from the border within which a point may be one that lies beyond it."""
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
    *,
    look: FilmLook | None = None,
) -> Quality:
    """Verdict with reasons.

    Parameters
    ----------
    level_probability : float
        Probability of the naming as a whole.
    size : (rows, columns)
        Of the stored image.
    look : FilmLook or None
        What the pixels say; None leaves that out.
    """
    rejections = _rejections(found, vertebrae, calibrations, look)
    if rejections:
        return Quality("rejected", tuple(rejections))
    flags = [
        *_naming_flags(vertebrae, level_probability, calibrations, index_level),
        *_point_flags(vertebrae, size, calibrations),
        *_film_flags(found, vertebrae, calibrations.gate),
    ]
    if look is not None:
        flags += _look_flags(look, calibrations.gate)
    flags = list({reason.code: reason for reason in flags}.values())
    return Quality("flagged" if flags else "accepted", tuple(flags))


def may_lean(found: Found, quality: Quality) -> bool:
    """Whether a rejected image may be a lateral film on which the patient leans.

    The networks are used to patients who stand up to some 15 degrees aslant.
    """
    codes = {reason.code for reason in quality.reasons}
    wrong_view = quality.status == "rejected" and bool(codes & {"not_a_spine", "not_lateral"})
    return wrong_view and found.scores.frontal <= SURELY_FRONTAL


def _rejections(
    found: Found,
    vertebrae: Sequence[Vertebra],
    calibrations: Calibrations,
    look: FilmLook | None,
) -> list[Reason]:
    if look is not None and look.blank:
        return [Reason("blank_image", "this image shows nothing, or nothing but noise")]
    view = _view_rejection(found, vertebrae, calibrations, look)
    if view is not None:
        return [view]
    if not vertebrae:
        return [Reason("not_a_spine", "no vertebra was found on this image")]
    if len(vertebrae) < _FEWEST:
        return [
            Reason(
                "too_few_vertebrae",
                f"only {len(vertebrae)} vertebra was found; at least {_FEWEST} are needed",
            )
        ]
    depth = _depth(vertebrae)
    if depth < _SMALLEST_DEPTH:
        return [
            Reason(
                "resolution_too_low",
                f"vertebrae are only {depth:.0f} pixels deep; at least {_SMALLEST_DEPTH:.0f} are"
                " needed to measure anything",
            )
        ]
    return []


def _view_rejection(
    found: Found,
    vertebrae: Sequence[Vertebra],
    calibrations: Calibrations,
    look: FilmLook | None,
) -> Reason | None:
    """Whether the image is no lateral film: by all the evidence, or by the view alone."""
    scores, gate = found.scores, calibrations.gate
    weak = ""
    if look is not None and gate.weights:
        features = evidence(found, look)
        if gate.score(features) >= gate.evidence:
            return None
        name = gate.weakest(features)
        weak = "" if name in ("", "view") else f"; {FEATURES[name]}"
    elif scores.lateral >= calibrations.lateral:
        return None
    if scores.frontal >= max(scores.other, scores.lateral):
        return Reason(
            "not_lateral",
            f"this looks like a frontal view (probability {scores.frontal:.2f}); lateral films"
            " only",
        )
    return Reason(
        "not_a_spine",
        "this does not look like a lateral film of the spine (probability"
        f" {scores.lateral:.2f}){weak}{_too_few(vertebrae)}",
    )


def _too_few(vertebrae: Sequence[Vertebra]) -> str:
    """What to add of an image on which hardly anything was found, such as one cut too closely."""
    if len(vertebrae) >= _COMFORTABLE:
        return ""
    n = len(vertebrae) or "no"
    return f"; {n} {'body was' if n == 1 else 'bodies were'} found: fewer than {_COMFORTABLE}"


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
    names = [v.level for v in vertebrae]
    if level_probability < calibrations.level_probability:
        unsure = [
            v.level for v in vertebrae if v.level_probability < calibrations.level_probability
        ]
        which = "the level names may all"
        if unsure and len(unsure) < len(names):
            which = f"the level names of {', '.join(unsure)} may"
        out.append(
            Reason(
                "level_uncertain",
                f"{which} be off by one (probability of all names being right"
                f" {level_probability:.2f}); check them, or give one with --levels L1@x,y",
            )
        )
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
    cut = [v.level for v in vertebrae if _is_cut(v, size)]
    if cut:
        out.append(Reason("cut_by_border", f"cut by the edge of the film: {', '.join(cut)}"))
    depth = _depth(vertebrae)
    if depth < _COARSEST_DEPTH:
        out.append(
            Reason(
                "low_resolution",
                f"vertebrae are only {depth:.0f} pixels deep; points cannot be better than about"
                " a pixel",
            )
        )
    return out


def _depth(vertebrae: Sequence[Vertebra]) -> float:
    """Median depth of the bodies in pixels; infinite where it is not known."""
    depths = [v.depth_px for v in vertebrae if np.isfinite(v.depth_px)]
    return float(np.median(depths)) if depths else float("inf")


def _film_flags(found: Found, vertebrae: Sequence[Vertebra], gate: GateLimits) -> list[Reason]:
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
    if scores.hardware > gate.hardware or any(v.hardware for v in vertebrae):
        out.append(Reason("hardware", "metal is visible: check the points beside it"))
    tilt = column_tilt(vertebrae, found.upright)
    if abs(tilt) > gate.tilt:
        out.append(
            Reason(
                "tilted",
                f"the spine leans by {abs(tilt):.0f} degrees on this image: what is measured"
                " against the vertical is true only if it leant like that",
            )
        )
    return out


def column_tilt(vertebrae: Sequence[Vertebra], downward: FloatArray) -> float:
    """Degrees between the column, from its first to its last body, and the upright image."""
    bodies = [v for v in vertebrae if v.level != "S1"]
    if len(bodies) < _FEWEST:
        return 0.0
    way = bodies[-1].centre - bodies[0].centre
    sideways = np.array([-downward[1], downward[0]])
    return float(np.degrees(np.arctan2(way @ sideways, way @ downward)))


def _look_flags(look: FilmLook, gate: GateLimits) -> list[Reason]:
    """What the pixels lack."""
    out = []
    if abs(look.turned) > _TURNED:
        out.append(Reason("tilted", f"the picture was turned by {abs(look.turned):.0f} degrees"))
    if look.burnt > gate.burnt:
        out.append(
            Reason("overexposed", f"{100 * look.burnt:.1f} % of the bodies is black: over-exposed")
        )
    if look.white > gate.white:
        out.append(
            Reason(
                "underexposed", f"{100 * look.white:.1f} % of the bodies is white: under-exposed"
            )
        )
    if look.levels < gate.levels:
        out.append(
            Reason("low_contrast", f"the bodies have only {look.levels:.0f} different grey values")
        )
    if look.noise > gate.noise:
        out.append(
            Reason("noisy", f"noise is {100 * look.noise:.0f} % of the contrast of the bodies")
        )
    if look.sharpness < gate.sharpness:
        out.append(Reason("blurred", "the edges of the bodies are blurred"))
    if look.blocks > gate.blocks:
        out.append(Reason("compressed", "the image was compressed so strongly that blocks show"))
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


def _is_cut(vertebra: Vertebra, size: tuple[int, int]) -> bool:
    seen = vertebra.points[~np.isnan(vertebra.points).any(axis=1)]
    depth = vertebra.depth_px
    margin = max(1.0, _AT_THE_BORDER * depth if np.isfinite(depth) else 0.0)
    x, y = seen[:, 0], seen[:, 1]
    return bool(
        (x < margin).any()
        or (y < margin).any()
        or (x > size[1] - 1 - margin).any()
        or (y > size[0] - 1 - margin).any()
    )
