"""Checkpoints of the training loop: to start from another run, and to go on with a stopped one."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from endplate.errors import InputError
from endplate.train.widen import widen

__all__ = ["load_weights", "resume"]


def load_weights(model: nn.Module, path: Path, *, narrower: bool = False) -> None:
    """Start a network with the averaged weights of another run.

    Parameters
    ----------
    narrower : bool
        The other network has fewer channels; see `endplate.train.widen.widen`.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another network.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint (model.pt of an earlier run)")
    saved = _read_checkpoint(path, torch.device("cpu"))
    if narrower:
        try:
            widen(model, saved["weights"], getattr(model, "pooled_weights", ()))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not a checkpoint of endplate train") from error
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return
    try:
        found = model.load_state_dict(saved["weights"], strict=False)
    except (KeyError, RuntimeError) as error:
        raise InputError(f"{path}: does not fit this network; train with the same model") from error
    # a head that the earlier run had not may start anew, nothing else may be missing
    heads = {name for name, _ in model.named_children()} - {
        k.split(".")[0] for k in saved["weights"]
    }
    missing = [k for k in found.missing_keys if k.split(".")[0] not in heads]
    if missing or found.unexpected_keys:
        raise InputError(f"{path}: does not fit this network; train with the same model")


def _read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = dict(torch.load(path, map_location=device, weights_only=True))
    except Exception as error:  # a damaged or foreign file may raise anything
        raise InputError(f"{path}: not a checkpoint of endplate train") from error
    return saved


def resume(
    path: Path,
    model: nn.Module,
    average: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    device: torch.device,
) -> tuple[int, float]:
    """Step and seconds from which to go on; 0, 0 for a new run."""
    if not path.is_file():
        return 0, 0.0
    saved = _read_checkpoint(path, device)
    try:
        model.load_state_dict(saved["model"])
    except (KeyError, RuntimeError) as error:
        raise InputError(
            f"{path}: the run in this folder trained another network; choose another folder"
        ) from error
    for name, value in saved["average"].items():
        average[name].copy_(value)
    optimiser.load_state_dict(saved["optimiser"])
    return int(saved["step"]), float(saved["seconds"])
