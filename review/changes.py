"""What an edit changed, for the audit trail."""

from typing import Any, Final

import numpy as np

from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import level_index
from endplate.review.editing import MOVED, Edit, marks_of
from endplate.study.reading import Reading

__all__ = ["changes_between"]

_MARKS: Final = ("hardware", "cement")


def changes_between(base: Reading, edit: Edit) -> dict[str, Any]:
    """What is different in an edit.

    A body is told by where it came from, not by its name: a column that was renamed has moved no
    point.

    Returns
    -------
    dict
        ``moved_px``: by level the farthest way of a point; ``renamed``: new level by old one;
        ``added``, ``removed``: levels; ``marks``: sentences such as ``L1 cement: yes``;
        ``fractured``, ``index_level``, ``position``, ``spacing_mm``: what it was (``before``) and
        is (``after``), None where nothing changed.
    """
    pairs = _pairs(base, edit)
    kept = {id(old) for old, _ in pairs} | {id(new) for _, new in pairs}
    fractured, index = marks_of(base)
    return {
        "moved_px": {
            new.level: far
            for old, new in pairs
            if (far := _way(old.points, new.points)) is not None
        },
        "renamed": {old.level: new.level for old, new in pairs if old.level != new.level},
        "added": [v.level for v in edit.vertebrae if id(v) not in kept],
        "removed": [v.level for v in base.vertebrae if id(v) not in kept],
        "marks": [
            f"{new.level} {name}: {'yes' if getattr(new, name) else 'no'}"
            for old, new in pairs
            for name in _MARKS
            if getattr(old, name) != getattr(new, name)
        ],
        "fractured": _change(list(fractured), list(edit.fractured)),
        "index_level": _change(index, edit.index_level),
        "position": _change(base.source.position, edit.position),
        "spacing_mm": _change(base.calibration.spacing_mm, edit.calibration.spacing_mm),
    }


def _pairs(base: Reading, edit: Edit) -> list[tuple[Vertebra, Vertebra]]:
    """Bodies that were there before, as they were and as they are; head to foot.

    What was placed anew is the body of that name, unless that one is elsewhere now.
    """
    old = dict(enumerate(base.vertebrae))
    found = {}
    for new, place in zip(edit.vertebrae, edit.places, strict=True):
        if place in old:
            found[new.level] = (old.pop(place), new)
    left = {v.level: v for v in old.values()}
    for new in edit.vertebrae:
        if new.level not in found and new.level in left:
            found[new.level] = (left.pop(new.level), new)
    return [found[level] for level in sorted(found, key=level_index)]


def _way(old: FloatArray, new: FloatArray) -> float | None:
    """How far the point went that went farthest, None if none moved, came or went."""
    apart = np.hypot(*(old - new).T)
    far = float(np.nanmax(apart)) if np.isfinite(apart).any() else 0.0
    seen = np.isfinite(old) != np.isfinite(new)
    return round(far, 2) if far > MOVED or seen.any() else None


def _change(before: Any, after: Any) -> dict[str, Any] | None:
    return None if before == after else {"before": before, "after": after}
