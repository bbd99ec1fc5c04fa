"""Feature pyramid shared by the two networks, made of MONAI blocks (torch only)."""

from collections.abc import Sequence

import torch
from monai.networks.blocks.convolutions import Convolution, ResidualUnit
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Pyramid"]


def _residual(inputs: int, outputs: int, stride: int, dilation: int = 1) -> nn.Module:
    return ResidualUnit(
        spatial_dims=2,
        in_channels=inputs,
        out_channels=outputs,
        strides=stride,
        kernel_size=3,
        subunits=2,
        act="RELU",
        norm="BATCH",
        dilation=dilation,
        # a 1 x 1 short cut would drop three of four pixels at stride 2; MONAI uses 3 x 3 there
    )


class Pyramid(nn.Module):
    """Residual encoder with a top-down path back to a fine stride.

    Parameters
    ----------
    channels : sequence of int
        Channels of the stages; stage i has stride ``stem_stride * 2**i``.
    width : int
        Channels of the top-down path, and of the output.
    stem_stride : int
        2 or 4: stride of the first stage, and of the output.
    units : sequence of int
        Residual units in each stage.
    context : bool
        Add the mean of the deepest features to the top, so that each place knows of the whole.
    inputs : int
        Channels of the input.

    Notes
    -----
    Input (B, inputs, H, W), H and W multiples of ``stem_stride * 2**(len(channels) - 1)``;
    output (B, width, H / stem_stride, W / stem_stride), and the deepest features.
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int,
        *,
        stem_stride: int = 4,
        units: Sequence[int] | None = None,
        context: bool = False,
        inputs: int = 1,
    ) -> None:
        super().__init__()
        if stem_stride not in (2, 4):
            raise ValueError(f"stem_stride {stem_stride}: expected 2 or 4")
        units = tuple(units) if units is not None else (1,) * len(channels)
        first = channels[0]
        stem: list[nn.Module] = [_conv(inputs, first // 2 if stem_stride == 4 else first, 5, 2)]
        if stem_stride == 4:
            stem.append(_conv(first // 2, first, 3, 2))
        self.stem = nn.Sequential(*stem)
        self.stages = nn.ModuleList()
        previous = first
        deepest = len(channels) - 1
        for i, count in enumerate(channels):
            blocks: list[nn.Module] = []
            for unit in range(units[i]):
                stride = 2 if unit == 0 and i > 0 else 1
                dilation = 2 if i == deepest and unit > 0 else 1
                blocks.append(_residual(previous, count, stride, dilation))
                previous = count
            self.stages.append(nn.Sequential(*blocks))
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(_conv(width, width, 3, 1) for _ in channels[:-1])
        self.context = nn.Linear(channels[-1], width) if context else None
        self.width = width

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, H, W) -> fine features (B, width, h, w), deepest features (B, C, h', w')."""
        x = self.stem(image)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        top = self.lateral[-1](features[-1])
        if self.context is not None:
            top = top + self.context(features[-1].mean(dim=(2, 3)))[:, :, None, None]
        for i in range(len(features) - 2, -1, -1):
            top = functional.interpolate(top, scale_factor=2.0, mode="nearest")
            top = self.smooth[i](top + self.lateral[i](features[i]))
        return top, features[-1]


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    block: nn.Module = Convolution(
        spatial_dims=2,
        in_channels=inputs,
        out_channels=outputs,
        kernel_size=kernel,
        strides=stride,
        act="RELU",
        norm="BATCH",
    )
    return block


def pooled(features: Tensor) -> Tensor:
    """Mean and maximum over the image, (B, C, h, w) -> (B, 2 C)."""
    return torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
