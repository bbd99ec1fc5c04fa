"""The film of a structured report, and its first measurement group: on the reading as a whole."""

from collections.abc import Iterator

import numpy as np

from endplate.reports.dicom import content
from endplate.reports.dicom.codes import CONCEPTS, MODALITIES, STANDARD_CODES, UNITS
from endplate.reports.dicom.content import ACQUIRED, CONTAINS
from endplate.reports.dicom.sr_context import LONGEST_TEXT, PLANAR, GroupContext
from endplate.study.reading import Reading

__all__ = ["image_library", "reading_group"]


def image_library(context: GroupContext) -> bytes:
    """The film and its size (TID 1600 to 1602)."""
    header = context.film.header
    kind = MODALITIES.get(str(header.Modality), MODALITIES["OT"])
    described = (
        content.code(ACQUIRED, STANDARD_CODES["modality"], kind),
        content.number(ACQUIRED, STANDARD_CODES["rows"], header.Rows, UNITS["px"]),
        content.number(ACQUIRED, STANDARD_CODES["columns"], header.Columns, UNITS["px"]),
    )
    film = str(header.SOPClassUID), str(header.SOPInstanceUID)
    image = content.image(CONTAINS, content.SOURCE, *film, described)
    group = content.container(CONTAINS, STANDARD_CODES["library group"], "", [image])
    return content.container(CONTAINS, STANDARD_CODES["library"], "", [group])


def reading_group(context: GroupContext) -> bytes:
    """The group. Its region is the whole film: the OHIF viewer opens no report in which a group
    lies nowhere.
    """
    header = context.film.header
    x, y = float(header.Columns), float(header.Rows)
    edge = np.array([[0.0, 0.0], [x, 0.0], [x, y], [0.0, y], [0.0, 0.0]])
    region = content.region(CONTAINS, STANDARD_CODES["region"], "POLYLINE", edge, context.source)
    items = (*_items(context), region)
    return context.group("Reading", CONCEPTS["READING"], items, template=PLANAR)


def _items(context: GroupContext) -> Iterator[bytes]:
    reading, header = context.reading, context.film.header
    for name, value, unit in _numbers(reading):
        yield content.number(CONTAINS, CONCEPTS[name], value, UNITS[unit])
    for name, said in _evaluations(reading):
        yield content.code(CONTAINS, CONCEPTS[name], CONCEPTS[said.upper()])
    of_group, film = STANDARD_CODES["source of group"], (header.SOPClassUID, header.SOPInstanceUID)
    yield content.image(CONTAINS, of_group, str(film[0]), str(film[1]))
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
