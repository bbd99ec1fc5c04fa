"""Signing: an edit becomes a new reading; nothing is ever written over."""

import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from endplate.checked import Record
from endplate.errors import InputError
from endplate.reports.reading_json import reading_text
from endplate.review.audit import AuditTrail
from endplate.review.changes import changes_between
from endplate.review.editing import (
    Edit,
    mark_reasons,
    measure_edit,
)
from endplate.review.library import FilmEntry, Library
from endplate.review.people import Person
from endplate.study.reading import Quality, Reader, Reading, Reason
from endplate.study.serialise import reading_to_dict

__all__ = ["Conflict", "Signature", "Signer", "read_signature", "signed_reading", "write_new"]

_VERDICTS: Final[tuple[Literal["accepted", "flagged", "rejected"], ...]] = (
    "accepted",
    "flagged",
    "rejected",
)


class Conflict(InputError):
    """Somebody else signed the film in the meantime."""

    def __init__(self, entry: FilmEntry) -> None:
        values = entry.current.values
        self.reading = entry.current.id
        self.reader, self.created = values["reader"], values["created"]
        super().__init__(
            f"{self.reader} signed this film at {self.created}; only a reviewer may sign over that"
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """The reader's verdict on a film.

    Parameters
    ----------
    verdict : {"accepted", "flagged", "rejected"}
    note : str
        A sentence of the reader's, may be empty.
    overrule : str
        Id of a conflicting reading that a reviewer has seen and overrules; else empty.
    """

    verdict: Literal["accepted", "flagged", "rejected"] = "accepted"
    note: str = ""
    overrule: str = ""


def read_signature(record: Record) -> Signature:
    """Check what the browser sent."""
    return Signature(
        record.choice("verdict", _VERDICTS),
        " ".join(record.text("note", default="").split()),
        record.text("overrule", default=""),
    )


def signed_reading(
    base: Reading, edit: Edit, signature: Signature, person: Person, *, parent: str | None
) -> Reading:
    """The reading that a person signs.

    Raises
    ------
    InputError
        If a film on which nothing is marked would be accepted.
    """
    if not edit.vertebrae and signature.verdict != "rejected":
        raise InputError("no vertebra is marked: mark some, or reject the film")
    reasons = mark_reasons(edit)
    if signature.note or signature.verdict != "accepted":
        text = signature.note or f"The reader {signature.verdict} the reading."
        reasons = (*reasons, Reason("reader_note", text))
    return Reading(
        id=str(uuid.uuid4()),
        parent=parent,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        reader=Reader("person", person.name),
        source=replace(base.source, position=edit.position),
        calibration=edit.calibration,
        quality=Quality(signature.verdict, reasons),
        vertebrae=edit.vertebrae,
        measurements=measure_edit(edit),
    )


def write_new(folder: Path, reading: Reading) -> Path:
    """Write a reading into a folder under its id; never over another.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    path = folder / f"{reading.id}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data = reading_text(reading).encode("utf-8")
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    return path


class Signer:
    """Writes signed readings and their audit lines, one at a time."""

    def __init__(self, library: Library, audit: AuditTrail) -> None:
        self.library, self.audit = library, audit
        #: Called with each signed reading, to keep it elsewhere too.
        self.also: Callable[[Reading], None] | None = None
        self._lock = threading.Lock()

    def sign(
        self, entry: FilmEntry, base: Reading, edit: Edit, signature: Signature, person: Person
    ) -> Reading:
        """Sign a film.

        Parameters
        ----------
        base : Reading
            Where the edit started, one of the film's.

        Raises
        ------
        Conflict
            If another reading than `base` counts by now, or another person signed it, and no
            reviewer overrules that.
        InputError
            If the reading cannot be written.
        """
        with self._lock:
            current = entry.current.id
            parent = base.id
            if current != base.id:
                if person.role != "reviewer" or signature.overrule != current:
                    raise Conflict(entry)
                parent = current  # the chain stays one line; the trail names both
            elif person.role != "reviewer" and _signed_by_another(entry, person):
                raise Conflict(entry)
            reading = signed_reading(base, edit, signature, person, parent=parent)
            path = write_new(self.library.own / "readings", reading)
            over = parent if parent != base.id or _signed_by_another(entry, person) else None
            line = _line(entry, base, edit, reading)
            self.audit.write(person.name, person.role, "sign", **line, overrules=over)
            self.library.add(path, reading_to_dict(reading))
            if self.also is not None:
                self.also(reading)
        return reading


def _signed_by_another(entry: FilmEntry, person: Person) -> bool:
    """Whether the reading that counts bears another person's signature."""
    return entry.is_signed and entry.current.values["reader"] != person.name


def _line(entry: FilmEntry, base: Reading, edit: Edit, reading: Reading) -> dict[str, Any]:
    note = next((r.message for r in reading.quality.reasons if r.code == "reader_note"), "")
    return {
        "film": entry.key,
        "reading": reading.id,
        "parent": reading.parent,
        "started_from": base.id,
        "verdict": reading.quality.status,
        "note": note,
        "changes": changes_between(base, edit),
    }
