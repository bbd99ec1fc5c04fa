"""A wider network that starts as a narrower trained one: the same outputs, and room to learn."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from endplate.errors import InputError

__all__ = ["widen"]


@torch.no_grad()
def widen(model: nn.Module, narrow: Mapping[str, Tensor], pooled: Collection[str] = ()) -> None:
    """Put the weights of a narrower network into a wider one of the same plan.

    The old channels come first and take nothing from the new ones, whose weights towards the old
    channels are 0; so the outputs are those of the narrower network, and what the new channels
    add is learnt from there.

    Parameters
    ----------
    model : nn.Module
        Freshly built; convolutions, linear layers, and norms of channels.
    narrow : mapping
        State of the narrower network: the same names, no dimension larger.
    pooled : collection of str
        Weights whose inputs are two runs of the same channels, one after the other, as from
        `endplate.models.backbone.pooled`.

    Raises
    ------
    InputError
        If the networks differ in more than width.
    """
    # its tensors are those of the model itself: what is written to them is loaded
    wide = model.state_dict()
    unlike = sorted(set(wide) ^ set(narrow))
    if unlike:
        raise InputError(f"cannot be widened: {unlike[0]} is in one of the two networks only")
    for name, old in narrow.items():
        new = wide[name]
        if old.ndim != new.ndim or any(o > n for o, n in zip(old.shape, new.shape, strict=True)):
            raise InputError(
                f"cannot be widened: {name} is {tuple(old.shape)} there, {tuple(new.shape)} here"
            )
        runs = 2 if name in pooled else 1
        if old.ndim < 2:
            new[tuple(slice(n) for n in old.shape)] = old
            continue
        inputs, wider = old.shape[1] // runs, new.shape[1] // runs
        new[: old.shape[0]] = 0
        for run in range(runs):
            new[: old.shape[0], run * wider : run * wider + inputs] = old[
                :, run * inputs : (run + 1) * inputs
            ]
