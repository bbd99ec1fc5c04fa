"""The first measurement group of a structured report: what concerns the reading as a whole."""

from collections.abc import Iterator

from endplate.reports.dicom import content
from endplate.reports.dicom.codes import CONCEPTS, STANDARD_CODES, UNITS
from endplate.reports.dicom.content import CONTAINS
from endplate.reports.dicom.sr_context import LONGEST_TEXT, GroupContext
from endplate.study.reading import Reading

__all__ = ["reading_group"]


def reading_group(context: GroupContext) -> bytes:
    """The group."""
    return context.group("Reading", CONCEPTS["READING"], _items(context))


def _items(context: GroupContext) -> Iterator[bytes]:
    reading, header = context.reading, context.film.header
    for name, value, unit in _numbers(reading):
        yield content.number(CONTAINS, CONCEPTS[name], value, UNITS[unit])
    for name, said in _evaluations(reading):
        yield content.code(CONTAINS, CONCEPTS[name], CONCEPTS[said.upper()])
    of_group, film = STANDARD_CODES["source of group"], (header.SOPClassUID, header.SOPInstanceUID)
    yield content.image(CONTAINS, of_group, *map(str, film))
    for name, text in _reading_texts(reading):
        if text:
            yield content.text(CONTAINS, CONCEPTS[name], text[:LONGEST_TEXT])


def _numbers(reading: Reading) -> Iterator[tuple[str, float, str]]:
    calibration = reading.calibration
    yield "ROWS", reading.source.rows, "px"
    yield "COLUMNS", reading.source.columns, "px"
    yield "ASPECT", calibration.aspect, "1"
    if calibration.spacing_mm is not None:
        row, column = calibration.spacing_mm
        yield "SPACING-ROW", row, "mm"
        yield "SPACING-COLUMN", column, "mm"
    if calibration.magnification is not None:
        yield "MAGNIFICATION", calibration.magnification, "1"


def _evaluations(reading: Reading) -> Iterator[tuple[str, str]]:
    yield "STATUS", reading.quality.status
    yield "VIEW", reading.source.view
    if reading.source.facing is not None:
        yield "FACING", reading.source.facing


def _reading_texts(reading: Reading) -> Iterator[tuple[str, str]]:
    reader, source = reading.reader, reading.source
    yield "READING-ID", reading.id
    yield "PARENT-ID", reading.parent or ""
    yield "CREATED", reading.created
    yield "READER-KIND", reader.kind
    yield "READER-NAME", reader.name
    yield "READER-VERSION", reader.version
    yield "READER-SHA256", reader.sha256
    yield "FILM-PATH", source.path
    yield "FILM-SHA256", source.sha256
    yield "MODALITY", source.modality
    yield "POSITION", source.position or ""
    yield "CALIBRATION", reading.calibration.source
    for reason in reading.quality.reasons:
        yield "REASON", f"{reason.code}: {reason.message}"
