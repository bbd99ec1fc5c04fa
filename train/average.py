"""One network of several that were trained alike from the same weights (a "model soup").

Runs that start from the same weights and differ in the seed alone end in the same valley, and the
mean of their weights lies lower in it than each: M. Wortsman et al., Model soups, ICML 2022. It
costs nothing at run time, unlike an ensemble.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from endplate.errors import InputError

__all__ = ["average_weights"]


def average_weights(
    named: Sequence[tuple[Path, Mapping[str, Tensor]]],
) -> dict[str, Tensor]:
    """Mean of the weights of several networks; whole numbers are those of the first.

    Parameters
    ----------
    named : sequence of (path, weights)
        The path is for messages.

    Raises
    ------
    InputError
        If one of them is not the same network as the first.
    """
    (first_path, first), *others = named
    for path, weights in others:
        same = weights.keys() == first.keys() and all(
            weights[name].shape == value.shape for name, value in first.items()
        )
        if not same:
            raise InputError(
                f"{path}: another network than {first_path}; expected runs of the same model"
            )
    out = {}
    for name, value in first.items():
        if value.is_floating_point():
            stack = torch.stack([weights[name].double() for _, weights in named])
            out[name] = stack.mean(dim=0).to(value.dtype)
        else:
            out[name] = value
    return out
