"""What the results take over from the film: patient, study, and how it is referred to.

Only known elements are taken, and only values that the standard allows, so that one odd
element of a film does not make every object derived from it invalid.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from endplate.errors import InputError
from endplate.reports.dicom.charset import UTF_8, choose_character_set
from endplate.reports.dicom.when import OFFSET
from endplate.study.reading import Reading

__all__ = ["Film", "film_of"]

_DATE: Final = re.compile(r"\d{8}")
_TIME: Final = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_AGE: Final = re.compile(r"\d{3}[DWMY]")
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)+")
_IDENTIFIERS: Final = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
#: Length that the value representation allows.
_TEXTS: Final = {
    "PatientID": 64,
    "AccessionNumber": 16,
    "StudyID": 16,
    "StudyDescription": 64,
    "IssuerOfPatientID": 64,
}
_NAMES: Final = ("PatientName", "ReferringPhysicianName")
_PATTERNS: Final = {
    "StudyDate": _DATE,
    "StudyTime": _TIME,
    "PatientBirthDate": _DATE,
    "PatientAge": _AGE,
    "TimezoneOffsetFromUTC": OFFSET,
}
_OPTIONAL: Final = (
    *("PatientAge", "StudyDescription", "IssuerOfPatientID", "TimezoneOffsetFromUTC"),
)
_SPINES: Final = ("CSPINE", "TSPINE", "LSPINE", "SSPINE", "CTSPINE", "TLSPINE", "LSSPINE", "SPINE")


@dataclass(frozen=True, eq=False)
class Film:
    """The film that results refer to.

    Parameters
    ----------
    header : Dataset
        Clean patient and study elements, identifiers, size and grey-scale elements; UTF-8.
    name : str
        How the film was called, for messages.
    own_character_set : tuple of str
        In which the film has its texts.
    """

    header: Dataset
    name: str
    own_character_set: tuple[str, ...] = ()

    @property
    def body_part(self) -> str:
        """A defined term of BodyPartExamined; ``SPINE`` unless the film says more."""
        part = str(self.header.get("BodyPartExamined", ""))
        return part if part in _SPINES else "SPINE"

    @property
    def character_set(self) -> tuple[str, ...]:
        """For objects with no other text than the film's and ASCII (see `choose_character_set`)."""
        texts = (str(e.value) for e in self.header if e.VR in ("PN", "LO", "SH"))
        return choose_character_set(self.own_character_set, texts)


def film_of(source: Dataset, reading: Reading, name: str) -> Film:
    """The film of a reading.

    Parameters
    ----------
    source : Dataset
        Its header; pixels are not needed.
    name : str
        How messages call it.

    Raises
    ------
    InputError
        If the header lacks the identifiers that a reference needs, is of another size than the
        reading says, or of another instance.
    """
    header = Dataset()
    header.SpecificCharacterSet = UTF_8[0]
    for keyword in _IDENTIFIERS:
        value = str(source.get(keyword, "") or "")
        if not _UID.fullmatch(value) or len(value) > 64:
            raise InputError(
                f"{name}: {keyword} is {value!r}; expected a unique identifier, without which no"
                " DICOM result can refer to the film"
            )
        setattr(header, keyword, value)
    _check_same(header, source, reading, name)
    _add_patient_and_study(header, source)
    _add_image(header, source)
    own = source.get("SpecificCharacterSet") or ()
    return Film(header, name, (own,) if isinstance(own, str) else tuple(map(str, own)))


def _check_same(header: Dataset, source: Dataset, reading: Reading, name: str) -> None:
    size = (source.get("Rows"), source.get("Columns"))
    expected = (reading.source.rows, reading.source.columns)
    if size != expected:
        raise InputError(
            f"{name}: has {size[0]} rows and {size[1]} columns, but the reading is of an image of"
            f" {expected[0]} and {expected[1]}: give the film that was read"
        )
    read = reading.source.instance_uid
    if read and read != header.SOPInstanceUID:
        raise InputError(
            f"{name}: is instance {header.SOPInstanceUID}, but the reading is of {read}: give the"
            " film that was read"
        )


def _text(source: Dataset, keyword: str) -> str:
    """A value as one text; empty if it is absent or cannot be decoded."""
    try:
        value: Any = source.get(keyword, "")
    except Exception:  # whatever a damaged element makes the parser do
        return ""
    if isinstance(value, MultiValue | list):
        value = value[0] if value else ""
    text = "" if value is None else str(value)
    return "".join(c for c in text if c.isprintable() and c != "\\").strip()


def _add_patient_and_study(header: Dataset, source: Dataset) -> None:
    """Elements of type 2 are there even if empty."""
    for keyword, longest in _TEXTS.items():
        setattr(header, keyword, _text(source, keyword)[:longest])
    for keyword in _NAMES:
        setattr(header, keyword, _name(_text(source, keyword)))
    for keyword, pattern in _PATTERNS.items():
        value = _text(source, keyword)
        setattr(header, keyword, value if pattern.fullmatch(value) else "")
    sex = _text(source, "PatientSex").upper()
    header.PatientSex = sex if sex in ("M", "F", "O") else ""
    for keyword in _OPTIONAL:
        if not header.get(keyword):
            delattr(header, keyword)


def _name(text: str) -> str:
    """At most three groups of five components of 64 characters."""
    groups = ("^".join(group.split("^")[:5])[:64] for group in text.split("=")[:3])
    return "=".join(groups).rstrip("=^")


def _add_image(header: Dataset, source: Dataset) -> None:
    """Size, and what turns stored values into shown ones."""
    header.Rows, header.Columns = int(source.Rows), int(source.Columns)
    header.SamplesPerPixel = int(source.get("SamplesPerPixel") or 1)
    header.Modality = _text(source, "Modality")[:16]
    header.PhotometricInterpretation = _text(source, "PhotometricInterpretation")
    header.PresentationLUTShape = _text(source, "PresentationLUTShape")
    header.BodyPartExamined = _text(source, "BodyPartExamined").upper()[:16]
    orientation = source.get("PatientOrientation") or ()
    if len(orientation) == 2 and all(re.fullmatch(r"[APRLHF]{1,3}", str(v)) for v in orientation):
        header.PatientOrientation = [str(v) for v in orientation]
    slope, intercept = (_numbers(source, k) for k in ("RescaleSlope", "RescaleIntercept"))
    if len(slope) == len(intercept) == 1 and slope[0] != 0:
        header.RescaleSlope, header.RescaleIntercept = str(slope[0]), str(intercept[0])
        header.RescaleType = _text(source, "RescaleType")[:16] or "US"
    centres, widths = (_numbers(source, k) for k in ("WindowCenter", "WindowWidth"))
    if centres and len(centres) == len(widths) and all(w >= 1 for w in widths):
        header.WindowCenter, header.WindowWidth = str(centres[0]), str(widths[0])
        function = _text(source, "VOILUTFunction")
        if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            header.VOILUTFunction = function
    elif source.get("VOILUTSequence"):
        header.VOILUTSequence = [source.VOILUTSequence[0]]
    if source.get("ModalityLUTSequence"):
        header.ModalityLUTSequence = [source.ModalityLUTSequence[0]]


def _numbers(source: Dataset, keyword: str) -> list[float]:
    try:
        value = source.get(keyword)
        values = list(value) if isinstance(value, MultiValue | list) else [value]
        return [round(float(v), 6) for v in values if v is not None and str(v) != ""]
    except Exception:  # as above
        return []
