"""How measures, numbers and calibrations are worded for people, the same in every report."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from endplate.geometry.calibration import Calibration
from endplate.geometry.catalogue import CATALOGUE
from endplate.geometry.measure import headline_measurements, worst_level
from endplate.geometry.measurement import Measurement
from endplate.study.reading import Reading

__all__ = [
    "DISCLAIMER",
    "LEVEL_COLUMNS",
    "STAR_NOTE",
    "IndexChoice",
    "calibration_text",
    "choose_index",
    "find",
    "headlines",
    "interval_text",
    "label",
    "length_unit",
    "level_cells",
    "level_columns",
    "pair_text",
    "plus_minus",
    "printable",
    "reader_text",
    "value_text",
]

DISCLAIMER: Final = "For research use. Not a medical device: not for diagnosis or treatment."

#: Columns of a table of levels: head, measure.
LEVEL_COLUMNS: Final = (
    ("VK", "vertebral_kyphosis_deg"),
    ("RK", "regional_kyphosis_deg"),
    ("Ha/Hp", "Ha_Hp"),
    ("Hm/Hp", "Hm_Hp"),
    ("loss ant", "loss_ant_pct"),
    ("mid", "loss_mid_pct"),
    ("post", "loss_post_pct"),
    ("Ha", "Ha_mm"),
    ("Hm", "Hm_mm"),
    ("Hp", "Hp_mm"),
)
_FROM_TABLE: Final = "predicted_from_table"
STAR_NOTE: Final = "* against a table of normal heights: no neighbour to compare with"
_DIGITS: Final = {"deg": 1, "mm": 1, "ratio": 2, "%": 0, "grade": 0, "mm2": 0}
_SIGNS: Final = {"deg": "°", "mm": " mm", "ratio": "", "%": " %", "grade": "", "mm2": " mm²"}
_CALIBRATIONS: Final = {
    "user": "spacing given by the user",
    "fiducial": "calibrated on a fiducial",
    "geometry": "calibrated from the geometry of the device",
    "magnification": "detector spacing divided by the stated magnification",
    "detector": "millimetres in the detector plane: the spine is smaller by an unknown"
    " magnification of about 1.1 to 1.3",
    "unknown": "the file does not say what its spacing means",
    "ct": "volume",
    "none": "no spacing: no millimetres",
}
_NOT_AT_THE_SPINE: Final = {"detector": "detector", "unknown": "unverified"}


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """A level, and why a report puts it first."""

    level: str
    why: str


def label(measurement: Measurement) -> str:
    """Name of a measure for people; one that is not in the catalogue is shown as it is."""
    info = CATALOGUE.get(measurement.name)
    return info.label if info is not None else measurement.name.replace("_", " ")


def pair_text(measurement: Measurement) -> str:
    """The landmarks measured, such as ``sup(T12) – inf(L2)``; of many only the levels."""
    between = measurement.between
    if len(between) <= 2:
        return " – ".join(between)
    levels = dict.fromkeys(text.partition("(")[2].rstrip(")") or text for text in between)
    first, *others = levels
    return f"{first} against {', '.join(others)}" if others else first


def length_unit(calibration: Calibration) -> str:
    """``mm``, and in brackets what to doubt about it."""
    doubt = _NOT_AT_THE_SPINE.get(calibration.source)
    return f"mm ({doubt})" if doubt else "mm"


def value_text(measurement: Measurement) -> str:
    """Rounded value with its unit, a dash if it is undefined."""
    return _with_unit(measurement.value, measurement.unit)


def plus_minus(measurement: Measurement) -> str:
    """Half the 90 % interval with its sign, empty if it is unknown."""
    if not _has_interval(measurement):
        return ""
    low, high = measurement.interval90
    return f"± {_with_unit((high - low) / 2, measurement.unit)}"


def interval_text(measurement: Measurement) -> str:
    """The 90 % interval, empty if it is unknown."""
    if not _has_interval(measurement):
        return ""
    low, high = measurement.interval90
    return f"{_rounded(low, measurement.unit)} to {_with_unit(high, measurement.unit)}"


def calibration_text(calibration: Calibration) -> str:
    """One line on spacing and where it comes from."""
    words = _CALIBRATIONS[calibration.source]
    if calibration.spacing_mm is None:
        return words
    row, column = calibration.spacing_mm
    size = f"{row:.4g} mm" if row == column else f"{row:.4g} x {column:.4g} mm (row x column)"
    if calibration.magnification is not None:
        words += f" {calibration.magnification:.3g}"
    return f"{size} per pixel, {words}"


def reader_text(reading: Reading) -> str:
    """Who read the film, with version and the start of the hash."""
    reader = reading.reader
    who = reader.name or ("a person" if reader.kind == "person" else "a model")
    version = f" {reader.version}" if reader.version else ""
    sha = f" ({reader.sha256[:12]})" if reader.sha256 else ""
    return f"{who}{version}{sha}"


def printable(text: str) -> str:
    """Text from outside as one line without control characters, for terminals and pages."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def find(measurements: Sequence[Measurement], name: str, level: str | None) -> Measurement | None:
    """The first defined measurement of that name and level."""
    for m in measurements:
        if m.name == name and m.level == level and math.isfinite(m.value):
            return m
    return None


