"""Several networks side by side in one file, whose answers are averaged.

Unlike the mean of weights (`endplate.train.average`) the networks may come from different starts;
the file is as large, and reads as long, as all of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from endplate.errors import InputError
from endplate.models.metadata import ModelMetadata

__all__ = ["Ensemble", "join"]


class Ensemble(nn.Module):
    """Mean of the outputs of its members, each a tensor or a tuple of such.

    Parameters
    ----------
    members : sequence of nn.Module
        Networks with the same inputs and outputs.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Outputs for an image, of the shapes of one member."""
        outputs = [member(image) for member in self.members]
        if isinstance(outputs[0], tuple):
            return tuple(_mean(parts) for parts in zip(*outputs, strict=True))
        return _mean(outputs)


def _mean(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).mean(dim=0)


def join(
    networks: Sequence[tuple[Path, nn.Module, ModelMetadata]],
) -> tuple[nn.Module, ModelMetadata]:
    """One network of several; what the first says of itself, with the trainings of the others.

    Parameters
    ----------
    networks : sequence of (path, network, metadata)
        The path is for messages.

    Raises
    ------
    InputError
        If one of them sees or gives something else than the first, or learnt from other subjects.
    """
    (first_path, first, metadata), *others = networks
    if not others:
        return first, metadata
    for path, _, other in others:
        for name, found, wanted in _compared(other, metadata):
            if found != wanted:
                raise InputError(f"{path}: its {name} is {found}, that of {first_path} {wanted}")
    training = {**metadata.training, "together_with": [m.training for _, _, m in others]}
    model = Ensemble([first, *(network for _, network, _ in others)])
    return model.eval(), replace(metadata, training=training)


def _compared(one: ModelMetadata, other: ModelMetadata) -> list[tuple[str, object, object]]:
    names = ("task", "stride", "multiple", "crop", "extent", "normalisation")
    pairs = [(name, getattr(one, name), getattr(other, name)) for name in names]
    return [*pairs, ("fold", one.training["fold"], other.training["fold"])]
