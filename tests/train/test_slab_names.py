"""Trust in names on slabs, from namings whose truth is known."""

import numpy as np
import pytest

from endplate.train.slab_names import TRUSTS, SlabNaming, fit_names, judge_names

from ..models.test_naming import candidates, named


def namings(nats: list[tuple[float, bool]]) -> list[dict[float, SlabNaming]]:
    """Variants whose best naming is so many nats above the next, and right or not."""
    return [
        {t: SlabNaming(1 / (1 + np.exp(-gap / t)), 7, 7 if right else 0) for t in TRUSTS}
        for gap, right in nats
    ]


def test_names_are_trusted_as_far_as_they_are_right() -> None:
    # four nats, and right in three of four: as if there were but one; the prior draws towards 1
    often_wrong = fit_names(namings([(4.0, True), (4.0, True), (4.0, True), (4.0, False)] * 12))
    assert 1.5 < often_wrong < 4.1
    always_right = fit_names(namings([(1.0, True)] * 48))
    assert always_right < 0.7
    assert fit_names([]) == fit_names([{}]) == 1.0


def test_surprise_is_that_of_what_is_so() -> None:
    assert SlabNaming(0.9, 7, 7).surprise == pytest.approx(0.105, abs=1e-3)
    assert SlabNaming(0.9, 7, 6).surprise == pytest.approx(2.303, abs=1e-3)
    assert np.isfinite(SlabNaming(1.0, 7, 0).surprise)


def test_names_are_judged_where_bodies_lie() -> None:
    levels = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
    seen = named(candidates(levels))
    places = {x: c.centre for x, c in zip(seen.levels, seen.candidates, strict=True)}
    right = judge_names(seen, [(x, places[x]) for x in ("L1", "L2", "L3")])
    assert (right.found, right.right) == (3, 3)
    assert right.probability == pytest.approx(seen.part(range(len(levels))).probability)
    shifted = judge_names(seen, [("L2", places["L1"]), ("L3", places["L3"])])
    assert (shifted.found, shifted.right) == (2, 1)
    assert judge_names(seen, [("L1", places["L1"] + 500.0)]).found == 0
