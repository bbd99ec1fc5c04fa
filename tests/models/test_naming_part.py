"""How sure the names of some bodies of a column are, whatever those of the others are."""

import numpy as np
import pytest

from endplate.models.decode import CLASSES, Candidate
from endplate.models.naming import NamingConfig, Namings, choose_naming
from endplate.models.naming_paths import Path

L = CLASSES.index


def _body(place: int) -> Candidate:
    body = np.array([[-5, -4], [0, -4], [5, -4], [5, 4], [0, 4], [-5, 4]])
    points = body + np.array([0.0, 10.0 * place])
    return Candidate(points.mean(axis=0), points, 0.9, np.zeros(len(CLASSES)), False)


def test_a_part_is_surer_than_the_whole() -> None:
    config = NamingConfig(trust=1.0, blind=0.0, highest="T1", keep=0.0)
    low = (L("L1"), L("L2"))
    paths = [
        Path((0, 1, 2), (L("T12"), *low), (0, 1), 2.0),
        Path((0, 1, 2), (L("T11"), *low), (0, 1), 1.0),
        Path((0, 1, 2), (L("T11"), L("T12"), L("L1")), (0, 1), -1.0),
    ]
    whole = choose_naming([_body(i) for i in range(3)], paths, config)
    assert whole is not None
    weights = np.exp([2.0, 1.0, -1.0])
    weights /= weights.sum()
    assert whole.levels == ("T12", "L1", "L2")
    assert whole.probability == pytest.approx(weights[0])
    lower = whole.part([1, 2])
    assert lower.levels == ("L1", "L2")
    assert lower.probability == pytest.approx(weights[:2].sum())
    assert lower.margin == pytest.approx(3.0)
    assert whole.part([0, 1, 2]) is whole
    assert isinstance(lower.namings, Namings)
