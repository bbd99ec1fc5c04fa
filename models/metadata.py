"""What an ONNX file of ours says about itself."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from endplate.errors import InputError
from endplate.geometry.levels import LEVELS, POINTS

__all__ = ["METADATA_KEY", "ModelMetadata"]

#: Key of the JSON text among the metadata of the ONNX file.
METADATA_KEY: Final = "endplate"


@dataclass(frozen=True)
class ModelMetadata:
    """Everything that inference must know of a network.

    Parameters
    ----------
    task : str
        ``detector`` or ``refiner``.
    stride : int
        Input pixels per cell of the output.
    multiple : int
        Sides of the input must be multiples of this.
    crop, extent : int, float
        Refiner: side of its crop in pixels, and in body depths.
    normalisation : str
        How grey values are prepared: the function in `endplate.models.resample`.
    spacing : str
        What the network assumes of the pixel spacing: nothing.
    config_sha256 : str
        Hash of the resolved training configuration.
    training : dict
        Command, seed, steps, data checksums.
    """

    task: str
    stride: int
    multiple: int
    version: str
    config_sha256: str
    crop: int = 0
    extent: float = 0.0
    points: tuple[str, ...] = POINTS
    levels: tuple[str, ...] = LEVELS
    normalisation: str = "endplate.models.resample.normalise"
    spacing: str = "none assumed; square pixels after resampling by the stored aspect"
    licence: str = "Apache-2.0"
    training: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """JSON text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, where: str) -> "ModelMetadata":
        """Read back; `where` names the file in messages.

        Raises
        ------
        InputError
            If the text is not ours, or was made for other points or levels.
        """
        try:
            raw = json.loads(text)
            raw["points"], raw["levels"] = tuple(raw["points"]), tuple(raw["levels"])
            out = cls(**raw)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{where}: metadata {METADATA_KEY!r} is not readable") from error
        if out.points != POINTS or out.levels != LEVELS:
            raise InputError(f"{where}: made for other points or levels; export it again")
        return out
