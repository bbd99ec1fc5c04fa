"""What a DICOM header says of view, facing and position of the patient."""

from typing import Final

from pydicom.dataset import Dataset

from endplate.imaging.radiograph import Facing
from endplate.imaging.tags import items, text, texts

__all__ = ["facing_of", "position_of", "view_of"]

_LATERAL_POSITIONS: Final = ("LL", "RL", "LLD", "RLD", "LAT", "LATERAL", "LLAT", "RLAT")
_FRONTAL_POSITIONS: Final = ("AP", "PA")
#: SNOMED CT codes of CID 4010.
_VIEW_CODES: Final = {
    "399173006": "lateral",
    "399198007": "lateral",
    "399067008": "lateral",
    "399348003": "frontal",
    "399061008": "frontal",
}
#: SNOMED CT and NCI codes of CID 19 and CID 20.
_POSITION_CODES: Final = {
    "10904000": "standing",
    "C86043": "erect",
    "33586001": "sitting",
    "40199007": "supine",
    "1240000": "prone",
    "102538003": "recumbent",
}
#: Words of a code's meaning, the more telling first.
_POSITION_WORDS: Final = (
    ("decubitus", "decubitus"),
    ("standing", "standing"),
    ("sitting", "sitting"),
    ("supine", "supine"),
    ("prone", "prone"),
    ("erect", "erect"),
    ("upright", "erect"),
    ("recumbent", "recumbent"),
)
#: PatientPosition (0018,5100) after the H or F of head or feet first.
_PATIENT_POSITIONS: Final = {"S": "supine", "P": "prone", "DR": "decubitus", "DL": "decubitus"}


def view_of(ds: Dataset) -> str | None:
    """``"lateral"``, ``"frontal"``, ``"other"``, or None if the header names no view."""
    for item in items(ds, "ViewCodeSequence"):
        code = _VIEW_CODES.get(text(item, "CodeValue"))
        if code:
            return code
        meaning = text(item, "CodeMeaning").lower()
        if "lateral" in meaning and "bilateral" not in meaning:
            return "lateral"
        if "antero-posterior" in meaning or "postero-anterior" in meaning:
            return "frontal"
    position = text(ds, "ViewPosition").upper()
    if position in _LATERAL_POSITIONS:
        return "lateral"
    if position in _FRONTAL_POSITIONS:
        return "frontal"
    return "other" if position else None


def facing_of(ds: Dataset) -> Facing | None:
    """Side to which the front of the patient points: PatientOrientation along the rows.

    ``A`` as the first value means that columns count towards anterior, that is to the right.
    """
    rows = texts(ds, "PatientOrientation")[:1]
    main = rows[0][:1].upper() if rows and rows[0] else ""
    if main == "A":
        return "right"
    return "left" if main == "P" else None


def position_of(ds: Dataset) -> str | None:
    """Position of the patient, None if not recorded; the modifier is more exact."""
    found: str | None = None
    for item in items(ds, "PatientOrientationCodeSequence"):
        found = _coded_position(item) or found
        for modifier in items(item, "PatientOrientationModifierCodeSequence"):
            found = _coded_position(modifier) or found
    if found:
        return found
    position = text(ds, "PatientPosition").upper()
    if position == "SITTING":
        return "sitting"
    return _PATIENT_POSITIONS.get(position[2:]) if position[:2] in ("HF", "FF") else None


def _coded_position(item: Dataset) -> str | None:
    """Position that one coded item names."""
    code = _POSITION_CODES.get(text(item, "CodeValue"))
    if code:
        return code
    meaning = text(item, "CodeMeaning").lower()
    return next((name for word, name in _POSITION_WORDS if word in meaning), None)
