"""Splits by subject, the same on every machine."""

import hashlib
from collections.abc import Iterable

from endplate.errors import InputError

__all__ = ["assign_folds", "first_subjects"]


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
    ranked = _ranked(subjects)
    return {subject: rank % folds for rank, subject in enumerate(ranked)}


def first_subjects(subjects: Iterable[str], count: int) -> frozenset[str]:
    """The first `count` subjects in an order that is random but always the same.

    The first five are among the first ten: what is learnt from more films builds on the fewer.

    Raises
    ------
    InputError
        If `count` is less than 1.
    """
    if count < 1:
        raise InputError(f"subjects={count}: expected at least 1")
    return frozenset(_ranked(subjects)[:count])


def _ranked(subjects: Iterable[str]) -> list[str]:
    return sorted(set(subjects), key=lambda s: hashlib.sha256(s.encode()).digest())
