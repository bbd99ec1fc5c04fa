"""A reading: the landmarks and measurements of one image by one reader."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from endplate.errors import UnknownName
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measurement import Measurement

__all__ = [
    "READING_SCHEMA",
    "Acquisition",
    "Naming",
    "Quality",
    "Reader",
    "Reading",
    "Reason",
    "Source",
]

READING_SCHEMA: Final = "endplate/reading/1"

Status = Literal["accepted", "flagged", "rejected"]
_STATUSES: Final = ("accepted", "flagged", "rejected")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who placed the points: a model with its version and hash, or a person.

    `errors`, for a model on a CT: the error model that covariances and intervals come from,
    ``films`` or ``slabs`` with the start of its hash.
    """

    kind: Literal["model", "person"]
    name: str
    version: str = ""
    sha256: str = ""
    errors: str = ""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How a CT was made, for comparing it with others; None or ``""`` if not recorded.

    Thickness of the slices, distance between them in mm, and the reconstruction kernel.
    """

    slice_thickness_mm: float | None = None
    slice_spacing_mm: float | None = None
    kernel: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """The image that was read. Identifying fields are empty unless asked for.

    `rows` and `columns` are those of the stored image; `facing` is the side of the image that
    the patient's front points to; `position` is ``standing``, ``supine``, ... or None.
    `acquisition` is given for CT only; `rows` and `columns` are then those of the sagittal slab.
    """

    path: str
    sha256: str
    rows: int
    columns: int
    modality: str = ""
    study_uid: str = ""
    series_uid: str = ""
    instance_uid: str = ""
    patient_id: str = ""
    study_date: str = ""
    view: Literal["lateral", "frontal", "other"] = "other"
    facing: Literal["left", "right"] | None = None
    position: str | None = None
    acquisition: Acquisition | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a reading is flagged or rejected: a code for programs, a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Quality:
    """Verdict of the quality gate with its reasons."""

    status: Status
    reasons: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        if self.status not in _STATUSES:
            raise UnknownName("quality status", self.status, _STATUSES)


@dataclass(frozen=True)
class Naming:
    """How sure the level names of a film are, as the model judges that gave them.

    Parameters
    ----------
    probability : float
        Probability that all names are right.
    margin : float
        Nats by which these names beat the best others; infinite where there are no others.
    shifts : mapping
        Shift, -2 to 2 -> probability that all names must move so many levels down to be right.
        What is missing to 1 is farther off.
    levels : mapping
        Name of a body -> level -> probability that it is that level; small ones are left out.
    """

    probability: float
    margin: float
    shifts: Mapping[int, float]
    levels: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Reading:
    """One set of landmarks for one image by one reader; never edited, only superseded.

    Parameters
    ----------
    id : str
        Unique name of the reading.
    parent : str or None
        The reading from which an edit started.
    created : str
        ISO 8601 time with offset.
    vertebrae : tuple of Vertebra
        Head to foot.
    naming : Naming or None
        None where nobody judged it, such as for a person's reading.
    """

    id: str
    created: str
    reader: Reader
    source: Source
    calibration: Calibration
    quality: Quality
    vertebrae: tuple[Vertebra, ...]
    measurements: tuple[Measurement, ...]
    parent: str | None = None
    naming: Naming | None = None
