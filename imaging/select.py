"""Which files of an export are read, by rules in a configuration file that people can edit."""

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from endplate.errors import InputError, UnknownName
from endplate.imaging.scan_entry import Entry, Fault, FilmHeader

__all__ = ["CRITERIA", "ChoiceRules", "Rule", "Selection", "load_selection"]

#: Criteria of choosing among the laterals of a study; the packaged file explains them.
CRITERIA: Final = (
    *("plain", "film", "accepted", "upright", "vertebrae", "calibrated", "latest", "first"),
)

_NUMBERS: Final = ("rows", "columns", "frames")
_TEXTS: Final = (
    *("kind", "modality", "sop_class", "image_type", "intent", "body_part", "region"),
    *("view_position", "view", "orientation", "study_description", "series_description"),
    *("protocol", "description"),
)
_TESTS: Final = ("in", "not_in", "matches", "below", "above")
_LONGEST: Final = 512
_NO_HEADER: Final = FilmHeader()


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of one field."""

    field: str
    test: str
    values: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    number: float = 0.0

    def holds(self, value: str | int) -> bool:
        """Whether the field's value passes."""
        if isinstance(value, int):
            if value < 0:
                return False
            return value < self.number if self.test == "below" else value > self.number
        if self.pattern is not None:
            return self.pattern.search(value) is not None
        return (value.upper() in self.values) == (self.test == "in")


@dataclass(frozen=True, slots=True)
class Rule:
    """What to do with a file that meets all conditions."""

    read: bool
    conditions: tuple[Condition, ...]
    reason: str = ""
    sentence: str = ""

    def meets(self, entry: Entry) -> bool:
        """Whether all conditions hold."""
        return all(c.holds(_value(entry, c.field)) for c in self.conditions)

    def fault(self, entry: Entry) -> Fault:
        """Why the entry is left out."""
        found = str(_value(entry, self.conditions[0].field))[:64]
        shown = "".join(c if c.isprintable() else "?" for c in found)
        return Fault(self.reason, self.sentence.replace("{value}", shown or "none"))


@dataclass(frozen=True, slots=True)
class ChoiceRules:
    """How the lateral to measure is chosen among several of one study."""

    order: tuple[str, ...]
    functional: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Selection:
    """The rules of a configuration file.

    Attributes
    ----------
    name : str
        Of the file's own choice, for the manifest.
    text : str
        The file as it was, for the manifest.
    """

    name: str
    rules: tuple[Rule, ...]
    choice: ChoiceRules
    text: str

    def leaves_out(self, entry: Entry) -> Fault | None:
        """Why an entry without a fault of its own is not read; None if it is read."""
        for rule in self.rules:
            if rule.meets(entry):
                return None if rule.read else rule.fault(entry)
        return None

    def reads(self, entry: Entry) -> bool:
        """Whether the entry is read."""
        return entry.fault is None and self.leaves_out(entry) is None


def load_selection(path: Path | None = None) -> Selection:
    """The rules of a file, by default of the packaged one.

    Raises
    ------
    InputError
        If it cannot be read or breaks the format; the message names the rule.
    UnknownName
        If it names a field, test or criterion that does not exist.
    """
    where = "select.toml" if path is None else str(path)
    try:
        if path is None:
            text = files("endplate.imaging").joinpath("select.toml").read_text("utf-8")
        else:
            text = path.read_text("utf-8")
        values = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: no rules of selection can be read ({error})") from None
    rules = values.get("rule", [])
    if not isinstance(rules, list):
        raise InputError(f"{where}: rule is {rules!r:.40}; expected [[rule]] tables")
    return Selection(
        str(values.get("name", where)),
        tuple(_rule(r, f"{where}: rule {i + 1}") for i, r in enumerate(rules)),
        _choice(values.get("choose", {}), where),
        text,
    )


def _value(entry: Entry, field: str) -> str | int:
    """Value of a field of an entry."""
    if field == "kind":
        return entry.kind
    header = entry.header or _NO_HEADER
    if field == "description":
        parts = (header.study_description, header.series_description, header.protocol)
        return " ".join(parts).lower()[:_LONGEST]
    value: str | int = getattr(header, field)
    return value if isinstance(value, int) else value[:_LONGEST]


def _rule(values: Any, where: str) -> Rule:
    if not isinstance(values, dict):
        raise InputError(f"{where}: expected a table")
    unknown = set(values) - {"action", "reason", "sentence", "when"}
    if unknown:
        raise UnknownName(f"key in {where}", min(unknown), ("action", "reason", "sentence", "when"))
    action = values.get("action")
    if action not in ("read", "leave"):
        raise InputError(f"{where}: action is {action!r}; expected 'read' or 'leave'")
    when = values.get("when")
    if not isinstance(when, dict) or not when:
        raise InputError(f"{where}: when is missing; expected conditions by field")
    reason, sentence = values.get("reason", ""), values.get("sentence", "")
    if action == "leave" and not (isinstance(reason, str) and reason and sentence):
        raise InputError(f"{where}: a rule that leaves files out needs a reason and a sentence")
    conditions = [c for field, tests in when.items() for c in _conditions(field, tests, where)]
    return Rule(action == "read", tuple(conditions), str(reason), str(sentence))


def _conditions(field: str, tests: Any, where: str) -> list[Condition]:
    """Conditions on one field."""
    if field not in _TEXTS and field not in _NUMBERS:
        raise UnknownName(f"field in {where}", field, (*_TEXTS, *_NUMBERS))
    if not isinstance(tests, dict) or not tests:
        raise InputError(f"{where}: {field}: expected tests such as {{ in = [...] }}")
    return [_condition(field, test, value, where) for test, value in tests.items()]


def _condition(field: str, test: str, value: Any, where: str) -> Condition:
    if test not in _TESTS:
        raise UnknownName(f"test in {where}", test, _TESTS)
    numeric = test in ("below", "above")
    if numeric != (field in _NUMBERS):
        raise InputError(f"{where}: {test} does not go with {field}")
    if numeric:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{where}: {field}: {test} is {value!r}; expected a number")
        return Condition(field, test, number=float(value))
    if test == "matches":
        return Condition(field, test, pattern=_pattern(value, f"{where}: {field}"))
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise InputError(f"{where}: {field}: {test} is {value!r:.60}; expected a list of texts")
    return Condition(field, test, values=frozenset(v.upper() for v in value))


def _pattern(value: Any, where: str) -> re.Pattern[str]:
    try:
        return re.compile(value, re.IGNORECASE)
    except (re.error, TypeError) as error:
        raise InputError(f"{where}: {value!r:.60} is no regular expression ({error})") from None


def _choice(values: Any, where: str) -> ChoiceRules:
    if not isinstance(values, dict):
        raise InputError(f"{where}: choose: expected a table")
    order = values.get("order", list(CRITERIA))
    if not isinstance(order, list):
        raise InputError(f"{where}: choose: order is {order!r:.60}; expected a list")
    for name in order:
        if name not in CRITERIA:
            raise UnknownName(f"criterion in {where}", name, CRITERIA)
    if order[-1:] != ["first"]:
        order = [*order, "first"]  # so that there is always one
    functional = _pattern(values.get("functional", r"(?!)"), f"{where}: choose: functional")
    return ChoiceRules(tuple(order), functional)
