"""What a scan says of one file of an export, before any pixel is decoded."""

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["FAULT_CODES", "Entry", "Fault", "FilmHeader", "Kind"]

Kind = Literal["dicom", "raster", "container", "other"]

#: Every code of a `Fault`, with what it says.
FAULT_CODES: Final = {
    "empty": "The file has no bytes.",
    "no_permission": "The file or folder may not be read.",
    "broken_link": "A link that leads nowhere, or in a circle.",
    "link_cycle": "A link to a folder that is scanned anyway or contains the link.",
    "not_a_file": "A device, pipe or socket.",
    "unreadable": "The operating system cannot read it.",
    "too_large": "Larger than any film.",
    "not_an_image": "Content that is no image.",
    "media_index": "A DICOMDIR: the list of what is on the media.",
    "missing_file": "Listed in a DICOMDIR, but not there.",
    "archive_damaged": "An archive that cannot be opened or read on.",
    "archive_late": "An archive that could not be reached during the scan, and was by --resume.",
    "archive_encrypted": "An encrypted member of an archive.",
    "archive_bomb": "Would unpack to far more than it can honestly hold.",
    "archive_nested": "An archive within an archive.",
    "path_escape": "A member of an archive, or of a DICOMDIR, with a path that leads out of it.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file can be no film: a code of `FAULT_CODES` and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class FilmHeader:
    """Elements of a DICOM header that decide whether a file may be a film to measure.

    All texts are stripped and ``""`` where absent; numbers are -1 where absent. A damaged header
    gives what stands before the damage, and `complete` False.
    """

    sop_class: str = ""
    modality: str = ""
    image_type: str = ""
    intent: str = ""
    instance_uid: str = ""
    study_uid: str = ""
    series_uid: str = ""
    patient_id: str = ""
    study_date: str = ""
    acquired: str = ""
    study_description: str = ""
    series_description: str = ""
    protocol: str = ""
    body_part: str = ""
    region: str = ""
    view_position: str = ""
    view: str = ""
    orientation: str = ""
    transfer_syntax: str = ""
    rows: int = -1
    columns: int = -1
    frames: int = -1
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an export.

    Parameters
    ----------
    path : str
        Where it lies in the export, ``/`` between folders; a member of an archive has the
        archive's path before its own. Printable; bytes that are no text are escaped.
    file : str
        The file from which it can be read now, ``""`` if there is none.
    size : int
        Bytes; -1 if unknown.
    kind : str
        ``"dicom"``, ``"raster"`` (PNG, JPEG, TIFF), ``"container"`` (an archive that was opened)
        or ``"other"``.
    header : FilmHeader or None
        Of DICOM files.
    fault : Fault or None
        Set if it can be no film, whatever the rules of selection.
    """

    path: str
    file: str
    size: int
    kind: Kind
    header: FilmHeader | None = None
    fault: Fault | None = None
