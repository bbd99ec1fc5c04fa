"""Error model of points on slabs of CT: the form of that of films, in scales of its own.

Heat maps tell on slabs as on films where a point is in doubt, so the form of the films' model is
kept: its floors, its power and its correlations, as they were when the scales were fitted. What
is fitted on slabs are four numbers for each CT: how large the errors of the points are, what those
of angles and of heights are beyond that, and how far names are to be trusted. CTs to fit on are
few, so the greatest scale of them all is used (NumPy only).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np

from endplate.errors import InputError
from endplate.models.calibration import PointErrors

__all__ = ["SlabCalibration", "SlabScales"]

SLAB_SCHEMA: Final = "endplate/slab-calibration/1"


@dataclass(frozen=True, slots=True)
class SlabScales:
    """Factors fitted on one CT, or taken from several.

    Parameters
    ----------
    points : float
        On the standard deviations of the points that the films' model gives.
    angles, heights : float
        On the standard errors of angles, and of heights and what is made of them, that follow
        from the points.
    names : float
        What the nats between namings are divided by, in place of `trust` of the films.
    """

    points: float
    angles: float
    heights: float
    names: float = 1.0


@dataclass(frozen=True, eq=False)
class SlabCalibration:
    """What was fitted on slabs.

    Parameters
    ----------
    shape : PointErrors
        The films' model whose form is kept.
    scales : mapping of str to SlabScales
        By the CT that they were fitted on.
    point_sd : float
        Points with a larger standard deviation, in body depths, are flagged.
    provenance : mapping
        Command and data that made the numbers, and how far they hold.
    """

    shape: PointErrors
    scales: Mapping[str, SlabScales]
    point_sd: float
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.scales:
            raise InputError("a slab calibration needs the scales of one CT or more")

    @property
    def chosen(self) -> SlabScales:
        """The greatest scales of all CTs."""
        greatest = (
            max(getattr(s, f.name) for s in self.scales.values()) for f in fields(SlabScales)
        )
        return SlabScales(*greatest)

    @property
    def errors(self) -> PointErrors:
        """Error model of the points."""
        return PointErrors(
            self.shape.floor * self.chosen.points, self.shape.power, self.shape.correlation
        )

    def factor(self, unit: str) -> float:
        """Factor on the standard error of a measure of this unit."""
        return self.chosen.angles if unit == "deg" else self.chosen.heights

    def without(self, name: str) -> "SlabCalibration":
        """The same from the other CTs, to judge one that it was fitted on.

        Raises
        ------
        InputError
            If there is no other.
        """
        return replace(self, scales={n: s for n, s in self.scales.items() if n != name})

    @property
    def label(self) -> str:
        """Short name that readings bear: ``slabs`` and the start of the hash of the numbers."""
        digest = hashlib.sha256(self.to_json().encode()).hexdigest()
        return f"slabs {digest[:8]}"

    def to_json(self) -> str:
        """JSON text."""
        raw = {
            "schema": SLAB_SCHEMA,
            "shape": {
                "floor": np.round(self.shape.floor, 5).tolist(),
                "power": round(self.shape.power, 5),
                "correlation": np.round(self.shape.correlation, 4).tolist(),
            },
            "scales": {
                name: {f.name: round(getattr(s, f.name), 4) for f in fields(SlabScales)}
                for name, s in self.scales.items()
            },
            "point_sd": self.point_sd,
            "provenance": dict(self.provenance),
        }
        return json.dumps(raw, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> "SlabCalibration":
        """Read back; `where` names the file in messages.

        Raises
        ------
        InputError
            If the text is not a slab calibration.
        """
        try:
            raw = json.loads(text)
            if raw["schema"] != SLAB_SCHEMA:
                raise ValueError(raw["schema"])
            shape = raw["shape"]
            errors = PointErrors(
                np.array(shape["floor"], dtype=np.float64).reshape(12),
                float(shape["power"]),
                np.array(shape["correlation"], dtype=np.float64).reshape(12, 12),
            )
            scales = {
                str(name): SlabScales(**{key: float(value) for key, value in s.items()})
                for name, s in raw["scales"].items()
            }
            return cls(errors, scales, float(raw["point_sd"]), raw["provenance"])
        except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
            message = f"{where}: not a slab calibration file ({SLAB_SCHEMA})"
            raise InputError(message) from error
