"""Reader studies: films without machine points, without names, shuffled, some of them twice."""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from endplate.errors import InputError
from endplate.review.audit import AuditTrail
from endplate.review.editing import Edit
from endplate.review.library import FilmEntry, Library
from endplate.review.people import Person
from endplate.review.signing import Signature, signed_reading, write_new
from endplate.study.identity import without_identity
from endplate.study.reading import Quality, Reading

__all__ = ["BlindedStudy", "Presentation", "StudyPlan", "blank_reading"]

_FORM: Final = "endplate/blinded/1"


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """How films are shown: the seed of the order, and the share of films shown twice."""

    seed: int = 1
    repeats: float = 0.2

    def __post_init__(self) -> None:
        if not 0.0 <= self.repeats <= 0.5:
            raise InputError(f"--repeats {self.repeats:g}: expected 0 to 0.5")


@dataclass(frozen=True, slots=True)
class Presentation:
    """One showing of one film to one reader."""

    key: str
    number: int
    film: str


def blank_reading(reading: Reading) -> Reading:
    """The film of a reading with nothing read on it.

    The calibration stays, since it is no judgement of a reader.
    """
    return replace(
        reading,
        id=f"blank-{reading.source.sha256[:16]}",
        parent=None,
        quality=Quality("accepted"),
        vertebrae=(),
        measurements=(),
    )


class BlindedStudy:
    """Who is shown what, and what they read.

    Parameters
    ----------
    library : Library
    plan : StudyPlan
    audit : AuditTrail
    """

    def __init__(self, library: Library, plan: StudyPlan, audit: AuditTrail) -> None:
        self.library, self.plan, self.audit = library, plan, audit
        self.folder = library.own / "blinded"
        self._lists: dict[str, dict[str, Presentation]] = {}
        self._done: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def rows(self, person: Person) -> dict[str, Any]:
        """The worklist of a reader, without anything that tells films apart."""
        shown, done = self._of(person)
        rows = [
            {"key": p.key, "name": f"{p.number}", "signed": p.key in done, "status": "blinded"}
            for p in shown.values()
        ]
        return {"films": rows}

    def entry(self, person: Person, key: str) -> FilmEntry | None:
        """The film of a presentation."""
        shown, _ = self._of(person)
        presentation = shown.get(key)
        return None if presentation is None else self.library.entry(presentation.film)

    def is_done(self, person: Person, key: str) -> bool:
        """Whether it was signed; a presentation is read once."""
        return key in self._of(person)[1]

    def sign(
        self, person: Person, key: str, base: Reading, edit: Edit, signature: Signature
    ) -> Reading:
        """Keep a reader's reading of a presentation.

        Raises
        ------
        InputError
            If it was signed before, or cannot be written.
        """
        with self._lock:
            _, done = self._unlocked(person)
            if key in done:
                raise InputError("this film was signed already; a film is read once in a study")
            reading = signed_reading(without_identity(base), edit, signature, person, parent=None)
            write_new(self._place(person), reading)
            done[key] = reading.id
            self._save(person)
            self.audit.write(
                person.name, person.role, "blinded_sign", presentation=key, reading=reading.id
            )
        return reading

    def _of(self, person: Person) -> tuple[dict[str, Presentation], dict[str, str]]:
        with self._lock:
            return self._unlocked(person)

    def _unlocked(self, person: Person) -> tuple[dict[str, Presentation], dict[str, str]]:
        if person.name not in self._lists:
            films, done = self._load(person)
            self._lists[person.name] = _presentations(person, self.plan.seed, films)
            self._done[person.name] = done
            self._save(person)
        return self._lists[person.name], self._done[person.name]

    def _place(self, person: Person) -> Path:
        """Folder of a reader's readings; its name holds no character of the person's own."""
        safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in person.name.lower())
        return self.folder / f"{safe}-{hashlib.sha256(person.name.encode()).hexdigest()[:8]}"

    def _load(self, person: Person) -> tuple[list[str], dict[str, str]]:
        """Films in the order of showing, from an earlier start or newly drawn."""
        path = self._place(person) / "plan.json"
        if not path.exists():
            return shuffled(self.library.keys(), person.name, self.plan), {}
        try:
            values = json.loads(path.read_bytes())
            films, done = values["films"], values["done"]
            if values["form"] != _FORM or values["seed"] != self.plan.seed:
                raise InputError(
                    f"{path}: belongs to a study with seed {values.get('seed')}; use that seed,"
                    " or move the folder away"
                )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: is no plan of a reader study") from error
        return [str(x) for x in films], {str(k): str(v) for k, v in done.items()}

    def _save(self, person: Person) -> None:
        place = self._place(person)
        values = {
            "form": _FORM,
            "reader": person.name,
            "seed": self.plan.seed,
            "saved": datetime.now(UTC).isoformat(timespec="seconds"),
            "films": [p.film for p in self._lists[person.name].values()],
            "done": self._done[person.name],
        }
        try:
            place.mkdir(parents=True, exist_ok=True)
            draft = place / "plan.json.new"
            draft.write_text(json.dumps(values, indent=1), encoding="utf-8")
            draft.replace(place / "plan.json")
        except OSError as error:
            raise InputError(f"{place}: cannot be written to: {error.strerror}") from error


def shuffled(films: Sequence[str], reader: str, plan: StudyPlan) -> list[str]:
    """The order in which a reader sees films, another one for each reader.

    Repeats come in the second half of the list, so that the first showing is behind.
    """
    seed = int.from_bytes(hashlib.sha256(reader.encode()).digest()[:8], "big")
    rng = np.random.default_rng([plan.seed, seed])
    order = [str(x) for x in rng.permutation(sorted(films))]
    count = round(plan.repeats * len(order))
    # Repeats are of the first half, spread over the rest: far from their first showing.
    again = [order[i] for i in sorted(rng.permutation(max(1, len(order) // 2))[:count])]
    half = max(1, len(order) // 2)
    tail = order[half:]
    for film in again:
        tail.insert(int(rng.integers(min(1, len(tail)), len(tail) + 1)), film)
    return order[:half] + tail


def _presentations(person: Person, seed: int, films: Sequence[str]) -> dict[str, Presentation]:
    out = {}
    for number, film in enumerate(films, start=1):
        text = f"{seed}\0{person.name}\0{number}\0{film}"
        key = hashlib.sha256(text.encode()).hexdigest()[:20]
        out[key] = Presentation(key, number, film)
    return out
