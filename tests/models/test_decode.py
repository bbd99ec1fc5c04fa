"""Maps of the detector, painted from known bodies, give those bodies back."""

from collections.abc import Sequence

import numpy as np
import pytest

from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import level_index
from endplate.models.decode import CLASSES, Candidate, decode_film, decode_maps
from endplate.models.frames import body_frame
from endplate.models.resample import apply_affine

from ..spine import body, column, painted_maps

STRIDE = 4
TO_FILM = np.array([[2.4, 0.1, 30.7], [-0.1, 2.4, 12.2]])


def paint(
    bodies: Sequence[tuple[FloatArray, int, float]],
    to_film: FloatArray = TO_FILM,
    size: tuple[int, int] = (256, 192),
) -> np.ndarray:
    return painted_maps(bodies, to_film, size)


def spine(levels: Sequence[str] = ("T11", "T12", "L1", "L2", "L3")) -> list[FloatArray]:
    return list(column(levels, top=(230.0, 110.0), depth=80.0).values())


def found_for(candidates: Sequence[Candidate], points: FloatArray) -> Candidate:
    centre = body_frame(points)[0]
    return min(candidates, key=lambda c: float(np.hypot(*(c.centre - centre))))


def test_points_come_back_to_a_tenth_of_a_pixel():
    bodies = spine()
    levels = [level_index(name) for name in ("T11", "T12", "L1", "L2", "L3")]
    maps = paint([(b, level, 0.9) for b, level in zip(bodies, levels, strict=True)])
    candidates = decode_maps(maps, TO_FILM)
    assert len(candidates) == len(bodies)
    for points, level in zip(bodies, levels, strict=True):
        candidate = found_for(candidates, points)
        assert np.abs(candidate.points - points).max() < 0.1
        assert not candidate.sacrum
        assert int(candidate.log_levels.argmax()) == level
        assert np.exp(candidate.log_levels).sum() == pytest.approx(1.0)
        assert candidate.depth == pytest.approx(body_frame(points)[2], abs=0.1)
        # the centre is that of cells near the peak: good to a cell
        assert np.hypot(*(candidate.centre - body_frame(points)[0])) < STRIDE * 2.4


def test_the_sacrum_comes_from_its_own_channel():
    points = spine(("L4", "L5", "S1"))
    maps = paint(
        [(p, level_index(n), 0.9) for p, n in zip(points, ("L4", "L5", "S1"), strict=True)]
    )
    candidates = decode_maps(maps, TO_FILM)
    sacra = [c for c in candidates if c.sacrum]
    assert len(sacra) == 1
    assert len(candidates) == 3
    assert np.isnan(sacra[0].points[3:]).all()
    assert np.abs(sacra[0].points[:3] - points[2][:3]).max() < 0.1


def test_candidates_are_sorted_by_score_and_weak_ones_left_out():
    bodies = spine()
    scores = (0.5, 0.95, 0.1, 0.7, 0.3)
    maps = paint([(b, 12, s) for b, s in zip(bodies, scores, strict=True)])
    found = decode_maps(maps, TO_FILM, threshold=0.15)
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)
    assert len(found) == 4
    assert len(decode_maps(maps, TO_FILM, threshold=0.6)) == 2


def test_two_peaks_within_one_body_are_one_candidate():
    one = body((260, 200), 100, 80)
    nearby = body((260 + 30, 200), 100, 80)
    apart = body((260, 200 + 110), 100, 80)
    maps = paint([(one, 12, 0.9), (nearby, 12, 0.8), (apart, 13, 0.85)])
    found = decode_maps(maps, TO_FILM)
    assert len(found) == 2
    # the better one is kept
    assert np.abs(found_for(found, one).points - one).max() < 0.1


def test_a_sacral_peak_does_not_suppress_the_body_above_it():
    above = body((260, 200), 100, 80)
    sacrum = body((260, 230), 100, 80)
    sacrum[3:] = np.nan
    found = decode_maps(paint([(above, 18, 0.9), (sacrum, 20, 0.9)]), TO_FILM)
    assert sorted(c.sacrum for c in found) == [False, True]


def test_a_plateau_and_an_empty_film():
    maps = np.zeros((14 + len(CLASSES), 16, 16), np.float32)
    maps[:2] = -9.0
    assert decode_maps(maps, TO_FILM) == []
    # a body at the corner of the window is read from the cells that exist
    corner = apply_affine(TO_FILM, body((2.0, 2.0), 40, 30))
    found = decode_maps(paint([(corner, 3, 0.9)]), TO_FILM)
    assert len(found) == 1
    assert np.abs(found[0].points - corner).max() < 0.1


def test_the_window_may_mirror_or_turn():
    bodies = spine()
    for linear in (np.diag([-2.4, 2.4]), np.array([[0.0, 2.4], [-2.4, 0.0]])):
        middle = np.array([95.5, 127.5])
        window = np.column_stack([linear, np.array([230, 300]) - linear @ middle])
        size = (320, 320)
        shift = linear @ (np.array([159.5, 159.5]) - middle)
        window[:, 2] -= shift
        found = decode_maps(paint([(b, 9, 0.9) for b in bodies], window, size), window)
        assert len(found) == len(bodies)
        for points in bodies:
            assert np.abs(found_for(found, points).points - points).max() < 0.1


def test_scores_of_the_film_are_probabilities():
    scores = decode_film(np.array([2.0, 0.0, -1.0, 5.0, -5.0, 0.0], np.float32))
    assert scores.lateral + scores.frontal + scores.other == pytest.approx(1.0, abs=1e-6)
    assert scores.lateral > scores.frontal > scores.other
    assert scores.facing_right == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-5)
    assert scores.inverted == pytest.approx(1 / (1 + np.exp(5)), abs=1e-5)
    assert scores.hardware == pytest.approx(0.5)


def test_huge_logits_do_not_overflow():
    scores = decode_film(np.array([500.0, -500.0, 0.0, 500.0, -500.0, 0.0], np.float32))
    assert scores.lateral == pytest.approx(1.0)
    assert (scores.facing_right, scores.inverted) == (1.0, 0.0)
