"""Which row of the spine stands in for the level above, or below, each level."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from endplate.geometry import levels as names
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.settings import MeasureSettings

__all__ = ["IntArray", "Role", "are_adjacent", "find_roles"]

IntArray = npt.NDArray[np.intp]
Word = Literal["above", "below"]

#: Levels that only some subjects have: their absence between two others is no gap.
_OPTIONAL: Final = ("T13", "L6")


@dataclass(frozen=True)
class Role:
    """The vertebra that plays one part in the measures of each level.

    Parameters
    ----------
    index : (N,) int array
        Row of that vertebra, N where there is none.
    levels : tuple of (str or None)
        Its name; where there is none, the name that it would have in a regular spine, or None at
        the end of the spine.
    flags : tuple of tuple of str
        What is to be said of it, per level.
    """

    index: IntArray
    levels: tuple[str | None, ...]
    flags: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Found:
    row: int
    level: str | None
    flags: tuple[str, ...] = ()


def are_adjacent(upper: str, lower: str) -> bool:
    """Whether no level that every spine has lies between two levels, head to foot."""
    i, j = names.level_index(upper), names.level_index(lower)
    return i < j and all(x in _OPTIONAL for x in names.LEVELS[i + 1 : j])


def find_roles(
    vertebrae: Sequence[Vertebra], index_level: str | None, settings: MeasureSettings
) -> dict[str, Role]:
    """Roles of the neighbours of each vertebra.

    ``above`` and ``below`` follow `settings.neighbours`. ``next_above`` is the level that touches,
    whatever its state: discs and slips belong to it. ``reference_above`` and ``reference_below``
    are intact neighbours for predicted heights. ``self`` is the level itself.
    """
    condition = _conditions(vertebrae, index_level, settings)
    n = len(vertebrae)
    own = Role(np.arange(n), tuple(v.level for v in vertebrae), ((),) * n)
    roles = {"self": own}
    for word in ("above", "below"):
        touching = [_touching(vertebrae, condition, i, word) for i in range(n)]
        chosen = [_chosen(vertebrae, condition, i, word, touching[i], settings) for i in range(n)]
        reference = [
            _reference(vertebrae, condition, i, word, touching[i], settings) for i in range(n)
        ]
        roles[f"next_{word}"] = _role(touching)
        roles[word] = _role(chosen)
        roles[f"reference_{word}"] = _role(reference)
    return roles


def _role(found: Sequence[_Found]) -> Role:
    return Role(
        np.array([f.row for f in found], dtype=np.intp),
        tuple(f.level for f in found),
        tuple(f.flags for f in found),
    )


def _conditions(
    vertebrae: Sequence[Vertebra], index_level: str | None, settings: MeasureSettings
) -> list[str]:
    """``intact``, ``fractured``, ``cemented`` or ``missing`` for each vertebra."""
    out = []
    for v in vertebrae:
        if np.isnan(v.points).all():
            out.append("missing")
        elif v.level == index_level or v.level in settings.fractured:
            out.append("fractured")
        else:
            out.append("cemented" if v.cement else "intact")
    return out


def _touching(
    vertebrae: Sequence[Vertebra], condition: Sequence[str], i: int, word: Word | str
) -> _Found:
    """The level that touches level `i`, whatever its state."""
    n = len(vertebrae)
    j = i - 1 if word == "above" else i + 1
    here = vertebrae[i].level
    if 0 <= j < n and condition[j] != "missing":
        there = vertebrae[j].level
        pair = (there, here) if word == "above" else (here, there)
        if are_adjacent(*pair):
            return _Found(j, there)
    expected = names.above(here) if word == "above" else names.below(here)
    return _Found(n, expected, (f"level_{word}_missing",))


def _next_intact(
    vertebrae: Sequence[Vertebra], condition: Sequence[str], i: int, word: Word | str
) -> _Found | None:
    rows = range(i - 1, -1, -1) if word == "above" else range(i + 1, len(vertebrae))
    for j in rows:
        if condition[j] == "intact":
            return _Found(j, vertebrae[j].level, (f"level_{word}_stepped",))
    return None


def _chosen(
    vertebrae: Sequence[Vertebra],
    condition: Sequence[str],
    i: int,
    word: Word | str,
    touching: _Found,
    settings: MeasureSettings,
) -> _Found:
    n = len(vertebrae)
    state = condition[touching.row] if touching.row < n else "missing"
    if state == "intact":
        return touching
    flags: tuple[str, ...] = (f"level_{word}_{state}",)
    if settings.neighbours == "keep":
        return _Found(touching.row, touching.level, flags)
    if settings.neighbours == "next_intact":
        stepped = _next_intact(vertebrae, condition, i, word)
        if stepped is not None:
            return stepped
    if state != "missing":
        flags = (*flags, f"level_{word}_left_out")
    return _Found(n, touching.level, flags)


def _reference(
    vertebrae: Sequence[Vertebra],
    condition: Sequence[str],
    i: int,
    word: Word | str,
    touching: _Found,
    settings: MeasureSettings,
) -> _Found:
    """Intact neighbour with a body; the sacrum has no heights to compare with."""
    n = len(vertebrae)
    found: _Found | None = touching
    if touching.row == n or condition[touching.row] != "intact":
        found = None
        if settings.neighbours == "next_intact":
            found = _next_intact(vertebrae, condition, i, word)
    if found is None or found.level == "S1":
        return _Found(n, None)
    return found
