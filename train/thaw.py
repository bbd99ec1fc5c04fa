"""Weights of an exported network back in a network that can be trained.

The export folds each batch norm into the convolution before it. Here the norms come back as ones
that change nothing: their mean and spread are measured on the samples of the task, their bias and
weight set to the same, so that the network computes what the file does, and training begins there.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from endplate.errors import InputError
from endplate.models.metadata import METADATA_KEY, ModelMetadata

__all__ = ["thaw"]

_KINDS = (nn.Conv2d, nn.Linear)


@torch.no_grad()
def thaw(model: nn.Module, task: str, path: Path, images: Iterable[Tensor]) -> None:
    """Start a network with the weights of an exported one.

    Parameters
    ----------
    model : nn.Module
        Freshly built, of the sizes of the exported one.
    task : str
        ``detector`` or ``refiner``: what the exported one must be.
    path : Path
        ONNX file of `endplate export`, made of one network.
    images : iterable of (B, C, H, W) tensors
        Inputs as in training, on which the norms are measured.

    Raises
    ------
    InputError
        If the file is no exported network, or one of another task or size.
    """
    proto = _read(path)
    metadata = _metadata(proto, path)
    if metadata.task != task:
        raise InputError(f"{path}: a {metadata.task}, expected a {task}")
    held = {one.name: one for one in proto.graph.initializer}
    for name, module in model.named_modules():
        if isinstance(module, _KINDS):
            for part, own in module.named_parameters():
                own.copy_(_tensor(held, f"{name}.{part}", own, path, metadata))
    _measure_norms(model, images)


def _read(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise InputError(f"{path}: no such network")
    try:
        return onnx.load(str(path))
    except Exception as error:  # a damaged or foreign file may raise anything
        raise InputError(f"{path}: not an ONNX file") from error


def _metadata(proto: onnx.ModelProto, path: Path) -> ModelMetadata:
    texts = {entry.key: entry.value for entry in proto.metadata_props}
    if METADATA_KEY not in texts:
        raise InputError(f"{path}: not a network of endplate export")
    return ModelMetadata.from_json(texts[METADATA_KEY], str(path))


def _tensor(
    held: dict[str, Any], name: str, own: Tensor, path: Path, metadata: ModelMetadata
) -> Tensor:
    if name not in held:
        raise InputError(f"{path}: has no {name}; expected one network of endplate export")
    found = torch.from_numpy(numpy_helper.to_array(held[name]).copy())
    if found.shape != own.shape:
        sizes = _sizes(metadata)
        raise InputError(
            f"{path}: {name} is {tuple(found.shape)} there, {tuple(own.shape)} here;"
            f" train a network of its size{f': {sizes}' if sizes else ''}"
        )
    return found


def _sizes(metadata: ModelMetadata) -> str:
    """Settings of its size, from the command that trained it."""
    command = str(metadata.training.get("command", ""))
    return " ".join(re.findall(rf"\b{metadata.task}\.(?:channels|units|width)=\S+", command))


def _measure_norms(model: nn.Module, images: Iterable[Tensor]) -> None:
    """Set every norm to the mean and spread of what reaches it, in and out."""
    sums: dict[_BatchNorm, tuple[Tensor, Tensor, int]] = {}

    def add(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, _BatchNorm)
        values = inputs[0].double().transpose(0, 1).flatten(1)
        first, second, count = sums.get(norm, (torch.tensor(0.0), torch.tensor(0.0), 0))
        sums[norm] = (
            first + values.sum(1),
            second + values.square().sum(1),
            count + values.shape[1],
        )

    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        _set(norm, torch.zeros(norm.num_features), torch.ones(norm.num_features) - norm.eps)
    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    was_training = model.training
    model.eval()
    for batch in images:
        model(batch)
    for hook in hooks:
        hook.remove()
    model.train(was_training)
    for norm, (first, second, count) in sums.items():
        mean = first / count
        _set(norm, mean, (second / count - mean.square()).clamp_min(0.0))


def _set(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.bias.copy_(norm.running_mean)
    norm.weight.copy_((norm.running_var + norm.eps).sqrt())
