"""One measure for many levels, and how it becomes measurements."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from endplate.geometry.dual import Dual
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.measurement import Measurement
from endplate.geometry.stack import Stack
from endplate.geometry.uncertainty import Z90

__all__ = ["Column", "Flags", "Grade", "level_column", "measurements_of"]

Flags = tuple[str, ...]


@dataclass(frozen=True)
class Grade:
    """A grade read off a measure: the name, the rule, and flags per level for it alone."""

    name: str
    rule: Callable[[float], float]
    flags: tuple[Flags, ...] = ()


@dataclass(frozen=True)
class Column:
    """A measure of M levels (or one curve).

    Parameters
    ----------
    name, unit : str
        As in `Measurement`.
    quantity : Dual (M,)
        Values and gradients.
    levels : tuple of str
        M levels.
    between : tuple of tuple of str
        The landmarks, per level.
    flags : tuple of tuple of str
        Per level, besides those that an undefined value gets by itself.
    present : tuple of bool
        False where the anatomy does not have it; no measurement is made.
    fixed : bool
        A number from a table: its standard error is 0.
    grade : Grade or None
        Grade that follows from the value.
    """

    name: str
    unit: str
    quantity: Dual
    levels: tuple[str, ...]
    between: tuple[tuple[str, ...], ...]
    flags: tuple[Flags, ...]
    present: tuple[bool, ...]
    fixed: bool = False
    grade: Grade | None = field(default=None)


def level_column(
    stack: Stack,
    name: str,
    unit: str,
    quantity: Dual,
    parts: Sequence[tuple[str, str]],
    *,
    extra: Sequence[Flags] | Flags = (),
    between: Sequence[tuple[str, ...]] | None = None,
    fixed: bool = False,
    grade: Grade | None = None,
) -> Column:
    """Make the column of a measure that each level has.

    Parameters
    ----------
    parts : sequence of (landmark, role)
        Such as ``("sup", "above")``: what is measured, which gives `between`, flags and where
        the measure exists. S1 has only ``sup``.
    extra : flags for all levels, or a tuple of flags for each level
        Added to those of the roles.
    between : sequence of tuple of str, optional
        Replaces the landmarks of `parts`.
    """
    roles = [(landmark, stack.roles[role]) for landmark, role in parts]
    flags, present, named = [], [], []
    for i in range(stack.n):
        names = [(landmark, role.levels[i]) for landmark, role in roles]
        present.append(all(x is not None and (x != "S1" or y == "sup") for y, x in names))
        named.append(tuple(f"{landmark}({level})" for landmark, level in names))
        own: list[str] = ["corners_swapped"] if stack.turned[i] else []
        for _, role in roles:
            own.extend(role.flags[i])
        more = extra[i] if extra and isinstance(extra[0], tuple) else extra
        flags.append((*own, *(str(x) for x in more)))
    return Column(
        name,
        unit,
        quantity,
        stack.levels,
        tuple(named if between is None else between),
        tuple(flags),
        tuple(present),
        fixed,
        grade,
    )


#: Flags that already say why a value is undefined.
_REASONS = frozenset(
    (
        "level_above_missing",
        "level_below_missing",
        "level_above_left_out",
        "level_below_left_out",
        "facing_unknown",
        "no_physiological_value",
        "no_reference_height",
    )
)


def measurements_of(columns: Sequence[Column], se: FloatArray) -> list[Measurement]:
    """Measurements by level, head to foot, columns in their order within a level.

    Parameters
    ----------
    columns : sequence of Column
        All made of the same stack.
    se : (Q,) array
        Standard errors of the values of all columns, one after the other.
    """
    # Python lists: indexing them is many times faster than indexing arrays.
    errors = se.tolist()
    buckets: dict[int, list[Measurement]] = {}
    start = 0
    for column in columns:
        for i, value in enumerate(column.quantity.value.tolist()):
            if column.present[i]:
                error = 0.0 if column.fixed else errors[start + i]
                bucket = buckets.setdefault(i, [])
                bucket.extend(_measured(column, i, value, error))
        start += len(column.levels)
    return [m for i in sorted(buckets) for m in buckets[i]]


def _measured(column: Column, i: int, value: float, se: float) -> Iterable[Measurement]:
    flags = column.flags[i]
    if not np.isfinite(value):
        value = se = float("nan")
        if not _REASONS.intersection(flags):
            flags = (*flags, "points_missing")
    interval = (value - Z90 * se, value + Z90 * se)
    measured = Measurement(
        column.name,
        column.levels[i],
        column.between[i],
        value,
        column.unit,
        se,
        interval,
        tuple(dict.fromkeys(flags)) if len(flags) > 1 else flags,
    )
    yield measured
    if column.grade is not None:
        yield _graded(column.grade, i, measured)


def _graded(grade: Grade, i: int, measured: Measurement) -> Measurement:
    """Grade of a value; its interval is that of the grades of the ends, it has no error."""
    low, high = measured.interval90
    ends = sorted((grade.rule(low), grade.rule(high)))
    extra = grade.flags[i] if grade.flags and measured.value == measured.value else ()
    return Measurement(
        grade.name,
        measured.level,
        measured.between,
        grade.rule(measured.value),
        "grade",
        float("nan"),
        (ends[0], ends[1]),
        (*measured.flags, *extra),
    )
