"""From a checkpoint to an ONNX file that is proven equal to it (torch only)."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from endplate import __version__
from endplate.errors import InputError
from endplate.models.detector import DETECTOR_OUTPUTS, DETECTOR_STRIDE, Detector, DetectorConfig
from endplate.models.metadata import METADATA_KEY, ModelMetadata
from endplate.models.refiner import REFINER_OUTPUTS, REFINER_STRIDE, Refiner, RefinerConfig
from endplate.train.average import average_weights
from endplate.train.ensemble import join

__all__ = ["ExportConfig", "Parity", "export_checkpoint", "load_checkpoint"]

_TOLERANCE = 2e-3


@dataclass
class ExportConfig:
    """``checkpoint``: model.pt of a run; ``out``: ONNX file to write.

    ``averaged_with``: model.pt of other runs, of the same network from the same start, whose
    weights are averaged with it. ``together_with``: model.pt of other networks that are put into
    the same file, their answers averaged with its.
    """

    checkpoint: str = MISSING
    averaged_with: list[str] = field(default_factory=list)
    together_with: list[str] = field(default_factory=list)
    out: str = MISSING


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest difference between torch and ONNX Runtime, relative to the largest output."""

    size: tuple[int, ...]
    difference: float


def load_checkpoint(
    path: Path, averaged_with: Sequence[Path] = ()
) -> tuple[nn.Module, ModelMetadata]:
    """Network with averaged weights, in evaluation mode, and its metadata.

    Parameters
    ----------
    path : Path
    averaged_with : sequence of Path
        Checkpoints of other runs; see `endplate.train.average`.

    Raises
    ------
    InputError
        If a file is no ``model.pt`` of ``endplate train``, or does not fit itself or the others.
    """
    saved = _read(path)
    provenance, task = saved["provenance"], saved["task"]
    config = OmegaConf.create(provenance["config"])
    others = [(p, _read(p)) for p in averaged_with]
    for other, read in others:
        for name, wanted in (("task", task), ("fold", provenance["fold"])):
            found = {**read["provenance"], **read}[name]
            if found != wanted:
                raise InputError(f"{other}: its {name} is {found}, that of {path} {wanted}")
    weights = average_weights([(p, s["weights"]) for p, s in [(path, saved), *others]])
    model: nn.Module
    crop, extent = 0, 0.0
    try:
        if task == "detector":
            model = Detector(_structured(DetectorConfig, config.detector))
            stride, multiple = DETECTOR_STRIDE, 64
        else:
            shape = _structured(RefinerConfig, config.refiner)
            model = Refiner(shape)
            stride, multiple, crop, extent = REFINER_STRIDE, 32, shape.crop, shape.extent
        model.load_state_dict(weights)
    except (KeyError, RuntimeError, OmegaConfBaseException) as error:
        raise InputError(f"{path}: its weights do not fit its configuration") from error
    metadata = ModelMetadata(
        task=task,
        stride=stride,
        multiple=multiple,
        version=__version__,
        config_sha256=provenance["config_sha256"],
        crop=crop,
        extent=extent,
        normalisation="endplate.models.resample."
        + ("detector_input" if task == "detector" else "normalise"),
        training={
            "command": "endplate train " + " ".join(_public(provenance["overrides"])),
            "seed": provenance["seed"],
            "fold": provenance["fold"],
            "steps": saved["steps"],
            "seconds": round(saved["seconds"]),
            "batch": saved["loop"]["batch"],
            "data_sha256": provenance["data_sha256"],
            "ct_slabs": "ct_slabs" in config.get("sets", {}),
            "averaged_seeds": [read["provenance"]["seed"] for _, read in others],
        },
    )
    return model.eval(), metadata


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint that has what it must have."""
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint; expected model.pt of endplate train")
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        OmegaConf.create(saved["provenance"]["config"])
        if not {"task", "weights"} <= saved.keys() or "fold" not in saved["provenance"]:
            raise KeyError("task, weights or fold")
    except Exception as error:  # a hostile or foreign pickle may raise anything
        raise InputError(f"{path}: not a checkpoint of endplate train") from error
    return saved


def export_checkpoint(
    checkpoint: Path,
    out: Path,
    averaged_with: Sequence[Path] = (),
    together_with: Sequence[Path] = (),
) -> list[Parity]:
    """Write an ONNX file and compare it with torch at several sizes.

    Raises
    ------
    InputError
        If a file is no checkpoint, the networks do not go together, or the outputs differ by more
        than 0.2 % of the largest value.
    """
    first = (checkpoint, *load_checkpoint(checkpoint, averaged_with))
    model, metadata = join([first, *((path, *load_checkpoint(path)) for path in together_with)])
    detector = metadata.task == "detector"
    example = torch.randn(1, 2, 512, 256) if detector else torch.randn(2, 1, 128, 128)
    names = list(DETECTOR_OUTPUTS) if detector else list(REFINER_OUTPUTS)
    out.parent.mkdir(parents=True, exist_ok=True)
    # the exporter reports packages that our networks do not use
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            opset_version=18,
            dynamic_shapes=(_dynamic(detector),),
            input_names=["image"],
            output_names=names,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _strip_paths(proto)
    onnx.helper.set_model_props(proto, {METADATA_KEY: metadata.to_json()})
    partial = out.with_name(out.name + ".part")
    onnx.save(proto, partial)
    try:
        parity = _check(model, partial, detector)
        # a file that differs from torch never gets its name
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return parity


def _dynamic(detector: bool) -> dict[int, Any]:
    if not detector:
        return {0: torch.export.Dim("batch", min=1, max=256)}
    rows = torch.export.Dim("rows64", min=2, max=64)
    columns = torch.export.Dim("columns64", min=2, max=64)
    return {2: 64 * rows, 3: 64 * columns}


def _check(model: nn.Module, path: Path, detector: bool) -> list[Parity]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    sizes = (
        [(1, 2, 512, 256), (1, 2, 384, 448), (1, 2, 832, 320), (1, 2, 128, 128)]
        if detector
        else [(1, 1, 128, 128), (7, 1, 128, 128), (19, 1, 128, 128)]
    )
    out = []
    for size in sizes:
        image = torch.randn(*size, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            wanted = model(image)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        got = session.run(None, {"image": image.numpy()})
        difference = max(
            float(np.abs(w.numpy() - g).max() / np.abs(w.numpy()).max())
            for w, g in zip(wanted, got, strict=True)
        )
        if difference > _TOLERANCE:
            raise InputError(f"{path}: differs from torch by {difference:.2g} at size {size}")
        out.append(Parity(size, difference))
    return out


def _strip_paths(proto: onnx.ModelProto) -> None:
    """The exporter notes the source files of this machine in every node; drop them."""
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.metadata_props[:]


def _structured(schema: Any, config: Any) -> Any:
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), config))


def _public(overrides: list[str]) -> list[str]:
    """Overrides without folders of the machine that trained."""
    private = ("out=", "data=", "simulated", "ct_slabs=", "ct_films=", "start_from=")
    return [o for o in overrides if not o.startswith(private) and not set("/\\") & set(o)]
