"""What leaves the review: report, picture, tables, DICOM results, and films for training."""

import csv
import io
import math
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import cv2

from endplate.datasets.coco_writer import write_annotations
from endplate.datasets.film_annotation import FilmAnnotation
from endplate.errors import EndplateError
from endplate.geometry.measurement import Measurement
from endplate.imaging.radiograph import Radiograph
from endplate.infer.dicom_results import write_dicom_results
from endplate.reports.html import html_report
from endplate.reports.overlay import draw_overlay, encode_png
from endplate.reports.reading_json import reading_text
from endplate.review.editing import marks_of
from endplate.study.reading import Reading

__all__ = ["ALL", "KINDS", "NO_SR", "Download", "coco_zip", "export_reading", "measurements_csv"]

#: Every kind, in one zip.
ALL: Final = "all"
#: Why there is no structured report of a film.
NO_SR: Final = (
    "there is no SR of this film: it is no DICOM radiograph, or it is reviewed under a pseudonym,"
    " and an SR would name the patient"
)
_COLUMNS: Final = (
    *("film", "sha256", "subject", "study_date", "position", "reading", "parent", "reader"),
    *("signed", "status", "level", "measure", "between", "value", "unit", "se"),
    *("low90", "high90", "calibration", "flags"),
)


@dataclass(frozen=True, slots=True)
class Download:
    """A file for the browser."""

    name: str
    media_type: str
    data: bytes


def export_reading(
    kind: str, reading: Reading, film: Callable[[], tuple[Radiograph, Path]], name: str, sr: bool
) -> Download:
    """One reading in one of the `KINDS`, or `ALL` of them.

    Parameters
    ----------
    film : callable
        Gives the film and its file, where the kind needs them.
    name : str
        Stem of the download.
    sr : bool
        Whether `ALL` may hold a structured report.

    Raises
    ------
    EndplateError
        If the film cannot be found, or a package is missing.
    """
    if kind == ALL:
        return _all(reading, film, name, sr)
    return KINDS[kind](reading, film, name)


def measurements_csv(readings: Iterable[Reading]) -> bytes:
    """All measurements of readings, a line each, in UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for reading in readings:
        writer.writerows(_row(reading, m) for m in reading.measurements)
    return text.getvalue().encode()


def coco_zip(films: Sequence[tuple[str, Reading, Radiograph]]) -> IO[bytes]:
    """Signed films with their landmarks, as a data set to train on.

    Parameters
    ----------
    films : sequence of (name, Reading, Radiograph)
        Names differ and hold letters, digits and hyphens only.

    Returns
    -------
    file
        A zip, open at its beginning, of ``annotations.json`` and ``images/*.png``; it vanishes
        when closed.
    """
    out = tempfile.SpooledTemporaryFile(max_size=64 * 1024 * 1024)  # noqa: SIM115
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        annotations = []
        for name, reading, film in films:
            file_name = f"{name}.png"
            _, data = cv2.imencode(".png", film.pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
            archive.writestr(f"images/{file_name}", data.tobytes())
            annotations.append(_annotation(file_name, reading, film))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "annotations.json")
            write_annotations(path, annotations)
            archive.writestr("annotations.json", path.read_bytes())
    out.seek(0)
    return out


def _annotation(file_name: str, reading: Reading, film: Radiograph) -> FilmAnnotation:
    return FilmAnnotation(
        file_name,
        film.columns,
        film.rows,
        reading.vertebrae,
        facing=_facing(reading),
        spacing_mm=reading.calibration.spacing_mm,
        view="lateral",
        subject=reading.source.patient_id or reading.source.sha256[:16],
        attributes={
            "reading": reading.id,
            "reader": reading.reader.name,
            **({"position": reading.source.position} if reading.source.position else {}),
            **({"fractured": list(marks_of(reading)[0])} if marks_of(reading)[0] else {}),
        },
    )


def _facing(reading: Reading) -> Any:
    if reading.source.facing is not None or not reading.vertebrae:
        return reading.source.facing
    forward = [v.points[0, 0] - v.points[2, 0] for v in reading.vertebrae]
    total = sum(float(x) for x in forward if math.isfinite(x))
    return "right" if total > 0 else "left"


def _row(reading: Reading, m: Measurement) -> list[object]:
    source = reading.source
    low, high = m.interval90
    return [
        *(_cell(source.path), source.sha256, _cell(source.patient_id), source.study_date),
        *(source.position or "", reading.id, reading.parent or "", _cell(reading.reader.name)),
        *(reading.created, reading.quality.status, m.level, m.name, " ".join(m.between)),
        *(_number(m.value), m.unit, _number(m.se), _number(low), _number(high)),
        *(reading.calibration.source, " ".join(m.flags)),
    ]


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def _cell(text: str) -> str:
    """Text from outside, harmless where a spreadsheet takes it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


_Film = Callable[[], tuple[Radiograph, Path]]


def _report(reading: Reading, film: _Film, name: str) -> Download:
    _, index = marks_of(reading)
    try:
        picture = draw_overlay(
            film()[0].pixels, reading, index_level=index, long_side=1200, panel=False
        )
    except EndplateError:
        picture = None  # the numbers are worth having without it
    text = html_report(reading, picture, index_level=index)
    return Download(f"{name}.html", "text/html; charset=utf-8", text.encode())


def _overlay(reading: Reading, film: _Film, name: str) -> Download:
    picture = draw_overlay(film()[0].pixels, reading, index_level=marks_of(reading)[1])
    return Download(f"{name}-overlay.png", "image/png", encode_png(picture))


def _csv(reading: Reading, film: _Film, name: str) -> Download:
    return Download(f"{name}.csv", "text/csv; charset=utf-8", measurements_csv([reading]))


def _json(reading: Reading, film: _Film, name: str) -> Download:
    return Download(f"{name}.json", "application/json", reading_text(reading).encode())


def _sr(reading: Reading, film: _Film, name: str) -> Download:
    path = film()[1]
    with tempfile.TemporaryDirectory() as folder:
        (written,) = write_dicom_results(
            reading, path, folder, kinds=("sr",), name="film", index_level=marks_of(reading)[1]
        )
        return Download(f"{name}-sr.dcm", "application/dicom", written.read_bytes())


#: What one reading can be exported as.
KINDS: Final[dict[str, Callable[[Reading, _Film, str], Download]]] = {
    "report": _report,
    "overlay": _overlay,
    "csv": _csv,
    "json": _json,
    "sr": _sr,
}


def _all(reading: Reading, film: _Film, name: str, sr: bool) -> Download:
    """Everything that can be made of the reading, in one zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, make in KINDS.items():
            if kind == "sr" and not sr:
                continue
            try:
                done = make(reading, film, name)
            except EndplateError:
                continue  # no picture of a film that is gone, no SR without its packages
            archive.writestr(done.name, done.data)
    return Download(f"{name}.zip", "application/zip", out.getvalue())
