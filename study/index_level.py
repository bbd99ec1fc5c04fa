"""Which level is the injured and treated one, told from all films of a subject."""

import math
from collections import defaultdict
from collections.abc import Sequence

from endplate.geometry.levels import LEVELS, above, below, check_level
from endplate.geometry.measure import measure
from endplate.study.reading import Reading

__all__ = ["find_index_level"]


def find_index_level(readings: Sequence[Reading], given: str = "") -> tuple[str, str]:
    """The index level and why it is it; ("", reason) if it cannot be told.

    In this order: as given; the body with cement on most films; the body between the screws; the
    body with the greatest height loss on the first film that shows a fracture; the largest
    vertebral kyphosis.

    Parameters
    ----------
    readings : sequence of Reading
        In the order of time, levels named alike.
    given : str
        Empty if it is not known.

    Raises
    ------
    UnknownName
        If `given` is no level.
    """
    if given:
        return check_level(given), "given"
    cemented: dict[str, int] = defaultdict(int)
    between: dict[str, int] = defaultdict(int)
    for reading in readings:
        for vertebra in reading.vertebrae:
            cemented[vertebra.level] += vertebra.cement
        for level in _between_screws(reading):
            between[level] += 1
    for counts, why in ((cemented, "holds cement"), (between, "between the screws")):
        level = max(counts, key=lambda x: counts[x], default="")
        if level and counts[level] > 0:
            return level, why
    return _most_deformed(readings)


def _between_screws(reading: Reading) -> list[str]:
    screwed = {v.level for v in reading.vertebrae if v.hardware}
    return [
        v.level
        for v in reading.vertebrae
        if v.level not in screwed and above(v.level) in screwed and below(v.level) in screwed
    ]


def _most_deformed(readings: Sequence[Reading]) -> tuple[str, str]:
    fallback = ("", "no film shows an injured body")
    for reading in readings:
        measured = measure(reading.vertebrae, reading.calibration)
        losses = {m.level: m.value for m in measured if m.name == "max_height_loss_pct"}
        worst = max((x for x in losses if losses[x] >= 15.0), key=lambda x: losses[x], default="")
        if worst:
            return worst, "greatest height loss"
        if not fallback[0]:
            angles = {
                m.level: m.value
                for m in measured
                if m.name == "TVK_deg" and m.level in LEVELS and math.isfinite(m.value)
            }
            if angles:
                level = max(angles, key=lambda x: angles[x])
                fallback = (level, "largest vertebral kyphosis beyond the physiological one")
    return fallback
