"""Everything that the pages of one review share: films, readings, signing, help."""

import threading
from collections import OrderedDict
from typing import Any, Final

from endplate.checked import Record
from endplate.errors import EndplateError, InputError
from endplate.geometry.catalogue import CATALOGUE, FLAGS
from endplate.geometry.levels import LEVELS, POINTS, REGULAR_LEVELS
from endplate.imaging.radiograph import Radiograph
from endplate.infer.dicom_results import require_dicom_results
from endplate.review.assist import Assistant
from endplate.review.audit import AuditTrail
from endplate.review.blinded import BlindedStudy, StudyPlan, blank_reading
from endplate.review.editing import (
    BRIEF,
    POSITIONS,
    Edit,
    calibration_of,
    measure_edit,
    measurements_to_wire,
    read_edit,
    vertebra_to_wire,
)
from endplate.review.film_values import Sheet, film_values, hidden_values
from endplate.review.films import FilmShelf
from endplate.review.library import FilmEntry, Library
from endplate.review.people import Person, Session
from endplate.review.placing import Placer
from endplate.review.signing import Signer, read_signature
from endplate.study.reading import Reading

__all__ = ["Desk", "NotThere"]

_KEPT_READINGS: Final = 64


class NotThere(EndplateError):
    """No film or reading of that key."""


