"""DICOM files without identity, after the Basic Profile of DICOM PS3.15 Annex E.

The actions of the profile come from the package dicom-anonymizer. On top of them, patient ids,
names and unique identifiers become keyed pseudonyms, and the dates of what was done are moved per
subject (the profile's option to retain longitudinal temporal information with modified dates).
What is burned into the pixels stays: no software can promise to find it.
"""

import copy
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from endplate.errors import MissingDependency
from endplate.imaging.pseudonyms import Pseudonyms

__all__ = ["pseudonymise", "require_pseudonymise"]

_Action = Callable[[Dataset, Any], None]

#: Dates of acts, which move; and times of day, which stay. Birth dates and the like are emptied.
_DATES: Final = (
    *("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "AcquisitionDateTime"),
    *("InstanceCreationDate", "DateOfLastCalibration", "DateOfSecondaryCapture"),
    *("PerformedProcedureStepStartDate", "PerformedProcedureStepEndDate"),
)
_TIMES: Final = ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime")
_SUBJECT: Final = ("PatientID", "PatientName")
_EMPTY: Final = ("PatientBirthDate",)
_PROFILE: Final = "dicomfields_2026c"
#: DICOM codes of the profile and of the option that is made use of.
_METHODS: Final = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
)


def require_pseudonymise() -> None:
    """Raise `MissingDependency` unless the extra ``privacy`` is installed."""
    if find_spec("dicomanonymizer") is None:
        raise MissingDependency("dicom-anonymizer", "privacy", "pseudonymising files")


def pseudonymise(ds: Dataset, pseudonyms: Pseudonyms) -> Dataset:
    """A copy of a data set without what identifies the patient, sequences included.

    Parameters
    ----------
    ds : Dataset
        Not changed. Of a file, it has its file meta information.
    pseudonyms : Pseudonyms
        The same key gives the same patient the same pseudonym in every file.

    Raises
    ------
    MissingDependency
        Without the extra ``privacy``.
    """
    require_pseudonymise()
    from dicomanonymizer import anonymize_dataset

    patient = str(ds.get("PatientID", "") or "")
    rules = _rules(patient, pseudonyms)
    out = copy.deepcopy(ds)
    # From the inside out: what is left of an item after its sequence's own action is clean.
    for part in [*_items(out), out]:
        anonymize_dataset(part, base_rules_gen=lambda: dict(rules))
    out.PatientIdentityRemoved = "YES"
    out.LongitudinalTemporalInformationModified = "MODIFIED"
    out.DeidentificationMethod = "endplate, PS3.15 Basic Profile, modified dates"
    out.DeidentificationMethodCodeSequence = Sequence([_code(*m) for m in _METHODS])
    meta = getattr(out, "file_meta", None)
    if meta is not None:
        meta.MediaStorageSOPInstanceUID = out.get("SOPInstanceUID", "")
        for keyword in ("SourceApplicationEntityTitle", "SendingApplicationEntityTitle"):
            if keyword in meta:
                delattr(meta, keyword)
        out.preamble = bytes(128)
    return out


def _rules(patient: str, pseudonyms: Pseudonyms) -> dict[Any, _Action]:
    """Actions by tag: those of the profile, with pseudonyms where it wants other values."""
    from dicomanonymizer.simpledicomanonymizer import initialize_actions, keep, replace_UID
    from pydicom.datadict import tag_for_keyword

    rules: dict[Any, _Action] = initialize_actions(_PROFILE)
    identifier = _changing(pseudonyms.uid)
    rules = {tag: identifier if action is replace_UID else action for tag, action in rules.items()}
    changes = (
        (_DATES, _changing(lambda text: pseudonyms.date(text, patient))),
        (_TIMES, keep),
        (_SUBJECT, _changing(lambda text: pseudonyms.subject(patient))),
        (_EMPTY, _changing(lambda text: "")),
    )
    for keywords, action in changes:
        for keyword in keywords:
            tag = tag_for_keyword(keyword)
            assert tag is not None, "a keyword of the standard"
            rules[tag >> 16, tag & 0xFFFF] = action
    return rules


def _changing(change: Callable[[str], str]) -> _Action:
    """An action that changes each value of an element as text."""

    def act(ds: Dataset, tag: Any) -> None:
        element = ds.get(tag)
        if element is None or element.VR == "SQ":
            return
        if isinstance(element.value, MultiValue):
            element.value = [change(str(v)) for v in element.value]
        elif element.value not in (None, ""):
            element.value = change(str(element.value))

    return act


def _items(ds: Dataset) -> Iterator[Dataset]:
    """All items of all sequences, the innermost first."""
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield from _items(item)
                yield item


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code
