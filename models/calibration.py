"""Numbers that were fitted on films not used for training (NumPy only)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray
from endplate.models.gatelimits import GateLimits
from endplate.models.naming import NamingConfig

__all__ = ["USUAL_SPREAD", "Calibrations", "PointErrors", "blur_of"]

CALIBRATION_SCHEMA: Final = "endplate/calibration/2"


#: Width of a usual heat map in body depths: what the floors refer to.
USUAL_SPREAD: Final = 0.04
#: How much sharper or more blurred than usual a map is believed to be.
_SHARPEST: Final = 0.2
_BLURREST: Final = 5.0
#: Greatest standard deviation of a coordinate in body depths.
_GREATEST_SD: Final = 0.25


@dataclass(frozen=True, eq=False)
class PointErrors:
    """How far refined points are off, in the upright frame of the vertebra.

    Parameters
    ----------
    floor : (12,) array
        Standard deviations in body depths of x and y of the six points where the heat maps are
        as wide as usual: x along the endplate, y along the column.
    power : float
        How fast they grow with the width of the maps: a blurred map means a bad point, and more
        than in proportion, because even the map of a perfect point has a width.
    correlation : (12, 12) array
        Correlation of the errors.
    """

    floor: FloatArray
    power: float
    correlation: FloatArray

    def covariance(self, spread: FloatArray) -> FloatArray:
        """(12, 12) covariance in depths squared.

        Parameters
        ----------
        spread : (6, 2) array
            Variance of the heat maps along x and y, in depths squared; 0 where there is none.
        """
        sd = np.minimum(self.floor * blur_of(spread) ** self.power, _GREATEST_SD)
        out: FloatArray = sd[:, None] * self.correlation * sd[None, :]
        return out


def blur_of(spread: FloatArray) -> FloatArray:
    """(12,) widths of the maps over the usual one, half each map's own and half its body's.

    One map says little of itself; those of one body are wide for the same reasons.
    """
    own = np.sqrt(spread.reshape(12)) / USUAL_SPREAD
    seen = own > 0
    if not seen.any():
        return np.ones(12)
    body = float(np.exp(np.log(own[seen]).mean()))
    out: FloatArray = np.clip(np.sqrt(np.where(seen, own, 1.0) * body), _SHARPEST, _BLURREST)
    return out


@dataclass(frozen=True, eq=False)
class Calibrations:
    """Everything fitted after training.

    Parameters
    ----------
    naming : NamingConfig
    points : PointErrors
    lateral : float
        Films whose probability of being lateral is lower are rejected.
    level_probability : float
        Namings less probable than this are flagged as uncertain.
    point_sd : float
        Points with a larger standard deviation, in body depths, are flagged.
    measures : dict
        Factor on the standard error of a measure, by its name: what the errors of the points do
        not explain, such as what neighbouring bodies have in common. 1 where there is none.
    provenance : dict
        Command and data that made the numbers.
    gate : GateLimits
        Where the quality gate rejects and flags.
    """

    naming: NamingConfig
    points: PointErrors
    lateral: float = 0.5
    level_probability: float = 0.8
    point_sd: float = 0.08
    measures: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    gate: GateLimits = field(default_factory=GateLimits)

    @classmethod
    def uncalibrated(cls) -> "Calibrations":
        """Rough numbers to start with, before anything was measured."""
        return cls(NamingConfig(), PointErrors(np.full(12, 0.025), 1.0, np.eye(12)))

    def to_json(self) -> str:
        """JSON text."""
        naming = {k: getattr(self.naming, k) for k in NamingConfig.__slots__}
        raw = {
            "schema": CALIBRATION_SCHEMA,
            "naming": naming,
            "points": {
                "floor": np.round(self.points.floor, 5).tolist(),
                "power": round(self.points.power, 5),
                "correlation": np.round(self.points.correlation, 4).tolist(),
            },
            "lateral": self.lateral,
            "level_probability": self.level_probability,
            "point_sd": self.point_sd,
            "measures": {name: round(f, 3) for name, f in self.measures.items()},
            "gate": self.gate.to_dict(),
            "provenance": dict(self.provenance),
        }
        return json.dumps(raw, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> "Calibrations":
        """Read back; `where` names the file in messages.

        Raises
        ------
        InputError
            If the text is not a calibration.
        """
        try:
            raw = json.loads(text)
            if raw["schema"] != CALIBRATION_SCHEMA:
                raise ValueError(raw["schema"])
            points = raw["points"]
            errors = PointErrors(
                np.array(points["floor"], dtype=np.float64).reshape(12),
                float(points["power"]),
                np.array(points["correlation"], dtype=np.float64).reshape(12, 12),
            )
            return cls(
                NamingConfig(**raw["naming"]),
                errors,
                float(raw["lateral"]),
                float(raw["level_probability"]),
                float(raw["point_sd"]),
                {str(name): float(f) for name, f in raw["measures"].items()},
                raw["provenance"],
                GateLimits.from_dict(raw.get("gate", {})),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{where}: not a calibration file ({CALIBRATION_SCHEMA})") from error
