"""All bodies of a label volume, and why some were left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray
from endplate.imaging.ct.bodyframe import Mask, body_centres, tangents
from endplate.imaging.ct.bodypoints import LabelledBody, body_points, sacral_points
from endplate.imaging.ct.labels import LabelVolume
from endplate.imaging.ct.volume import Volume

__all__ = ["LabelledSpine", "read_spine"]

#: A label of less than this part of the median one is a cut vertebra's rest.
_SLIVER: Final = 0.3
#: How far beyond an endplate the volume must reach for it to count as seen, mm.
_MARGIN: Final = 1.0


@dataclass(frozen=True, eq=False)
class LabelledSpine:
    """Bodies of a label volume.

    Parameters
    ----------
    bodies : mapping of str to LabelledBody
        Head to foot.
    left_out : mapping of str to str
        Levels that could not be measured, with the reason.
    """

    bodies: Mapping[str, LabelledBody]
    left_out: Mapping[str, str]


def read_spine(labels: LabelVolume, ct: Volume | None = None) -> LabelledSpine:
    """Measure every body that lies inside the volume as a whole.

    Parameters
    ----------
    ct : Volume or None
        The CT of the labels, for sharper edges. It may lie on another grid.
    """
    masks: dict[str, Mask] = {}
    for level, numbers in labels.numbers.items():
        mask = Mask.of(labels.volume, numbers)
        if mask is not None:
            masks[level] = mask
    left: dict[str, str] = {}
    usual = float(np.median([m.size_ml for m in masks.values()])) if masks else 0.0
    for level in [x for x, m in masks.items() if x != "S1" and m.size_ml < _SLIVER * usual]:
        left[level] = "only a small part of it is labelled"
        del masks[level]
    sacrum = masks.pop("S1", None)
    centres = body_centres(masks)
    ups = tangents(list(centres.values())) if centres else []
    bodies: dict[str, LabelledBody] = {}
    for (level, mask), up in zip(masks.items(), ups, strict=True):
        try:
            body = body_points(mask, centres[level], up, ct)
        except GeometryError as error:
            left[level] = str(error)
            continue
        if _cut(body, labels.volume):
            left[level] = "it reaches beyond the volume"
        else:
            bodies[level] = body
    lowest = next(reversed(bodies), None)
    if sacrum is not None and lowest in ("L4", "L5", "L6"):
        try:
            bodies["S1"] = sacral_points(sacrum, bodies[lowest], ct)
        except GeometryError as error:
            left["S1"] = str(error)
    return LabelledSpine(bodies, left)


def _cut(body: LabelledBody, volume: Volume) -> bool:
    """Whether an endplate lies at the border of the volume or beyond."""
    beyond: FloatArray = np.concatenate(
        [
            body.points_mm[:3] + _MARGIN * body.normals[0],
            body.points_mm[3:] - _MARGIN * body.normals[1],
        ]
    )
    at = volume.to_indices(beyond)
    return bool((at < 0).any() or (at > np.array(volume.size) - 1).any())
