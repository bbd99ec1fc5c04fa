"""Angles of one level with its neighbours, and the curves of the spine.

All angles are K(u, v) = s * atan2(v_x u_y - v_y u_x, u . v) of an upper line u and a lower line v,
with the facing sign s of the film: kyphosis positive whichever way the patient faces.
"""

from typing import Final

import numpy as np

from endplate.geometry.column import Column, Flags, level_column
from endplate.geometry.dual import Dual, constant
from endplate.geometry.physiology import Physiology
from endplate.geometry.settings import MeasureSettings
from endplate.geometry.stack import Stack

__all__ = ["CURVES", "angle_columns", "curve_columns"]

_Line = tuple[str, str]

#: Name, upper line, lower line. A line is a landmark and the role of its level.
_ANGLES: Final[tuple[tuple[str, _Line, _Line], ...]] = (
    ("vertebral_kyphosis_deg", ("sup", "self"), ("inf", "self")),
    ("regional_kyphosis_deg", ("sup", "above"), ("inf", "below")),
    ("gardner_mono_above_deg", ("sup", "above"), ("inf", "self")),
    ("mono_below_deg", ("sup", "self"), ("inf", "below")),
    ("segment_inf_above_to_inf_deg", ("inf", "above"), ("inf", "self")),
    ("adjacent_endplates_deg", ("inf", "above"), ("sup", "below")),
    ("posterior_wall_deg", ("post", "above"), ("post", "below")),
    ("disc_above_angle_deg", ("inf", "next_above"), ("sup", "self")),
)

#: Name, upper endplate, lower endplate of the curves; `lordosis_` names turn the sign.
CURVES: Final[tuple[tuple[str, _Line, _Line], ...]] = (
    ("thoracic_kyphosis_T1_T12_deg", ("sup", "T1"), ("inf", "T12")),
    ("thoracic_kyphosis_T2_T12_deg", ("sup", "T2"), ("inf", "T12")),
    ("thoracic_kyphosis_T4_T12_deg", ("sup", "T4"), ("inf", "T12")),
    ("thoracic_kyphosis_T5_T12_deg", ("sup", "T5"), ("inf", "T12")),
    ("thoracolumbar_T10_L2_deg", ("sup", "T10"), ("inf", "L2")),
    ("thoracolumbar_T11_L2_deg", ("sup", "T11"), ("inf", "L2")),
    ("minus_lordosis_L1_L5_deg", ("sup", "L1"), ("inf", "L5")),
    ("lordosis_L1_L5_deg", ("sup", "L1"), ("inf", "L5")),
    ("minus_lordosis_L1_S1_deg", ("sup", "L1"), ("sup", "S1")),
    ("lordosis_L1_S1_deg", ("sup", "L1"), ("sup", "S1")),
)


def angle_columns(stack: Stack, physiology: Physiology, settings: MeasureSettings) -> list[Column]:
    """Angles of each level, and what follows from them and the table of normal values."""
    doubt: Flags = ("facing_unknown",) if np.isnan(stack.sign) else ()
    quantity = {}
    columns = []
    for name, upper, lower in _ANGLES:
        quantity[name] = stack.kyphosis_deg(_line(stack, upper), _line(stack, lower))
        columns.append(
            level_column(stack, name, "deg", quantity[name], (upper, lower), extra=doubt)
        )
    columns += _farcy(stack, quantity["segment_inf_above_to_inf_deg"], settings, doubt)
    columns += _against_table(
        stack,
        physiology,
        "regional_kyphosis_deg",
        ("ar_physio_deg", "ART_deg"),
        quantity["regional_kyphosis_deg"],
        (("sup", "above"), ("inf", "below")),
        doubt,
    )
    columns += _against_table(
        stack,
        physiology,
        "vertebral_kyphosis_deg",
        ("vk_physio_deg", "TVK_deg"),
        quantity["vertebral_kyphosis_deg"],
        (("sup", "self"), ("inf", "self")),
        doubt,
    )
    return columns


