"""Numbers that were fitted on films not used for training (NumPy only)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray
from endplate.models.naming import NamingConfig

__all__ = ["Calibrations", "PointErrors"]

CALIBRATION_SCHEMA: Final = "endplate/calibration/1"


@dataclass(frozen=True, eq=False)
class PointErrors:
    """How far refined points are off, in the upright frame of the vertebra.

    Parameters
    ----------
    floor : (12,) array
        Standard deviations in body depths of x and y of the six points where the heat maps are
        sharp: x along the endplate, y along the column.
    gain : float
        How much of the heat map's own variance is added.
    correlation : (12, 12) array
        Correlation of the errors.
    """

    floor: FloatArray
    gain: float
    correlation: FloatArray

    def covariance(self, spread: FloatArray) -> FloatArray:
        """(12, 12) covariance in depths squared.

        Parameters
        ----------
        spread : (6, 2) array
            Variance of the heat maps along x and y, in depths squared.
        """
        sd = np.sqrt(self.floor**2 + self.gain * spread.reshape(12))
        out: FloatArray = sd[:, None] * self.correlation * sd[None, :]
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
    provenance : dict
        Command and data that made the numbers.
    """

    naming: NamingConfig
    points: PointErrors
    lateral: float = 0.5
    level_probability: float = 0.8
    point_sd: float = 0.08
    provenance: Mapping[str, Any] = field(default_factory=dict)

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
                "gain": round(self.points.gain, 5),
                "correlation": np.round(self.points.correlation, 4).tolist(),
            },
            "lateral": self.lateral,
            "level_probability": self.level_probability,
            "point_sd": self.point_sd,
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
                float(points["gain"]),
                np.array(points["correlation"], dtype=np.float64).reshape(12, 12),
            )
            return cls(
                NamingConfig(**raw["naming"]),
                errors,
                float(raw["lateral"]),
                float(raw["level_probability"]),
                float(raw["point_sd"]),
                raw["provenance"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{where}: not a calibration file ({CALIBRATION_SCHEMA})") from error
