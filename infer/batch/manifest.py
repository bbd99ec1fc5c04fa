"""The manifest of a batch: what was run, on what, with what result."""

import hashlib
import platform
from importlib import metadata
from typing import Any, Final

from endplate import __version__
from endplate.imaging.select import Selection
from endplate.infer.batch.journal import Journal
from endplate.infer.batch.options import BatchOptions
from endplate.infer.batch.settle import OUTCOMES

__all__ = ["MANIFEST_FORM", "manifest"]

MANIFEST_FORM: Final = "endplate/batch/1"
_PACKAGES: Final = (
    *("numpy", "onnxruntime", "opencv-python-headless", "pydicom", "pyjpegls", "python-gdcm"),
    *("pylibjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pyarrow", "sqlalchemy", "distributed"),
)


def manifest(
    options: BatchOptions,
    selection: Selection,
    journal: Journal,
    reader: dict[str, str],
    counts: dict[str, int],
    codes: dict[str, int],
    results: dict[str, int],
    written: dict[str, str],
) -> dict[str, Any]:
    """Plain values of the manifest.

    Parameters
    ----------
    reader : dict
        Name, version and hashes of the networks.
    counts : dict
        Files by outcome; they add up to ``files``.
    codes : dict
        Files left out, by code.
    results : dict
        DICOM results, by kind.
    written : dict
        Names of the outputs.
    """
    return {
        "schema": MANIFEST_FORM,
        "created": journal.about("created"),
        "seconds": journal.about("seconds"),
        "calls": journal.about("calls"),
        "endplate": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "reader": reader,
        "networks": options.network_hashes(),
        "configuration": {
            # With pseudonyms not even the export's name, which may be a patient's.
            "export": None if options.pseudonymise else str(options.export),
            "engine": options.engine,
            "workers": options.worker_count,
            "provider": options.provider,
            "index_level": options.index_level,
            "overlays": options.overlays,
            "dicom_results": list(options.results),
            "uid_root": options.uid_root,
            "pseudonymised": options.pseudonymise,
            "time_limit_s": options.time_limit,
            "memory_limit_bytes": options.memory_limit,
            "rules": {
                "name": selection.name,
                "sha256": hashlib.sha256(selection.text.encode()).hexdigest(),
                "text": selection.text,
            },
        },
        "files": sum(counts.values()),
        "outcomes": counts,
        "outcome_meanings": dict(OUTCOMES),
        "codes": dict(sorted(codes.items())),
        "dicom_results": dict(sorted(results.items())),
        "written": sorted(written),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
