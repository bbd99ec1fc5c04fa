"""A reading as a DICOM structured report: Comprehensive 3D SR after template TID 1500.

What the document holds, in this order:

- the film, as image library (TID 1600), without which the OHIF viewer shows nothing;
- a group on the reading as a whole (TID 1501): who read, the verdict of the quality gate, the
  calibration;
- for each vertebra a group with its outline (TID 1410), its finding site and the measures of the
  body alone; one with its points and their covariance (TID 1501); one with the measures that
  involve its neighbours (TID 1501), each with the lines between which it was measured;
- for each angle over several levels a group of its own (TID 1501), in which the number is a Cobb
  angle with its two lines.

Undefined measures are left out. `readback.read_sr` makes a reading of it again.
"""

from datetime import datetime
from typing import Final

import highdicom as hd
from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import templates
from pydicom.dataset import Dataset

from endplate import __version__
from endplate.errors import InputError
from endplate.reports.dicom.codes import LOCAL_SCHEME, STANDARD_CODES, Code
from endplate.reports.dicom.content import SEPARATE
from endplate.reports.dicom.encode import set_content
from endplate.reports.dicom.film import Film, names_as_they_are
from endplate.reports.dicom.sr_context import GroupContext
from endplate.reports.dicom.sr_groups import measurement_groups
from endplate.reports.dicom.sr_reading import image_library, reading_group
from endplate.reports.dicom.uids import UidMaker
from endplate.study.reading import Reading

__all__ = ["MANUFACTURER", "build_sr", "created_at", "stamp"]

MANUFACTURER: Final = "endplate"
_SERIES_NUMBER: Final = 9101


@names_as_they_are()
def build_sr(
    reading: Reading, film: Film, uids: UidMaker, time_point: str | None = None
) -> Dataset:
    """The structured report of a reading.

    Parameters
    ----------
    film : Film
        The film that was read.
    uids : UidMaker
        Makes the identifiers of the new objects.
    time_point : str, optional
        Of the follow-up, such as ``pre-operative`` or ``3 months``.

    Returns
    -------
    Dataset
        Comprehensive 3D SR: complete, preliminary, unverified.

    Raises
    ------
    InputError
        If the time of the reading is no ISO time.
    """
    created = created_at(reading)
    report = sr.MeasurementReport(
        observation_context=_observers(reading, uids),
        procedure_reported=_coded(STANDARD_CODES["procedure"]),
        imaging_measurements=[_any_group(film)],
        title=_coded(STANDARD_CODES["report"]),
    )
    document = sr.Comprehensive3DSR(
        evidence=[film.header],
        content=report,
        series_instance_uid=uids.make("series of the report"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=uids.make("report"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="endplate",
        software_versions=__version__,
        device_serial_number="0",
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="endplate measurements",
        content_date=created.date(),
        content_time=created.time(),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        coding_schemes=[
            CodingSchemeIdentificationItem(
                designator=LOCAL_SCHEME,
                name="Codes of endplate",
                version=__version__,
                responsible_organization=MANUFACTURER,
            )
        ],
    )
    stamp(document, created)
    for shown in (document, document.ContentSequence[-1]):
        shown.ContinuityOfContent = SEPARATE
    context = GroupContext(reading, film, uids, time_point)
    groups = (reading_group(context), *measurement_groups(context))
    set_content(document, groups, before=(image_library(context),))
    return document


def _coded(code: Code) -> sr.CodedConcept:
    return sr.CodedConcept(code.value, code.scheme, code.meaning)


def _any_group(film: Film) -> sr.MeasurementsAndQualitativeEvaluations:
    """A group that refers to the film, for highdicom to make a document around; it copies its
    content several times over, so that the groups of the reading are put in later.
    """
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid="1.2.3", identifier="Reading"),
        source_images=[
            sr.SourceImageForMeasurementGroup(film.header.SOPClassUID, film.header.SOPInstanceUID)
        ],
    )


def created_at(reading: Reading) -> datetime:
    """The time of a reading, as its clock showed it."""
    try:
        return datetime.fromisoformat(reading.created).replace(tzinfo=None)
    except ValueError as error:
        raise InputError(
            f"reading {reading.id}: created is {reading.created!r}; expected an ISO 8601 time"
        ) from error


def stamp(dataset: Dataset, created: datetime) -> None:
    """Set the times at which an object was made to that of its reading, which is the same
    whenever the object is written.
    """
    dataset.InstanceCreationDate = created.strftime("%Y%m%d")
    dataset.InstanceCreationTime = created.strftime("%H%M%S")
    for item in dataset.get("ContributingEquipmentSequence", ()):
        item.ContributionDateTime = created.strftime("%Y%m%d%H%M%S")


def _observers(reading: Reading, uids: UidMaker) -> templates.ObservationContext:
    """The program always, and the person where one placed the points."""
    reader = reading.reader
    model = reader.kind == "model"
    device = sr.ObserverContext(
        observer_type=hd.sr.CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=uids.make("device"),
            name="endplate",
            manufacturer_name=MANUFACTURER,
            model_name=(reader.name if model else "") or "endplate",
            serial_number=(reader.sha256[:64] if model else "") or None,
        ),
    )
    person = None
    if not model:
        person = sr.ObserverContext(
            observer_type=hd.sr.CodedConcept("121006", "DCM", "Person"),
            observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(
                name=reader.name.replace("\\", " ")[:64] or "Unknown"
            ),
        )
    return sr.ObservationContext(observer_person_context=person, observer_device_context=device)