def _line(stack: Stack, line: _Line) -> Dual:
    landmark, role = line
    return stack.lines[landmark][stack.roles[role].index]


def _farcy(stack: Stack, segment: Dual, settings: MeasureSettings, doubt: Flags) -> list[Column]:
    """Farcy's sagittal index: the mobile segment less the baseline of its region."""
    baseline = np.array([settings.farcy_baseline_deg(x) for x in stack.levels])
    parts = (("inf", "above"), ("inf", "self"))
    return [
        _fixed(stack, "farcy_baseline_deg", baseline, parts, ((),) * stack.n),
        level_column(
            stack, "farcy_sagittal_index_deg", "deg", segment - baseline, parts, extra=doubt
        ),
    ]


def _against_table(
    stack: Stack,
    physiology: Physiology,
    field: str,
    names: tuple[str, str],
    measured: Dual,
    parts: tuple[_Line, _Line],
    doubt: Flags,
) -> list[Column]:
    """Physiological angle of each level, and the measured one less it.

    The standard error of the difference is that of the measurement: the spread of normal values
    between people is none of it.
    """
    normal = np.array([physiology.value(x, field) for x in stack.levels])
    flags: list[Flags] = [("no_physiological_value",) if np.isnan(x) else () for x in normal]
    table_name, difference_name = names
    return [
        _fixed(stack, table_name, normal, parts, tuple(flags)),
        level_column(
            stack,
            difference_name,
            "deg",
            measured - normal,
            parts,
            extra=[(*f, *doubt) for f in flags],
        ),
    ]


def _fixed(
    stack: Stack,
    name: str,
    value: np.ndarray,
    parts: tuple[_Line, _Line],
    flags: tuple[Flags, ...],
) -> Column:
    """Column of a table's numbers: what happened to the neighbours does not touch them."""
    made = level_column(stack, name, "deg", constant(value, stack.area), parts, fixed=True)
    return Column(
        name, "deg", made.quantity, made.levels, made.between, flags, made.present, fixed=True
    )


def curve_columns(stack: Stack) -> list[Column]:
    """Curves whose two end levels are both in the stack, and the sacral slope."""
    columns = []
    for name, upper, lower in CURVES:
        if upper[1] in stack.levels and lower[1] in stack.levels:
            rows = [stack.levels.index(line[1]) for line in (upper, lower)]
            u, v = (stack.lines[x[0]][[r]] for x, r in zip((upper, lower), rows, strict=True))
            angle = stack.kyphosis_deg(u, v)
            angle = -angle if name.startswith("lordosis_") else angle
            between = tuple(f"{landmark}({level})" for landmark, level in (upper, lower))
            columns.append(_curve(stack, name, angle, rows, between, ()))
    if "S1" in stack.levels:
        columns.append(_sacral_slope(stack))
    return columns


def _curve(
    stack: Stack,
    name: str,
    angle: Dual,
    rows: list[int],
    between: tuple[str, ...],
    more: Flags,
) -> Column:
    flags = list(more)
    if np.isnan(stack.sign):
        flags.append("facing_unknown")
    if stack.turned[rows].any():
        flags.append("corners_swapped")
    levels = (stack.levels[rows[0]],)
    return Column(name, "deg", angle, levels, (between,), (tuple(flags),), (True,))


def _sacral_slope(stack: Stack) -> Column:
    """Angle of the sacral endplate to the image's horizontal, positive if it falls forward."""
    row = stack.levels.index("S1")
    endplate = stack.lines["sup"][[row]]
    forward = np.where(np.cos(endplate.value) < 0, np.pi, 0.0)
    slope = -stack.kyphosis_deg(constant(forward, endplate), endplate)
    between = ("sup(S1)", "horizontal")
    return _curve(stack, "sacral_slope_deg", slope, [row], between, ("assumes_vertical_image",))
