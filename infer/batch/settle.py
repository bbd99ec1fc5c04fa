"""From the journal to the verdict on every file: duplicates by pixels, and which film of a study
is measured. It depends on nothing but the journal, so that it comes out the same at any time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from endplate.imaging.select import ChoiceRules
from endplate.infer.batch.journal import Journal, Line

__all__ = ["OUTCOMES", "Verdict", "Verdicts"]

#: What may become of a file. The counts of these add up to the number of files.
OUTCOMES: Final = {
    "measured": "read, and the film of its study to be measured",
    "other": "read, but another film of its study is measured",
    "rejected": "read, but refused by the quality gate",
    "duplicate": "a film that another file holds too",
    "left": "left out by what it is or by the rules of selection",
    "failed": "should have been read and could not be",
    "container": "an archive that was opened",
}
_UPRIGHT: Final = ("standing", "erect", "sitting")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one file.

    Parameters
    ----------
    line : Line
        Of the journal.
    outcome : str
        One of `OUTCOMES`.
    code, sentence : str
        Why it gives no measurement, ``""`` where it does. For `measured` and `other` the
        sentence says why it was chosen or not.
    """

    line: Line
    outcome: str
    code: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class _Film:
    """What the choice within a study compares: smaller is better."""

    number: int
    ranks: tuple[Any, ...]


class Verdicts:
    """Verdicts on all files of a finished journal.

    Memory is a few hundred bytes for each film that was read.

    Parameters
    ----------
    journal : Journal
    rules : ChoiceRules
    """

    def __init__(self, journal: Journal, rules: ChoiceRules) -> None:
        self.journal = journal
        self._first_of_pixels: dict[str, tuple[int, str]] = {}
        self._first_of_instance: dict[str, int] = {}
        self._why: dict[int, tuple[str, str]] = {}
        studies: dict[str, list[_Film]] = {}
        for line in journal.lines("read"):
            film = line.film or {}
            if line.instance:
                self._first_of_instance[line.instance] = line.number
            if film["status"] == "rejected":
                continue
            first = self._first_of_pixels.setdefault(film["pixels"], (line.number, film["subject"]))
            if first[0] == line.number:
                study = film["study_uid"] or f"file {line.number}"
                studies.setdefault(study, []).append(_Film(line.number, _ranks(line, rules)))
        for films in studies.values():
            self._choose(films, rules)

    def __iter__(self) -> Iterator[Verdict]:
        for line in self.journal.lines():
            yield self._of(line)

    def _of(self, line: Line) -> Verdict:
        if line.state in ("left", "failed"):
            return Verdict(line, line.state, line.code, line.sentence)
        if line.state == "copy":
            kept = self._first_of_instance.get(line.instance, 0)
            sentence = f"It holds the same DICOM instance as file {kept}."
            return Verdict(line, "duplicate", "duplicate_instance", sentence)
        if line.state != "read":
            return Verdict(line, line.state)
        film = line.film or {}
        if film["status"] == "rejected":
            code, sentence = film["reasons"][0] if film["reasons"] else ("rejected", "")
            return Verdict(line, "rejected", code, sentence)
        kept, subject = self._first_of_pixels[film["pixels"]]
        if kept != line.number:
            sentence = f"It has the same pixels as file {kept}"
            if subject != film["subject"]:
                sentence += ", which is said to be of another patient"
            return Verdict(line, "duplicate", "duplicate_pixels", f"{sentence}.")
        outcome, sentence = self._why[line.number]
        return Verdict(line, outcome, sentence=sentence)

    def _choose(self, films: list[_Film], rules: ChoiceRules) -> None:
        """Choose the film of a study that is measured."""
        films.sort(key=lambda f: f.ranks)
        best = films[0]
        if len(films) == 1:
            self._why[best.number] = ("measured", "The only lateral of its study.")
            return
        decided = _first_difference(best, films[1], rules)
        sentence = f"Chosen among {len(films)} laterals of its study by: {decided}."
        self._why[best.number] = ("measured", sentence)
        for film in films[1:]:
            decided = _first_difference(best, film, rules)
            sentence = f"File {best.number} of its study is measured, by: {decided}."
            self._why[film.number] = ("other", sentence)


def _first_difference(best: _Film, other: _Film, rules: ChoiceRules) -> str:
    """The criterion that decided."""
    pairs = zip(rules.order, best.ranks, other.ranks, strict=True)
    return next(name for name, a, b in pairs if a != b)


def _ranks(line: Line, rules: ChoiceRules) -> tuple[Any, ...]:
    """Ranks of a film by the criteria in their order; smaller is better."""
    return tuple(_CRITERIA[name](line, rules) for name in rules.order)


def _functional(line: Line, rules: ChoiceRules) -> bool:
    """Whether the film was taken in flexion, extension or bending, as its header tells."""
    header = line.header or {}
    words = (header.get("series_description"), header.get("protocol"), header.get("view"))
    return rules.functional.search(" ".join(w or "" for w in words)) is not None


def _film(line: Line) -> dict[str, Any]:
    assert line.film is not None, "only films that were read are ranked"
    return line.film


def _later(line: Line) -> tuple[int, ...]:
    """Rank by time of acquisition, the latest first; those without one last."""
    digits = [int(c) for c in (line.header or {}).get("acquired", "") if c.isdigit()]
    return tuple(-d for d in digits[:20]) or (1,)


_CRITERIA: Final[dict[str, Callable[[Line, ChoiceRules], Any]]] = {
    "plain": _functional,
    "film": lambda line, rules: "LOCALIZER" in (line.header or {}).get("image_type", "").upper(),
    "accepted": lambda line, rules: _film(line)["status"] != "accepted",
    "upright": lambda line, rules: _film(line)["position"] not in _UPRIGHT,
    "vertebrae": lambda line, rules: -_film(line)["target_levels"],
    "calibrated": lambda line, rules: _film(line)["calibration"] == "none",
    "latest": lambda line, rules: _later(line),
    "first": lambda line, rules: (line.instance, line.number),
}