class Desk:
    """The review of one folder.

    Parameters
    ----------
    library : Library
    shelf : FilmShelf
    assistant : Assistant
    plan : StudyPlan or None
        A reader study; None for ordinary review.
    """

    def __init__(
        self,
        library: Library,
        shelf: FilmShelf,
        assistant: Assistant,
        plan: StudyPlan | None = None,
    ) -> None:
        self.library, self.shelf, self.assistant = library, shelf, assistant
        self.audit = AuditTrail(library.own / "audit.jsonl")
        self.audit.expect(path.stem for path in (library.own / "readings").glob("*.json"))
        self.signer = Signer(library, self.audit)
        self.study = BlindedStudy(library, plan, self.audit) if plan is not None else None
        self.placer = Placer(assistant, shelf)
        self._readings: OrderedDict[str, Reading] = OrderedDict()
        self._lock = threading.Lock()

    def session(self, session: Session) -> dict[str, Any]:
        """What a page needs to know when it opens."""
        return {
            "person": session.person.name,
            "role": session.person.role,
            "csrf": session.csrf,
            "blinded": self.study is not None,
            "levels": list(LEVELS),
            "regular_levels": list(REGULAR_LEVELS),
            "points": list(POINTS),
            "positions": list(POSITIONS),
            "measures": {k: [v.label, v.unit] for k, v in CATALOGUE.items()},
            "flags": dict(FLAGS),
            "assist": self.help_missing(),
            "sr": _has_sr(),
            "audit_broken_at": self.audit.broken_at,
        }

    def help_missing(self) -> str:
        """Why the networks do not help, empty if they do."""
        if self.study is not None:
            return "a reader study is read without help"
        return self.assistant.unavailable()

    def rows_json(self, person: Person) -> bytes | dict[str, Any]:
        """The worklist."""
        return self.library.rows_json() if self.study is None else self.study.rows(person)

    def entry(self, person: Person, key: str) -> FilmEntry:
        """The film of a key, as the worklist of that person names it.

        Raises
        ------
        NotThere
            If there is none.
        """
        entry = self.library.entry(key) if self.study is None else self.study.entry(person, key)
        if entry is None:
            raise NotThere("there is no such film")
        return entry

    def sheet(self, person: Person, key: str, reading_id: str = "") -> Sheet:
        """A film and one of its readings, by default the one that counts.

        Raises
        ------
        NotThere
            If there is no such film or reading.
        """
        entry = self.entry(person, key)
        if self.study is not None:
            return Sheet(entry, blank_reading(self._reading(entry, entry.summaries[0].id)))
        return Sheet(entry, self._reading(entry, reading_id or entry.current.id))

    def film(self, person: Person, key: str, reading_id: str = "") -> dict[str, Any]:
        """What the viewer shows of a film."""
        sheet = self.sheet(person, key, reading_id)
        values = film_values(key, sheet, self.shelf)
        values["assist"] = self.placer.missing(sheet)
        if self.study is not None:
            return {**values, **hidden_values(sheet), "signed": self.study.is_done(person, key)}
        return values

    def history(self, person: Person, key: str) -> dict[str, Any]:
        """Readings and audit lines of a film, the last first."""
        entry = self.entry(person, key)
        if self.study is not None:
            return {"readings": [], "audit": []}
        shown = ("id", "parent", "created", "reader", "kind", "status")
        readings = [{k: s.values[k] for k in shown} for s in entry.summaries[::-1]]
        return {"readings": readings, "audit": self.audit.lines(entry.key)}

    def measure(self, person: Person, key: str, record: Record) -> dict[str, Any]:
        """Measurements of an edit: those of ``focus``, the curves, and the brief ones of all.

        Without ``focus`` all. While a point is dragged a page asks sixty times a second, and what
        it does not show need not be sent.
        """
        edit, _ = self._edit(person, key, record)
        focus = record.choice("focus", LEVELS, default=None)
        measured = measure_edit(edit)
        if focus is not None:
            measured = tuple(m for m in measured if m.level in (focus, None) or m.name in BRIEF)
        return {
            "measurements": measurements_to_wire(measured),
            "calibration": edit.calibration.source,
            "spacing_mm": edit.calibration.spacing_mm,
            "covariance": [vertebra_to_wire(v, None)["covariance"] for v in edit.vertebrae],
            "levels": [v.level for v in edit.vertebrae],
        }

    def add_body(self, person: Person, key: str, record: Record) -> dict[str, Any]:
        """A body at the click ``x``, ``y``, placed by the networks.

        Raises
        ------
        InputError
            If they are not there, or find no body.
        """
        edit, sheet = self._edit(person, key, record)
        self._refuse_help(sheet)
        return self.placer.add(sheet, edit, record)

    def snap_body(self, person: Person, key: str, record: Record) -> dict[str, Any]:
        """The body ``level`` of an edit, placed anew by the networks.

        Raises
        ------
        InputError
            As `add_body`, or if the edit has no such body.
        """
        edit, sheet = self._edit(person, key, record)
        self._refuse_help(sheet)
        return self.placer.snap(sheet, edit, record)

    def calibrate(self, person: Person, key: str, record: Record) -> dict[str, Any]:
        """Spacing from two clicks ``first``, ``second`` and the length ``mm``."""
        sheet = self.sheet(person, key)
        if sheet.entry.is_ct:
            raise InputError("a CT has its millimetres from its header and needs no calibration")
        ax, ay = record.numbers("first", 2, -1e5, 1e5)
        bx, by = record.numbers("second", 2, -1e5, 1e5)
        mm = record.number("mm", record.get("mm"), 1.0, 1000.0)
        x, y = sheet.reading.calibration.scale_xy
        return {"spacing_mm": calibration_of((ax, ay), (bx, by), mm, y / x)}

    def sign(self, person: Person, key: str, record: Record) -> dict[str, Any]:
        """Sign an edit.

        Raises
        ------
        Conflict
            If another person signed in the meantime.
        """
        edit, sheet = self._edit(person, key, record)
        signature = read_signature(record)
        if self.study is not None:
            reading = self.study.sign(person, key, sheet.reading, edit, signature)
            return {"reading": reading.id, "row": {"key": key, "signed": True}}
        reading = self.signer.sign(sheet.entry, sheet.reading, edit, signature, person)
        return {"reading": reading.id, "row": sheet.entry.row()}

    def signed(self) -> list[tuple[str, Reading, Radiograph]]:
        """Signed and not rejected readings with a name and their film; films not found are left
        out.
        """
        out = []
        for entry in self.library.entries():
            if not entry.is_signed or entry.current.values["status"] == "rejected":
                continue
            try:
                film = self.shelf.radiograph(entry)
            except EndplateError:
                continue
            out.append((entry.key, self._reading(entry, entry.current.id), film))
        return out

    def signed_readings(self) -> list[Reading]:
        """All signed readings that count."""
        entries = [e for e in self.library.entries() if e.is_signed]
        return [self._reading(e, e.current.id) for e in entries]

    def _edit(self, person: Person, key: str, record: Record) -> tuple[Edit, Sheet]:
        base = record.text("base", default="")
        sheet = self.sheet(person, key, "" if self.study is not None else base)
        known = self.shelf.cts.sheet(sheet.entry) if sheet.entry.is_ct else None
        slab = None if known is None else known.slab
        return read_edit(record, sheet.reading, self.placer.snaps, slab), sheet

    def _refuse_help(self, sheet: Sheet) -> None:
        reason = self.help_missing() or self.placer.missing(sheet)
        if reason:
            raise InputError(reason)

    def _reading(self, entry: FilmEntry, reading_id: str) -> Reading:
        """A reading of a film, from memory if it was used lately."""
        summary = next((s for s in entry.summaries if s.id == reading_id), None)
        if summary is None:
            raise NotThere("the film has no such reading")
        name = f"{entry.key}/{summary.file}"
        with self._lock:
            known = self._readings.get(name)
            if known is not None:
                self._readings.move_to_end(name)
                return known
        reading = self.library.reading(summary)
        with self._lock:
            self._readings[name] = reading
            while len(self._readings) > _KEPT_READINGS:
                self._readings.popitem(last=False)
        return reading


def _has_sr() -> bool:
    try:
        require_dicom_results()
    except EndplateError:
        return False
    return True
