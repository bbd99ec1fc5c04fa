"""``endplate info``: versions, networks, providers, codecs and extras of this installation."""

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from endplate import __version__
from endplate.errors import EndplateError
from endplate.infer.pipeline import weights_folder
from endplate.infer.session import Network, available_providers
from endplate.infer.terminal import show
from endplate.reports.words import printable

__all__ = ["collect_info", "print_info"]

_BASE: Final = ("numpy", "onnxruntime", "opencv-python-headless", "pydicom", "typer", "rich")
_EXTRAS: Final = {
    "train": ("torch", "monai", "hydra-core", "onnx", "onnxscript", "tensorboard"),
    "store": ("sqlalchemy", "alembic"),
    "store-postgresql": ("psycopg",),
    "parquet": ("pyarrow",),
    "dask": ("dask", "distributed", "fsspec"),
    "privacy": ("dicom-anonymizer",),
    "codecs-gpl": ("pylibjpeg-libjpeg",),
}
_SYNTAXES: Final = {
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG baseline": "1.2.840.10008.1.2.4.50",
    "JPEG extended, 12 bits": "1.2.840.10008.1.2.4.51",
    "JPEG lossless": "1.2.840.10008.1.2.4.57",
    "JPEG lossless, first order": "1.2.840.10008.1.2.4.70",
    "JPEG-LS lossless": "1.2.840.10008.1.2.4.80",
    "JPEG-LS near lossless": "1.2.840.10008.1.2.4.81",
    "JPEG 2000 lossless": "1.2.840.10008.1.2.4.90",
    "JPEG 2000": "1.2.840.10008.1.2.4.91",
    "HTJ2K lossless": "1.2.840.10008.1.2.4.201",
}


def collect_info() -> dict[str, Any]:
    """Everything that ``endplate info --json`` prints, as plain values."""
    return {
        "endplate": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _BASE},
        "extras": {
            extra: {name: _version(name) for name in names} for extra, names in _EXTRAS.items()
        },
        "providers": list(available_providers()),
        "models": [_model(path) for path in sorted(weights_folder().glob("*.onnx"))],
        "codecs": {name: _decoders(uid) for name, uid in _SYNTAXES.items()},
    }


def print_info(as_json: bool) -> int:
    """Print `collect_info` as a table or as JSON; returns the exit status."""
    info = collect_info()
    if as_json:
        print(json.dumps(info, indent=1, ensure_ascii=False))
        return 0
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    table.add_row("endplate", f"{info['endplate']} (Python {info['python']})")
    table.add_row("packages", _listed(info["packages"]))
    table.add_row("providers", ", ".join(info["providers"]))
    for model in info["models"]:
        table.add_row("model", Text(_model_line(model)))
    if not info["models"]:
        table.add_row("model", "none: this installation has no weights and cannot score films")
    for name, decoders in info["codecs"].items():
        table.add_row("codec", f"{name}: {', '.join(decoders) or 'cannot be decoded'}")
    for extra, packages in info["extras"].items():
        table.add_row(f"extra {extra}", _listed(packages))
    show(table)
    return 0


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _model(path: Path) -> dict[str, Any]:
    try:
        network = Network.load(path, provider="cpu", threads=1)
    except EndplateError as error:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"file": path.name, "sha256": sha256, "error": str(error)}
    about = json.loads(network.metadata.to_json())
    return {"file": path.name, "sha256": network.sha256, "metadata": about}


def _model_line(model: dict[str, Any]) -> str:
    start = f"{model['file']}, SHA-256 {model['sha256'][:16]}"
    if "error" in model:
        return printable(f"{start}: {model['error']}")
    about = model["metadata"]
    return printable(f"{start}, {about['task']} {about['version']}, {about['licence']}")


def _decoders(uid: str) -> list[str]:
    """pydicom's decoders of a transfer syntax whose packages are installed."""
    from pydicom.pixels.decoders.base import get_decoder

    return [str(name) for name in get_decoder(uid).available_plugins]


def _listed(packages: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version or '(not installed)'}" for name, version in packages.items())
