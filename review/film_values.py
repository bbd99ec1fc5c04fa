"""What the page of one film gets: its reading as plain values."""

from dataclasses import dataclass
from typing import Any, Final

from endplate.geometry.landmarks import Vertebra
from endplate.review.ct_films import ASIDE, STEP, strip_values
from endplate.review.editing import marks_of, measurements_to_wire, vertebra_to_wire
from endplate.review.films import FilmShelf
from endplate.review.in_space import asides_of
from endplate.review.library import FilmEntry
from endplate.study.reading import Reading

__all__ = ["Sheet", "film_values", "has_sr", "hidden_values", "is_inverted"]

#: Marks of a reader, which the page shows as marks and not as reasons.
_MARKS: Final = ("fracture_", "index_")


@dataclass(frozen=True, eq=False)
class Sheet:
    """A film as one person may see it: its entry and the reading that editing starts from."""

    entry: FilmEntry
    reading: Reading


def film_values(key: str, sheet: Sheet, shelf: FilmShelf) -> dict[str, Any]:
    """All that the viewer shows of a film, the pixels apart.

    Parameters
    ----------
    key : str
        By which the page asked for it.
    """
    reading, source, entry = sheet.reading, sheet.reading.source, sheet.entry
    fractured, index = marks_of(reading)
    return {
        "key": key,
        "name": source.path.replace("\\", "/").rpartition("/")[2],
        "subject": source.patient_id,
        "date": source.study_date,
        "inverted": is_inverted(entry),
        "has_sr": has_sr(sheet, shelf),
        "rows": source.rows,
        "columns": source.columns,
        "found": shelf.is_there(entry),
        "ct": _ct(sheet, shelf),
        "reading": reading.id,
        "current": entry.current.id,
        "reader": reading.reader.name,
        "reader_kind": reading.reader.kind,
        "created": reading.created,
        "signed": entry.is_signed,
        "status": reading.quality.status,
        "reasons": [
            {"code": r.code, "message": r.message}
            for r in reading.quality.reasons
            if not r.code.startswith(_MARKS)
        ],
        "facing": source.facing,
        "position": source.position,
        "spacing_mm": reading.calibration.spacing_mm,
        "calibration": reading.calibration.source,
        "aspect": reading.calibration.scale_xy[1] / reading.calibration.scale_xy[0],
        "index_level": index,
        "vertebrae": [
            {**vertebra_to_wire(v, f"r{i}", v.level in fractured), **_aside(sheet, shelf, v)}
            for i, v in enumerate(reading.vertebrae)
        ],
        "measurements": measurements_to_wire(reading.measurements),
    }


def hidden_values(sheet: Sheet) -> dict[str, Any]:
    """What a reader study shows instead of what would tell the film."""
    return {
        "name": "",
        "subject": "",
        "date": "",
        "has_sr": False,
        "current": sheet.reading.id,
    }


def has_sr(sheet: Sheet, shelf: FilmShelf) -> bool:
    """Whether a structured report can be made: of a DICOM film, under its own identity."""
    modality = sheet.reading.source.modality
    return modality not in ("", "CT") and not shelf.is_hidden(sheet.entry)


def is_inverted(entry: FilmEntry) -> bool:
    """Whether bone is dark on the film, by any of its readings: a person's does not repeat it."""
    return any("contrast_inverted" in s.values["reasons"] for s in entry.summaries)


def _ct(sheet: Sheet, shelf: FilmShelf) -> dict[str, Any] | None:
    """How the page scrolls through the slabs of a CT; None for films."""
    known = shelf.cts.sheet(sheet.entry) if sheet.entry.is_ct else None
    if known is None:
        return None
    strip = strip_values(known, sheet.reading.vertebrae)
    return {"aside": ASIDE, "step": STEP, "strip": strip}


def _aside(sheet: Sheet, shelf: FilmShelf, vertebra: Vertebra) -> dict[str, Any]:
    known = shelf.cts.sheet(sheet.entry) if sheet.entry.is_ct else None
    return {} if known is None else {"aside": asides_of(vertebra, known.slab)}
