"""Radiographic magnification."""

import math

from endplate.errors import GeometryError

__all__ = ["magnification"]


def magnification(source_to_detector_mm: float, object_to_detector_mm: float) -> float:
    """Magnification SID / (SID - OID) of an object on a film.

    Parameters
    ----------
    source_to_detector_mm : float
        Distance of the X-ray source to the detector.
    object_to_detector_mm : float
        Distance of the vertebra to the detector.

    Raises
    ------
    GeometryError
        Unless the object lies between source and detector.
    """
    distances = (source_to_detector_mm, object_to_detector_mm)
    if not all(map(math.isfinite, distances)) or not 0 <= distances[1] < distances[0]:
        raise GeometryError(
            f"source to detector {distances[0]} mm, object to detector {distances[1]} mm:"
            " expected the object between source and detector"
        )
    return distances[0] / (distances[0] - distances[1])
