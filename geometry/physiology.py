"""Normal values per level: a table that users may replace by their own.

The built-in table is a compromise, not a measured cohort: body depths follow Panjabi and
co-workers, heights are those of dry vertebrae enlarged to what radiographs of adults show, and the
wedges of bodies and discs were balanced so that the stacked spine has a thoracic kyphosis T4-T12 of
37 degrees, a straight thoracolumbar junction and a lordosis L1-S1 of 57 degrees. The regional
kyphosis of a level is that of the stack. The published figures behind it were quoted from memory
and not checked against the papers. Say which table was used wherever ART or TVK is printed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from endplate.errors import InputError
from endplate.geometry.levels import check_level

__all__ = ["DEFAULT", "Physiology", "PhysiologyRow"]


@dataclass(frozen=True, slots=True)
class PhysiologyRow:
    """Normal body of one level.

    Parameters
    ----------
    level : str
        One of `LEVELS`.
    ha_mm, hm_mm, hp_mm : float
        Anterior, middle and posterior height in the plane of the spine. NaN: not known.
    depth_sup_mm, depth_inf_mm : float
        Length of the superior and of the inferior endplate, anterior to posterior.
    vertebral_kyphosis_deg, vertebral_kyphosis_sd_deg : float
        Physiological wedge of the body, kyphosis positive, and its spread between people.
    regional_kyphosis_deg, regional_kyphosis_sd_deg : float
        Physiological angle from the superior endplate of the level above to the inferior one of
        the level below, and its spread between people.

    Raises
    ------
    InputError
        If a length is not positive or a number is infinite.
    """

    level: str
    ha_mm: float = math.nan
    hm_mm: float = math.nan
    hp_mm: float = math.nan
    depth_sup_mm: float = math.nan
    depth_inf_mm: float = math.nan
    vertebral_kyphosis_deg: float = math.nan
    vertebral_kyphosis_sd_deg: float = math.nan
    regional_kyphosis_deg: float = math.nan
    regional_kyphosis_sd_deg: float = math.nan

    def __post_init__(self) -> None:
        check_level(self.level)
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if name == "level":
                continue
            if math.isinf(value) or (value <= 0 and name.endswith("_mm")):
                raise InputError(
                    f"physiological table, level {self.level}, {name}: found {value},"
                    " expected a finite number, above 0 for a length"
                )

    @property
    def area_mm2(self) -> float:
        """Area of the body between its four corners, taken as a trapezium."""
        depth = 0.5 * (self.depth_sup_mm + self.depth_inf_mm)
        return 0.5 * (self.ha_mm + self.hp_mm) * depth


@dataclass(frozen=True)
class Physiology:
    """Table of normal values.

    Parameters
    ----------
    rows : tuple of PhysiologyRow
        At most one a level; a level may lack.
    source : str
        What to cite.

    Raises
    ------
    InputError
        If a level comes twice.
    """

    rows: tuple[PhysiologyRow, ...]
    source: str

    def __post_init__(self) -> None:
        levels = [row.level for row in self.rows]
        twice = sorted({x for x in levels if levels.count(x) > 1})
        if twice:
            raise InputError(f"physiological table: level {', '.join(twice)} comes more than once")

    def __iter__(self) -> Iterator[PhysiologyRow]:
        return iter(self.rows)

    def row(self, level: str | None) -> PhysiologyRow | None:
        """Row of a level, None if the table lacks it."""
        return next((r for r in self.rows if r.level == level), None)

    def value(self, level: str | None, name: str) -> float:
        """One number of the table, NaN if the table lacks it."""
        row = self.row(level)
        return math.nan if row is None else float(getattr(row, name))


_NAN = math.nan
# level, Ha, Hm, Hp, depth superior, depth inferior, body wedge and SD, regional kyphosis and SD
_DEFAULT_ROWS: Final[tuple[tuple[str, *tuple[float, ...]], ...]] = (
    ("T1", 14.83, 14.37, 15.5, 18.5, 19.7, 2.0, 2.0, _NAN, _NAN),
    ("T2", 15.9, 15.55, 16.8, 19.6, 21.6, 2.5, 2.0, 9.5, 5.0),
    ("T3", 16.0, 15.8, 17.2, 22.7, 23.3, 3.0, 2.0, 11.0, 5.0),
    ("T4", 16.22, 16.01, 17.6, 23.3, 24.5, 3.3, 2.0, 12.5, 5.0),
    ("T5", 16.47, 16.33, 18.0, 24.3, 25.8, 3.5, 2.0, 13.7, 5.0),
    ("T6", 17.09, 16.95, 18.8, 26.0, 26.9, 3.7, 2.0, 14.3, 5.0),
    ("T7", 17.59, 17.5, 19.4, 27.4, 28.5, 3.7, 2.0, 14.1, 5.0),
    ("T8", 18.25, 18.02, 20.0, 27.9, 29.4, 3.5, 2.0, 12.9, 5.0),
    ("T9", 19.12, 18.71, 20.7, 29.3, 31.0, 3.0, 2.0, 10.8, 5.0),
    ("T10", 20.65, 19.98, 21.9, 30.5, 31.6, 2.3, 2.3, 9.1, 5.0),
    ("T11", 21.81, 21.11, 23.2, 31.9, 31.8, 2.5, 2.6, 7.9, 5.0),
    ("T12", 23.12, 22.46, 24.8, 32.8, 33.4, 2.9, 2.8, 5.6, 5.0),
    ("L1", 24.91, 23.9, 26.3, 34.1, 35.3, 2.3, 2.8, -1.0, 5.0),
    ("L2", 26.44, 24.82, 26.8, 34.6, 34.9, 0.6, 2.5, -10.4, 5.0),
    ("L3", 27.09, 24.94, 26.6, 35.2, 34.8, -0.8, 2.5, -19.4, 5.0),
    ("L4", 27.64, 24.82, 26.0, 35.5, 33.9, -2.7, 2.8, -32.5, 5.0),
    ("L5", 28.55, 24.17, 23.8, 34.7, 33.2, -8.0, 3.0, _NAN, _NAN),
)

#: The built-in table; the module says where it comes from.
DEFAULT: Final = Physiology(
    tuple(PhysiologyRow(level, *numbers) for level, *numbers in _DEFAULT_ROWS),
    source="endplate built-in table",
)
