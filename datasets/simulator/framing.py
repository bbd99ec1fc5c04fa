"""What part of the subject a film shows, and from where it is taken."""

import numpy as np

from endplate.datasets.simulator.anatomy import SpineModel
from endplate.datasets.simulator.projection import Camera

__all__ = ["draw_camera"]


def draw_camera(
    rng: np.random.Generator, spine: SpineModel, field_of_view: str, pixel_mm: float
) -> Camera:
    """Place source, detector and window for one of `FIELDS_OF_VIEW`."""
    whole = field_of_view == "whole"
    top, bottom = _rows(rng, spine, field_of_view)
    top, bottom = top - rng.uniform(0, 14), bottom + rng.uniform(8, 18)
    height = bottom - top
    bodies = (*spine.bodies, spine.sacrum)
    inside = [float(b.centre[0]) for b in bodies if top < b.centre[1] < bottom]
    spread = max(inside) - min(inside)
    middle = (max(inside) + min(inside)) / 2
    if whole:
        width = max(height * rng.uniform(0.4, 0.46), spread + 120)
        x = middle + rng.uniform(0, 60)
    else:
        width = max(height * rng.uniform(0.33, 0.62), spread + rng.uniform(80, 110))
        x = middle + rng.uniform(-0.7, 0.9) * max((width - spread) / 2 - 40, 1.0)
    centre = np.array([x, (top + bottom) / 2])
    aim = rng.uniform(-1, 1, 2) * [0.2 * width, (0.25 if whole else 0.12) * height]
    detector = 1000 * rng.uniform(0.18, 0.32)
    return Camera(
        source_mm=1000 * (rng.uniform(1.6, 2.0) if whole else rng.uniform(0.95, 1.8)) - detector,
        detector_mm=detector,
        central=centre + aim,
        centre=centre,
        roll=float(np.deg2rad(rng.normal(0, 1.5 if whole else 4.0))),
        pixel_mm=pixel_mm,
        shape=(max(round(height / pixel_mm), 32), max(round(width / pixel_mm), 32)),
    )


def _rows(rng: np.random.Generator, spine: SpineModel, field_of_view: str) -> tuple[float, float]:
    """y in mm of the uppermost and of the lowest centre that the film shows."""
    s1 = float(spine.sacrum.centre[1])
    by = {b.level: float(b.centre[1]) for b in spine.bodies} | {"S1": s1}

    def pick(*levels: str) -> float:
        return by[str(rng.choice([x for x in levels if x in by]))]

    if field_of_view == "whole":
        return by["C3"] - rng.uniform(0, 110), s1 + rng.uniform(60, 170)
    if field_of_view == "lumbar":
        return pick("T10", "T11", "T11", "T12", "T12", "L1"), s1 + rng.uniform(30, 130)
    if field_of_view == "thoracolumbar":
        return pick("T5", "T6", "T7", "T8", "T9"), pick("L3", "L4", "L5", "S1")
    names = [b.level for b in spine.bodies]
    first = int(rng.integers(names.index("T6"), names.index("L3")))
    last = min(first + int(rng.integers(3, 6)), len(names) - 1)
    return by[names[first]], by[names[last]]
