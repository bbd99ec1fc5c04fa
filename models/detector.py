"""The first network: finds the vertebrae on the whole film (torch only)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from endplate.geometry.levels import LEVELS
from endplate.models.backbone import Pyramid, pooled
from endplate.models.decode import STRIDE as DETECTOR_STRIDE

__all__ = ["DETECTOR_OUTPUTS", "DETECTOR_STRIDE", "Detector", "DetectorConfig"]

#: Names of the ONNX outputs, in order.
DETECTOR_OUTPUTS = ("maps", "film")


@dataclass
class DetectorConfig:
    """Size of the detector."""

    channels: tuple[int, ...] = (24, 32, 64, 96, 128)
    units: tuple[int, ...] = (1, 1, 2, 2, 3)
    width: int = 48


class Detector(nn.Module):
    """Feature pyramid with heads for bodies, points, levels and the film as a whole.

    Input: (B, 2, H, W), see `endplate.models.resample.detector_input`; H, W multiples of 64.

    Output ``maps``, (B, 2 + 12 + L + 1, H / 4, W / 4):

    * 0, 1: logits of the centre of a body and of the middle of the sacral endplate;
    * 2 to 13: x, y of the six points relative to the cell, in units of 32 input pixels;
    * 14 on: logits of the levels in the order of `LEVELS`; the last is a body above C7.

    Output ``film``, (B, 6): logits of lateral, frontal, other; facing right; contrast
    inverted; metal.
    """

    #: Weights whose inputs are the same channels twice, see `endplate.train.widen`.
    pooled_weights: ClassVar[tuple[str, ...]] = ("film.0.weight",)

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.pyramid = Pyramid(
            config.channels, config.width, stem_stride=4, units=config.units, context=True, inputs=2
        )
        width = config.width
        self.centre = _head(width, 2)
        self.offsets = _head(width, 12)
        self.levels = _head(width, len(LEVELS) + 1)
        self.film = nn.Sequential(
            nn.Linear(2 * config.channels[-1], 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 6)
        )
        # rare positives: start from a low probability, or the first steps are spent on that
        nn.init.constant_(self.centre[-1].bias, -4.0)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 2, H, W) -> maps (B, 15 + L, H / 4, W / 4), film (B, 6)."""
        fine, deep = self.pyramid(image)
        maps = torch.cat([self.centre(fine), self.offsets(fine), self.levels(fine)], dim=1)
        return maps, self.film(pooled(deep))


def _head(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, outputs, 1)
    )
