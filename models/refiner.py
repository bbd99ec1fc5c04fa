"""The second network: the six points of one vertebra in a crop at fine resolution (torch only)."""

from dataclasses import dataclass

from torch import Tensor, nn

from endplate.models.backbone import Pyramid
from endplate.models.heatmaps import STRIDE as REFINER_STRIDE

__all__ = ["REFINER_STRIDE", "Refiner", "RefinerConfig"]


@dataclass
class RefinerConfig:
    """Size of the refiner, and of its crop (pixels; body depths across)."""

    channels: tuple[int, ...] = (20, 32, 48, 64, 96)
    units: tuple[int, ...] = (1, 1, 1, 2, 2)
    width: int = 40
    crop: int = 128
    extent: float = 1.8


class Refiner(nn.Module):
    """Heat maps of the six points in an upright crop whose left side is anterior.

    Input (B, 1, S, S), normalised grey values; output (B, 6, S / 2, S / 2) logits, in the order
    of `POINTS`; a softmax over each map is the probability of the point's place.
    """

    def __init__(self, config: RefinerConfig) -> None:
        super().__init__()
        self.pyramid = Pyramid(config.channels, config.width, stem_stride=2, units=config.units)
        self.head = nn.Sequential(
            nn.Conv2d(config.width, config.width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(config.width, 6, 1),
        )

    def forward(self, crop: Tensor) -> Tensor:
        """(B, 1, S, S) -> (B, 6, S / 2, S / 2)."""
        fine, _ = self.pyramid(crop)
        out: Tensor = self.head(fine)
        return out
