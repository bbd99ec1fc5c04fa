"""Names and order of the vertebral levels and of the six points of a body."""

from typing import Final

from endplate.errors import UnknownName

__all__ = [
    "CORNERS",
    "LEVELS",
    "POINTS",
    "REGULAR_LEVELS",
    "above",
    "below",
    "check_level",
    "level_index",
]

#: All levels, head to foot. T13 and L6 exist in some subjects only.
LEVELS: Final[tuple[str, ...]] = (
    "C7",
    *(f"T{i}" for i in range(1, 14)),
    *(f"L{i}" for i in range(1, 7)),
    "S1",
)

#: The levels of a spine of twelve thoracic and five lumbar vertebrae.
REGULAR_LEVELS: Final[tuple[str, ...]] = tuple(x for x in LEVELS if x not in ("T13", "L6"))

#: The six points of a body, in the order of the annotation files.
POINTS: Final[tuple[str, ...]] = (
    "superior_anterior",
    "superior_middle",
    "superior_posterior",
    "inferior_posterior",
    "inferior_middle",
    "inferior_anterior",
)

#: The four corners, a walk around the body.
CORNERS: Final[tuple[str, ...]] = (
    "superior_anterior",
    "superior_posterior",
    "inferior_posterior",
    "inferior_anterior",
)


def check_level(level: str) -> str:
    """Return `level`, or raise `UnknownName` with the list of levels."""
    if level not in LEVELS:
        raise UnknownName("level", level, LEVELS)
    return level


def level_index(level: str) -> int:
    """Position of `level` in `LEVELS`, 0 for C7."""
    return LEVELS.index(check_level(level))


def above(level: str) -> str | None:
    """Level above in a regular spine (T13 and L6 are entered only from below), None above C7."""
    i = level_index(level)
    while i > 0:
        i -= 1
        if LEVELS[i] in REGULAR_LEVELS:
            return LEVELS[i]
    return None


def below(level: str) -> str | None:
    """Level below in a regular spine, None below S1."""
    i = level_index(level)
    while i < len(LEVELS) - 1:
        i += 1
        if LEVELS[i] in REGULAR_LEVELS:
            return LEVELS[i]
    return None
