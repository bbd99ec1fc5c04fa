"""Splits by subject, the same on every machine."""

import hashlib
from collections.abc import Iterable

from endplate.errors import InputError

__all__ = ["assign_folds"]


def assign_folds(subjects: Iterable[str], folds: int) -> dict[str, int]:
    """Spread the subjects of one set evenly over the folds, at random but always the same.

    Subjects are ranked by a hash of their name and dealt out in turn, so the order of the files
    does not matter, and all films of a subject share a fold.

    Raises
    ------
    InputError
        If `folds` is less than 2.
    """
    if folds < 2:
        raise InputError(f"folds={folds}: expected at least 2")
    ranked = sorted(set(subjects), key=lambda s: hashlib.sha256(s.encode()).digest())
    return {subject: rank % folds for rank, subject in enumerate(ranked)}
