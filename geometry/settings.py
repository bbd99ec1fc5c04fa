"""Choices that the literature leaves open, as settings of `measure`."""

from dataclasses import dataclass
from typing import Final, Literal

from endplate.errors import GeometryError, UnknownName
from endplate.geometry.levels import check_level

__all__ = ["DEFAULT_SETTINGS", "NEIGHBOUR_RULES", "MeasureSettings", "NeighbourRule"]

NeighbourRule = Literal["keep", "missing", "next_intact"]

NEIGHBOUR_RULES: Final[tuple[str, ...]] = ("keep", "missing", "next_intact")


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """Settings of `measure`.

    Parameters
    ----------
    neighbours : {"keep", "missing", "next_intact"}
        What an angle does when the level above or below is fractured or cemented. ``"keep"``
        measures to it and flags it: the landmark pair then stays the same on all films of a
        patient, whether the cement is already there or not. ``"missing"`` gives NaN.
        ``"next_intact"`` steps to the next intact level, also over a level that is not on the
        film, and names it in `between`; such an angle compares with no other. Predicted heights
        never use a fractured or cemented neighbour, whatever the rule.
    fractured : tuple of str
        Levels known to be fractured, besides the index level. Cemented levels are known from
        `Vertebra.cement`.
    thoracolumbar_levels : tuple of str
        Levels at which Farcy's sagittal index takes the baseline of the thoracolumbar junction,
        0 degrees. Above them it takes +5, below -10. The zone is not standardised.
    slip_pct : float
        Translation in percent below which no Meyerding grade is given (grade 0). A choice of this
        package: below it a slip cannot be told from the error of the points.

    Raises
    ------
    UnknownName
        For a rule or level that does not exist.
    GeometryError
        If `slip_pct` is not between 0 and 25.
    """

    neighbours: NeighbourRule = "keep"
    fractured: tuple[str, ...] = ()
    thoracolumbar_levels: tuple[str, ...] = ("T12", "T13", "L1")
    slip_pct: float = 5.0

    def __post_init__(self) -> None:
        if self.neighbours not in NEIGHBOUR_RULES:
            raise UnknownName("neighbour rule", self.neighbours, NEIGHBOUR_RULES)
        for level in (*self.fractured, *self.thoracolumbar_levels):
            check_level(level)
        if not 0.0 <= self.slip_pct <= 25.0:
            raise GeometryError(f"slip_pct {self.slip_pct}: expected 0 to 25 percent")

    def farcy_baseline_deg(self, level: str) -> float:
        """Baseline of Farcy's sagittal index at `level`, kyphosis positive."""
        if level in self.thoracolumbar_levels:
            return 0.0
        return 5.0 if level[0] in "CT" else -10.0


DEFAULT_SETTINGS: Final = MeasureSettings()
