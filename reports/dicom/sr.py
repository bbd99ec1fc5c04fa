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

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import highdicom as hd
from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset

from endplate import __version__
from endplate.reports.dicom import content
from endplate.reports.dicom.codes import LOCAL_SCHEME, STANDARD_CODES, Code
from endplate.reports.dicom.content import OBSERVED, SEPARATE
from endplate.reports.dicom.encode import encoded_elements, keep_sequence
from endplate.reports.dicom.film import Film
from endplate.reports.dicom.shell import NOBODY, Shell
from endplate.reports.dicom.sr_context import GroupContext
from endplate.reports.dicom.sr_groups import measurement_groups
from endplate.reports.dicom.sr_reading import image_library, reading_group
from endplate.reports.dicom.uids import UidMaker
from endplate.reports.dicom.when import when_read
from endplate.study.reading import Reading

__all__ = ["MANUFACTURER", "build_sr"]

MANUFACTURER: Final = "endplate"
_SERIES_NUMBER: Final = 9101


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
    series, instance = uids.make("series of the report"), uids.make("report")
    frame = _frame()
    document = frame.shell.around(film.header, series, instance, when_read(reading, film.header))
    keep_sequence(document, "CurrentRequestedProcedureEvidenceSequence", [_evidence(film.header)])
    context = GroupContext(reading, film, uids, time_point)
    groups = b"".join((reading_group(context), *measurement_groups(context)))
    measurements = content.item(frame.measurements + content.element(0xA730, b"SQ", groups))
    items = (
        *(frame.language, *_observers(reading, uids), frame.procedure),
        *(image_library(context), measurements),
    )
    keep_sequence(document, "ContentSequence", items)
    return document


@dataclass(frozen=True)
class _Frame:
    """What all reports share: the document but for its content, and of that the encoded items.

    Parameters
    ----------
    shell : Shell
    language, procedure : bytes
        Items of the content.
    measurements : bytes
        Elements of the container of all groups, without its content.
    """

    shell: Shell
    language: bytes
    procedure: bytes
    measurements: bytes


@cache
def _frame() -> _Frame:
    """A report by highdicom, taken to pieces."""
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=_coded(STANDARD_CODES["device"]),
                observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(uid="1.2.3"),
            )
        ),
        procedure_reported=_coded(STANDARD_CODES["procedure"]),
        imaging_measurements=[_any_group()],
        title=_coded(STANDARD_CODES["report"]),
    )
    made = sr.Comprehensive3DSR(
        evidence=[NOBODY],
        content=report,
        series_instance_uid="1.2.3",
        series_number=_SERIES_NUMBER,
        sop_instance_uid="1.2.3",
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="endplate",
        software_versions=__version__,
        device_serial_number="0",
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="endplate measurements",
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
    language, *_, procedure, measurements = made.ContentSequence
    del measurements.ContentSequence
    made.ContinuityOfContent = measurements.ContinuityOfContent = SEPARATE
    return _Frame(
        Shell(made, ("ContentSequence", "CurrentRequestedProcedureEvidenceSequence")),
        content.item(encoded_elements(language)),
        content.item(encoded_elements(procedure)),
        encoded_elements(measurements),
    )


def _coded(code: Code) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept(code.value, code.scheme, code.meaning)


def _any_group() -> sr.MeasurementsAndQualitativeEvaluations:
    """A group that refers to a film: highdicom makes no report without one."""
    film = sr.SourceImageForMeasurementGroup(NOBODY.SOPClassUID, NOBODY.SOPInstanceUID)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid="1.2.3", identifier="Reading"),
        source_images=[film],
    )


def _evidence(header: Dataset) -> bytes:
    """The film, in its series and study."""
    referred = content.referred(str(header.SOPClassUID), str(header.SOPInstanceUID))
    series = content.element(0x1199, b"SQ", referred, 0x0008)
    series += content.element(0x000E, b"UI", str(header.SeriesInstanceUID), 0x0020)
    study = content.element(0x1115, b"SQ", content.item(series), 0x0008)
    study += content.element(0x000D, b"UI", str(header.StudyInstanceUID), 0x0020)
    return content.item(study)


def _observers(reading: Reading, uids: UidMaker) -> Iterator[bytes]:
    """The program always, and the person where one placed the points (TID 1002)."""
    reader, codes = reading.reader, STANDARD_CODES
    model = reader.kind == "model"
    if not model:
        name = reader.name.replace("\\", " ")[:64] or "Unknown"
        yield content.code(OBSERVED, codes["observer"], codes["person"])
        yield content.person(OBSERVED, codes["person name"], name)
    yield content.code(OBSERVED, codes["observer"], codes["device"])
    yield content.uid(OBSERVED, codes["device uid"], uids.make("device"))
    yield content.text(OBSERVED, codes["device name"], "endplate")
    yield content.text(OBSERVED, codes["device manufacturer"], MANUFACTURER)
    yield content.text(OBSERVED, codes["device model"], (reader.name * model) or "endplate")
    if model and reader.sha256:
        yield content.text(OBSERVED, codes["device serial"], reader.sha256[:64])
