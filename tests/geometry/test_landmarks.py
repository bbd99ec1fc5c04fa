"""The angle between the endplates of six points, without a sign of its own."""

import numpy as np
import pytest

from endplate.geometry.landmarks import endplate_angle_deg


def body(wedge_deg: float) -> np.ndarray:
    """A body that faces left; its inferior endplate falls away in front by `wedge_deg`."""
    rise = 40 * np.tan(np.radians(wedge_deg))
    return np.array([[0, 0], [20, 0], [40, 0], [40, 30], [20, 30 - rise / 2], [0, 30 - rise]])


@pytest.mark.parametrize("wedge", [-12.0, 0.0, 7.5, 40.0])
def test_the_angle_is_that_between_the_endplates(wedge):
    points = body(wedge)
    assert abs(endplate_angle_deg(points)) == pytest.approx(abs(wedge))
    # the mirror image has the other sign, wherever it lies and however it is turned
    mirrored = points * [-1, 1]
    assert endplate_angle_deg(mirrored) == pytest.approx(-endplate_angle_deg(points))
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert endplate_angle_deg(points @ turn.T + 100) == pytest.approx(endplate_angle_deg(points))


def test_a_missing_corner_gives_no_angle():
    points = body(5.0)
    points[3] = np.nan
    assert np.isnan(endplate_angle_deg(points))
