"""An annotated film: pixels and what a reader, or the simulator, marked on it."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from endplate.errors import AnnotationError
from endplate.geometry.landmarks import Vertebra

__all__ = ["AnnotatedFilm", "GreyImage"]

GreyImage = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class AnnotatedFilm:
    """One film with its landmarks.

    Parameters
    ----------
    image : (H, W) uint8 or uint16 array
        Bone bright, unless `attributes` say otherwise.
    vertebrae : tuple of Vertebra
        Head to foot, in pixels of `image`. Bodies that no reader marked are absent, so absence
        does not mean that nothing is there unless `complete`.
    name, subject : str
        File name, and the person: splits are made by `subject`.
    view : str
        ``lateral``, ``frontal`` or ``other``.
    facing : str or None
        Side of the image to which the patient's front points.
    spacing_mm : (row, column) or None
        Spacing, where it is known.
    levels_doubtful : bool
        The level names may all be off by one: not to be used for learning or judging names.
    complete : bool
        Whether every body on the film is marked (simulated films).
    attributes : dict
        Whatever else the annotation file says of the image.
    """

    image: GreyImage
    vertebrae: tuple[Vertebra, ...]
    name: str
    subject: str
    view: Literal["lateral", "frontal", "other"] = "lateral"
    facing: Literal["left", "right"] | None = None
    spacing_mm: tuple[float, float] | None = None
    levels_doubtful: bool = False
    complete: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.dtype not in (np.uint8, np.uint16):
            raise AnnotationError(
                f"{self.name}: image of shape {self.image.shape}, {self.image.dtype};"
                " expected (rows, columns) of uint8 or uint16"
            )
