"""What a reading keeps of the naming of its film."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from endplate.geometry.levels import LEVELS
from endplate.models.decode import CLASSES
from endplate.models.naming import NamedColumn
from endplate.study.reading import Naming

__all__ = ["naming_of"]

_WORTH_TELLING: Final = 0.001
"""Least probability of a level that a reading keeps."""


def naming_of(column: NamedColumn, kept: Sequence[int]) -> Naming | None:
    """How sure the names are of those bodies of a column that the reading has; None of none."""
    if not kept:
        return None
    part = column.part(kept)
    levels = {}
    for level, row in zip(part.levels, part.level_probabilities, strict=True):
        likely = [int(k) for k in np.argsort(-row, kind="stable") if row[k] >= _WORTH_TELLING]
        names = [(CLASSES[k], float(row[k])) for k in likely]
        levels[level] = {name: p for name, p in names if name in LEVELS}
    return Naming(part.probability, part.margin, dict(part.shifts), levels)
