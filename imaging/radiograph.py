"""A radiograph as it came in: pixels, calibration and what its header says of it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from endplate.errors import UnreadableImage
from endplate.geometry.calibration import Calibration

__all__ = ["Facing", "GreyImage", "Radiograph"]

GreyImage = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Facing = Literal["left", "right"]


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One single-frame radiograph.

    Parameters
    ----------
    pixels : (rows, columns) uint8 or uint16 array
        In the geometry of the stored image, bone bright as far as the header tells the polarity
        (raster files carry no polarity and are taken as they are). Background that the header
        declares as padding is 0.
    calibration : Calibration
        Spacing and where it comes from; `aspect` holds where no spacing does.
    path, sha256 : str
        The file and the SHA-256 of all its bytes.
    modality : str
        DICOM modality such as ``"DX"``; ``""`` for raster files.
    study_uid, series_uid, instance_uid, patient_id, study_date : str
        From DICOM, ``""`` if absent. Callers decide whether to print or store `patient_id`.
    view_tag : str or None
        ``"lateral"``, ``"frontal"`` or ``"other"`` as the header says, None if it says nothing.
    facing_tag : str or None
        Side of the image to which the patient's front points, from PatientOrientation.
    position : str or None
        ``"standing"``, ``"erect"``, ``"sitting"``, ``"supine"``, ``"prone"``, ``"recumbent"``,
        ``"decubitus"``, or None if not recorded.
    notes : tuple of str
        Sentences about what was done or doubted while reading.
    """

    pixels: GreyImage
    calibration: Calibration
    path: str
    sha256: str
    modality: str = ""
    study_uid: str = ""
    series_uid: str = ""
    instance_uid: str = ""
    patient_id: str = ""
    study_date: str = ""
    view_tag: str | None = None
    facing_tag: Facing | None = None
    position: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype not in (np.uint8, np.uint16):
            raise UnreadableImage(
                f"{self.path}: pixels of shape {self.pixels.shape}, {self.pixels.dtype};"
                " expected (rows, columns) of uint8 or uint16"
            )

    @property
    def rows(self) -> int:
        """Number of rows of the stored image."""
        return int(self.pixels.shape[0])

    @property
    def columns(self) -> int:
        """Number of columns of the stored image."""
        return int(self.pixels.shape[1])
