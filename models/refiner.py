"""The second network: six points and implants of one vertebra in a crop (torch only)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from endplate.models.backbone import Pyramid, pooled
from endplate.models.heatmaps import MARKS
from endplate.models.heatmaps import STRIDE as REFINER_STRIDE

__all__ = ["REFINER_OUTPUTS", "REFINER_STRIDE", "Refiner", "RefinerConfig"]

#: Names of the outputs of the exported network.
REFINER_OUTPUTS = ("heatmaps", "marks")


@dataclass
class RefinerConfig:
    """Size of the refiner, and of its crop (pixels; body depths across)."""

    channels: tuple[int, ...] = (32, 48, 80, 112, 160)
    units: tuple[int, ...] = (1, 1, 1, 2, 2)
    width: int = 64
    crop: int = 128
    extent: float = 1.8


class Refiner(nn.Module):
    """Heat maps of the six points, and marks, of an upright crop whose left side is anterior.

    Input (B, 1, S, S), normalised grey values; outputs (B, 6, S / 2, S / 2) logits, in the order
    of `POINTS`, a softmax over each map is the probability of the point's place; and (B, 2)
    logits of `MARKS`: whether the vertebra in the middle holds cement or metal.
    """

    #: Weights whose inputs are the same channels twice, see `endplate.train.widen`.
    pooled_weights: ClassVar[tuple[str, ...]] = ("marks.weight",)

    def __init__(self, config: RefinerConfig) -> None:
        super().__init__()
        self.pyramid = Pyramid(config.channels, config.width, stem_stride=2, units=config.units)
        self.head = nn.Sequential(
            nn.Conv2d(config.width, config.width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(config.width, 6, 1),
        )
        self.marks = nn.Linear(2 * config.channels[-1], len(MARKS))

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, S, S) -> (B, 6, S / 2, S / 2), (B, 2)."""
        fine, deep = self.pyramid(crop)
        return self.head(fine), self.marks(pooled(deep))