def level_columns(calibration: Calibration) -> tuple[tuple[str, str], ...]:
    """`LEVEL_COLUMNS`, those in mm only with a calibration."""
    metric = calibration.is_metric
    return tuple(column for column in LEVEL_COLUMNS if metric or not column[1].endswith("_mm"))


def level_cells(
    reading: Reading, level: str, columns: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    """Values of one level for a table, without ``mm``, which stands elsewhere; "" if undefined.

    A star marks those explained by `STAR_NOTE`.
    """
    cells = []
    for _, name in columns:
        m = find(reading.measurements, name, level)
        text = "" if m is None else value_text(m).removesuffix(" mm")
        star = m is not None and _FROM_TABLE in m.flags
        cells.append(f"{text}*" if star else text)
    return tuple(cells)


def headlines(reading: Reading, index: str | None) -> tuple[Measurement, ...]:
    """What a report shows first: the defined ones of `headline_measurements`."""
    chosen = headline_measurements(reading.measurements, index)
    return tuple(m for m in chosen if math.isfinite(m.value))


def choose_index(reading: Reading, index: str | None = None) -> IndexChoice | None:
    """The level that a report puts first.

    Parameters
    ----------
    index : str, optional
        The injured level, where it is known; taken if the reading has it.

    Returns
    -------
    IndexChoice or None
        Without a known level a cemented body, else the one with the greatest height loss, or
        where none has lost height the one with the largest vertebral kyphosis. None if nothing
        was measured.
    """
    if index is not None and index in (v.level for v in reading.vertebrae):
        return IndexChoice(index, "index level, as given")
    for vertebra in reading.vertebrae:
        if vertebra.cement:
            return IndexChoice(vertebra.level, "cemented body")
    worst = worst_level(reading.measurements)
    if worst is not None:
        return IndexChoice(worst, "greatest height loss on the film")
    named = (m for m in reading.measurements if m.name == "vertebral_kyphosis_deg")
    defined = [m for m in named if math.isfinite(m.value)]
    if not defined:
        return None
    steepest = max(defined, key=lambda m: m.value).level
    return IndexChoice(steepest, "no height loss found; largest vertebral kyphosis")


def _has_interval(measurement: Measurement) -> bool:
    """Whether there is an interval to show; a grade, a whole number, has none."""
    return measurement.unit != "grade" and all(map(math.isfinite, measurement.interval90))


def _rounded(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{_DIGITS.get(unit, 2)}f}"
    return text.lstrip("-") if float(text) == 0.0 else text.replace("-", "−")


def _with_unit(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "–"
    return _rounded(value, unit) + _SIGNS.get(unit, f" {unit}")
