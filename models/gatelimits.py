"""What the quality gate was fitted to: weights of its evidence, and limits (NumPy only)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["GateLimits"]


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Numbers of the gate; all but `weights` say where a film starts to be flagged.

    Parameters
    ----------
    weights : dict
        Weight of each feature of `endplate.infer.evidence.FEATURES` in the log odds of a lateral
        film of the spine. Empty: nothing was fitted, and the view alone decides.
    usual : dict
        Median of each feature over lateral films.
    bias : float
        Added to the log odds.
    evidence : float
        Log odds below which an image is rejected.
    burnt, white : float
        Share of the bodies that is as dark, as bright, as the film can be.
    noise : float
        Noise over the contrast of the bodies.
    sharpness : float
        Fine detail over coarse detail of the bodies; below it, edges are blurred.
    levels : float
        Different grey values in the bodies; fewer are too few.
    blocks : float
        Steps between the blocks of a compressed image over the steps within them.
    tilt : float
        Degrees by which the column leans from the vertical.
    hardware : float
        Probability of metal on the film.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)
    bias: float = 0.0
    evidence: float = 0.0
    burnt: float = 0.01
    white: float = 0.085
    noise: float = 0.164
    sharpness: float = 0.376
    levels: float = 15.0
    blocks: float = 2.5
    tilt: float = 18.0
    hardware: float = 0.8

    def score(self, features: Mapping[str, float]) -> float:
        """Log odds of a lateral film of the spine."""
        return self.bias + sum(w * features[name] for name, w in self.weights.items())

    def weakest(self, features: Mapping[str, float]) -> str:
        """Name of the feature that speaks most against it, next to a usual lateral; or ``""``."""
        lost = {
            name: w * (features[name] - self.usual[name])
            for name, w in self.weights.items()
            if name in self.usual
        }
        worst = min(lost, key=lambda name: lost[name], default="")
        return worst if worst and lost[worst] < -1.0 else ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            many = isinstance(value, Mapping)
            out[f.name] = {k: round(v, 5) for k, v in value.items()} if many else round(value, 5)
        return out

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "GateLimits":
        """Read back.

        Raises
        ------
        ValueError, TypeError
            If a number is missing its name, or is none.
        """
        values = dict(raw)
        weights, usual = (
            {str(k): float(v) for k, v in values.pop(name, {}).items()}
            for name in ("weights", "usual")
        )
        return cls(weights, usual, **{str(k): float(v) for k, v in values.items()})
