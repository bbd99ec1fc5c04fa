"""Heights of a body, what they would be without the fracture, and the loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.geometry.calibration import Calibration
from endplate.geometry.column import Column, Flags, Grade, level_column
from endplate.geometry.dual import Dual, constant, maximum, where
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.physiology import Physiology
from endplate.geometry.stack import Stack

__all__ = ["Predicted", "genant_grade", "genant_shape", "height_columns", "length_flags"]

#: Height, its letter in the names, its field in the table of normal values.
_HEIGHTS: Final = (("ant", "Ha", "ha_mm"), ("mid", "Hm", "hm_mm"), ("post", "Hp", "hp_mm"))

#: Losses in percent from which each Genant-type grade begins.
_GENANT: Final = (20.0, 25.0, 40.0)


@dataclass(frozen=True)
class Predicted:
    """What a quantity of each level would be, told from its neighbours.

    Parameters
    ----------
    quantity : Dual (N,)
        NaN where there is nothing to tell it from.
    flags : tuple of tuple of str
        How it was told, where that was not the mean of two intact adjacent levels.
    sources : tuple of tuple of str
        The landmarks used, such as ``("ant(T12)", "ant(L2)")``.
    """

    quantity: Dual
    flags: tuple[Flags, ...]
    sources: tuple[tuple[str, ...], ...]


def length_flags(calibration: Calibration) -> Flags:
    """What is to be said of every length in millimetres."""
    if calibration.source == "detector":
        return ("detector_plane",)
    return ("calibration_unknown",) if calibration.source == "unknown" else ()


def genant_grade(loss_pct: float) -> float:
    """Genant-type grade 0 to 3 of the greatest height loss; NaN stays NaN."""
    if np.isnan(loss_pct):
        return float("nan")
    mild, moderate, severe = _GENANT
    if loss_pct > severe:
        return 3.0
    return float((loss_pct >= mild) + (loss_pct >= moderate))


def genant_shape(ant_pct: float, mid_pct: float, post_pct: float) -> str:
    """``wedge``, ``biconcave``, ``crush``, or an empty string below grade 1 or with a NaN.

    Crush: anterior and posterior height are both lost, from the mildest grade on.
    """
    losses = (ant_pct, mid_pct, post_pct)
    if np.isnan(losses).any() or max(losses) < _GENANT[0]:
        return ""
    if post_pct >= _GENANT[0] or post_pct == max(losses):
        return "crush"
    return "wedge" if ant_pct >= mid_pct else "biconcave"


def height_columns(stack: Stack, physiology: Physiology, calibration: Calibration) -> list[Column]:
    """Heights, depths, ratios, predicted heights, losses and grades of each level."""
    n = stack.n
    heights = {key: stack.heights[key][:n] for key, _, _ in _HEIGHTS}
    replaced: list[Flags] = [
        ("middle_from_corners",) if x else () for x in stack.middle_replaced[:n]
    ]
    none: list[Flags] = [()] * n
    columns = _ratios(stack, heights, replaced)
    if calibration.is_metric:
        columns += _lengths(stack, heights, replaced, length_flags(calibration))
    losses: dict[str, Dual] = {}
    for key, letter, field in _HEIGHTS:
        table = np.array([physiology.value(x, field) for x in stack.levels])
        predicted = _predicted(stack, stack.heights[key], key, table, calibration)
        own = _also_replaced(stack, replaced, predicted) if key == "mid" else none
        losses[key] = (1.0 - heights[key] / predicted.quantity) * 100.0
        columns += _against_predicted(
            stack, key, letter, heights[key], predicted, losses[key], own, calibration
        )
    columns.append(_greatest_loss(stack, losses, columns))
    columns.append(_area_loss(stack, physiology, calibration))
    return columns


def _ratios(stack: Stack, heights: dict[str, Dual], replaced: list[Flags]) -> list[Column]:
    ant, mid, post = (("ant", "self"), ("mid", "self"), ("post", "self"))
    return [
        level_column(stack, "Ha_Hp", "ratio", heights["ant"] / heights["post"], (ant, post)),
        level_column(
            stack,
            "Hm_Hp",
            "ratio",
            heights["mid"] / heights["post"],
            (mid, post),
            extra=replaced,
        ),
    ]


def _lengths(
    stack: Stack, heights: dict[str, Dual], replaced: list[Flags], flags: Flags
) -> list[Column]:
    n = stack.n
    columns = []
    for key, letter, _ in _HEIGHTS:
        own = [(*flags, *(replaced[i] if key == "mid" else ())) for i in range(n)]
        columns.append(
            level_column(stack, f"{letter}_mm", "mm", heights[key], ((key, "self"),), extra=own)
        )
    for key in ("sup", "inf"):
        columns.append(
            level_column(
                stack,
                f"depth_{key}_mm",
                "mm",
                stack.depths[key][:n],
                ((key, "self"),),
                extra=flags,
            )
        )
    columns.append(
        level_column(stack, "area_mm2", "mm2", stack.area[:n], (("body", "self"),), extra=flags)
    )
    return columns


def _against_predicted(
    stack: Stack,
    key: str,
    letter: str,
    height: Dual,
    predicted: Predicted,
    loss: Dual,
    own: Sequence[Flags],
    calibration: Calibration,
) -> list[Column]:
    n = stack.n
    parts = ((key, "self"),)
    extra = [(*predicted.flags[i], *own[i]) for i in range(n)]
    between = [(f"{key}({stack.levels[i]})", *predicted.sources[i]) for i in range(n)]
    columns = []
    if calibration.is_metric:
        columns.append(
            level_column(
                stack,
                f"{letter}_pred_mm",
                "mm",
                predicted.quantity,
                parts,
                extra=[(*extra[i], *length_flags(calibration)) for i in range(n)],
                between=predicted.sources,
            )
        )
    if key == "post":
        columns.append(
            level_column(
                stack,
                "Hp_Hp_pred",
                "ratio",
                height / predicted.quantity,
                parts,
                extra=extra,
                between=between,
            )
        )
    columns.append(
        level_column(stack, f"loss_{key}_pct", "%", loss, parts, extra=extra, between=between)
    )
    return columns


def _greatest_loss(stack: Stack, losses: dict[str, Dual], columns: list[Column]) -> Column:
    """Greatest of the three losses, with the Genant-type grade and, as a flag, the shape."""
    made = {c.name: c for c in columns}
    parts = [made[f"loss_{key}_pct"] for key, _, _ in _HEIGHTS]
    n = stack.n
    rows = np.stack([losses[key].value for key, _, _ in _HEIGHTS], axis=1)
    shapes = [genant_shape(*row) for row in rows.tolist()]
    between = [tuple(dict.fromkeys(x for c in parts for x in c.between[i])) for i in range(n)]
    extra = [tuple(dict.fromkeys(x for c in parts for x in c.flags[i])) for i in range(n)]
    return level_column(
        stack,
        "max_height_loss_pct",
        "%",
        maximum(*(losses[key] for key, _, _ in _HEIGHTS)),
        (("body", "self"),),
        extra=extra,
        between=between,
        grade=Grade(
            "genant_grade_from_max_loss",
            genant_grade,
            tuple((f"shape_{x}",) if x else () for x in shapes),
        ),
    )


def _area_loss(stack: Stack, physiology: Physiology, calibration: Calibration) -> Column:
    table = np.array([physiology.value(x, "area_mm2") for x in stack.levels])
    predicted = _predicted(stack, stack.area, "body", table, calibration)
    return level_column(
        stack,
        "area_loss_pct",
        "%",
        (1.0 - stack.area[: stack.n] / predicted.quantity) * 100.0,
        (("body", "self"),),
        extra=predicted.flags,
        between=[(f"body({x})", *predicted.sources[i]) for i, x in enumerate(stack.levels)],
    )


def _also_replaced(stack: Stack, replaced: list[Flags], predicted: Predicted) -> list[Flags]:
    """Flags of a middle height loss: a reference without middle points hides biconcavity too."""
    flagged = {f"mid({x})" for i, x in enumerate(stack.levels) if stack.middle_replaced[i]}
    out: list[Flags] = []
    for own, sources in zip(replaced, predicted.sources, strict=True):
        out.append(own or (("middle_from_corners",) if flagged & set(sources) else ()))
    return out


def _predicted(
    stack: Stack,
    quantity: Dual,
    landmark: str,
    table: FloatArray,
    calibration: Calibration,
) -> Predicted:
    """Mean of both neighbours; of one, scaled by the table; or the table alone.

    `table` holds the normal value of each level in true millimetres. It is taken alone only where
    the film's millimetres are true ones: not in the detector plane, nor of unknown origin.
    """
    n = stack.n
    padded = np.append(table, np.nan)
    sides = [_side(stack, quantity, padded, word) for word in ("above", "below")]
    plain = sides[0].adjacent & sides[1].adjacent
    total = constant(np.zeros(n), quantity)
    for side in sides:
        factor = np.where(plain, 1.0, padded[:n] / padded[side.index])
        side.usable &= np.isfinite(factor)
        used = quantity[side.index] * np.where(side.usable, factor, 1.0)
        total = total + where(side.usable, used, constant(np.zeros(n), quantity))
    count = np.sum([side.usable for side in sides], axis=0)
    result = total / np.where(count > 0, count, np.nan)
    true_mm = calibration.is_metric and not length_flags(calibration)
    from_table = (count == 0) & np.isfinite(table) & true_mm
    result = where(from_table, constant(table, quantity), result)
    sources, flags = [], []
    for i in range(n):
        names = [f"{landmark}({stack.levels[s.index[i]]})" for s in sides if s.usable[i]]
        sources.append(tuple(names) or ((f"table({stack.levels[i]})",) if from_table[i] else ()))
        flags.append(_how(sides, i, int(count[i]), bool(from_table[i])))
    return Predicted(result, tuple(flags), tuple(sources))


@dataclass
class _Side:
    index: np.ndarray
    usable: np.ndarray
    adjacent: np.ndarray
    flags: tuple[Flags, ...]


def _side(stack: Stack, quantity: Dual, padded: FloatArray, word: str) -> _Side:
    reference = stack.roles[f"reference_{word}"]
    usable = np.isfinite(quantity.value[reference.index])
    stepped = np.array([f"level_{word}_stepped" in f for f in reference.flags], dtype=bool)
    # Why the neighbour itself was not used is known from the role that angles follow.
    reasons = tuple(a or b for a, b in zip(reference.flags, stack.roles[word].flags, strict=True))
    return _Side(reference.index, usable, usable & ~stepped, reasons)


def _how(sides: Sequence[_Side], i: int, count: int, from_table: bool) -> Flags:
    reasons = tuple(f for s in sides for f in s.flags[i])
    if count == 2:
        return reasons
    if count == 1:
        return ("predicted_from_one_neighbour", *reasons)
    return (("predicted_from_table" if from_table else "no_reference_height"), *reasons)
