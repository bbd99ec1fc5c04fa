"""What an annotation file says of one film, without its pixels."""

from dataclasses import dataclass, field
from typing import Any, Literal

from endplate.geometry.landmarks import Vertebra

__all__ = ["Facing", "FilmAnnotation", "View"]

View = Literal["lateral", "frontal", "other"]
Facing = Literal["left", "right"]


@dataclass(frozen=True, eq=False)
class FilmAnnotation:
    """What an annotation file says of one film; `AnnotatedFilm` without the pixels.

    Parameters
    ----------
    file_name : str
        Path of the image below the image folder, with ``/``.
    width, height : int
        Size of the image in pixels.
    vertebrae : tuple of Vertebra
        Head to foot, in pixels of the image. Middle points are NaN in the whole-spine form.
    facing : str or None
        As stated, or inferred from the points where it is not; None without points.
    spacing_mm : (row, column) or None
        Spacing, where the file gives it.
    levels_doubtful, complete, view, subject
        As in `AnnotatedFilm`; `subject` is the file name unless the file says otherwise.
    attributes : dict
        The other attributes of the image, as they stand in the file. ``other_bodies`` maps
        C2 to C6 to 4 x 2 lists in the order of `endplate.geometry.levels.CORNERS` (null: not
        seen) where the file has them: these are bodies too, though no level that is measured.
    """

    file_name: str
    width: int
    height: int
    vertebrae: tuple[Vertebra, ...]
    facing: Facing | None = None
    spacing_mm: tuple[float, float] | None = None
    levels_doubtful: bool = False
    complete: bool = False
    view: View = "lateral"
    subject: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
