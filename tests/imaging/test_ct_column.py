"""Where a canal can lie: behind the middle of the trunk, and not far aside."""

import numpy as np

from endplate.imaging.ct.column import _off_middle


def test_places_before_and_beside_the_trunks_middle_cost() -> None:
    rows, columns = np.mgrid[0:81, 0:121] * 3.0
    trunk = ((columns - 180) / 160) ** 2 + ((rows - 120) / 100) ** 2 < 1
    air = np.repeat((~trunk)[None].astype(np.float32), 2, axis=0)
    cost = _off_middle(air)
    assert cost.shape == air.shape
    spine, sternum, hip = (60, 60), (12, 60), (60, 90)
    assert cost[0][spine] == 0
    assert cost[0][sternum] > 0.3
    assert cost[0][hip] > 0.3
