"""The clinical table of a cohort: who was operated how, and how they fared.

One line a subject. Columns, all but ``subject`` optional, empty cells missing:

==================== ==========================================================================
``subject``          as the films name the patient
``operation_date``   YYYY-MM-DD
``age``, ``sex``     years at the operation; F or M
``index_level``      T11, L1, ...
``fracture_type``    Magerl or AO type, such as A1.2 or A3
``technique``        kyphoplasty, kyphoplasty_fixation or another word
``cement``           acrylic, calcium_phosphate or none
``leak``             yes or no: cement leaked
``vas_*``            pain 0 to 10 at a time point: vas_pre, vas_post, vas_3_months, ...
``autonomy_*``       score of autonomy or disability at a time point, any scale
``return_to_work``   yes, no, or empty for who did not work
``dropout``          reason, empty for who stayed
``group``            overrides the group made of technique and cement
==================== ==========================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from endplate.errors import InputError
from endplate.geometry.levels import check_level
from endplate.study.csv_table import Row, read_rows

__all__ = ["CEMENTS", "ClinicalRow", "read_clinical"]

CEMENTS: Final = ("acrylic", "calcium_phosphate", "none")
_SCORES: Final = ("vas", "autonomy")


@dataclass(frozen=True)
class ClinicalRow:
    """One subject. Texts are empty and numbers NaN where the table says nothing.

    `scores` holds pain and autonomy: score name -> time point -> value.
    """

    subject: str
    operation: date | None = None
    age: float = float("nan")
    sex: str = ""
    index_level: str = ""
    fracture_type: str = ""
    technique: str = ""
    cement: str = ""
    leak: bool | None = None
    return_to_work: bool | None = None
    dropout: str = ""
    given_group: str = ""
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """Technique and cement, or what the column ``group`` says."""
        parts = [x.replace("_", " ") for x in (self.technique, self.cement) if x]
        return self.given_group or ", ".join(parts) or "all"


def read_clinical(path: str | Path) -> tuple[ClinicalRow, ...]:
    """Read the table.

    Raises
    ------
    InputError
        If it cannot be read, a subject comes twice or a cell cannot be understood; the message
        names file, line and column.
    UnknownName
        For an index level that does not exist.
    """
    rows = read_rows(path, ("subject",))
    seen: set[str] = set()
    out = []
    for row in rows:
        subject = row.text("subject")
        if subject in seen:
            raise InputError(f"{row.where}: subject {subject!r} comes a second time")
        seen.add(subject)
        out.append(_row(row, subject))
    return tuple(out)


def _row(row: Row, subject: str) -> ClinicalRow:
    level = row.text("index_level", "").upper()
    return ClinicalRow(
        subject=subject,
        operation=row.date("operation_date"),
        age=row.number("age", 0, 120),
        sex=row.choice("sex", ("f", "m", "o")).upper(),
        index_level=check_level(level) if level else "",
        fracture_type=row.text("fracture_type", ""),
        technique=row.text("technique", "").lower().replace(" ", "_"),
        cement=row.choice("cement", CEMENTS),
        leak=row.truth("leak"),
        return_to_work=row.truth("return_to_work"),
        dropout=row.text("dropout", ""),
        given_group=row.text("group", ""),
        scores={name: _scores(row, name) for name in _SCORES},
    )


def _scores(row: Row, name: str) -> dict[str, float]:
    """Time point -> value of the columns that begin with `name`."""
    high = 10.0 if name == "vas" else 1000.0
    return {
        column.removeprefix(f"{name}_").replace("_", " "): row.number(column, 0.0, high)
        for column in row.values
        if column.startswith(f"{name}_")
    }
