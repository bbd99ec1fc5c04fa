"""ONNX Runtime sessions: which provider runs a network, and what the network is."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from endplate.errors import InputError, UnknownName
from endplate.models.metadata import METADATA_KEY, ModelMetadata

__all__ = ["PROVIDERS", "Network", "available_providers", "choose_provider"]

#: Short name -> name in ONNX Runtime, in the order in which ``auto`` tries them.
PROVIDERS: Final = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


def available_providers() -> tuple[str, ...]:
    """Short names of the providers that the installed ONNX Runtime offers."""
    have = onnxruntime.get_available_providers()
    return tuple(short for short, full in PROVIDERS.items() if full in have)


def choose_provider(name: str) -> str:
    """Short name of the provider to use.

    Parameters
    ----------
    name : str
        ``auto`` or a key of `PROVIDERS`.

    Raises
    ------
    UnknownName
        If there is no such provider.
    InputError
        If it exists but is not installed.
    """
    have = available_providers()
    if name == "auto":
        return have[0]
    if name not in PROVIDERS:
        raise UnknownName("provider", name, ("auto", *PROVIDERS))
    if name not in have:
        raise InputError(f"provider {name} is not installed; installed: {', '.join(have)}")
    return name


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded ONNX network.

    Attributes
    ----------
    provider : str
        Short name of the provider that really runs it.
    sha256 : str
        Hash of the file.
    """

    session: onnxruntime.InferenceSession
    metadata: ModelMetadata
    provider: str
    sha256: str
    path: str

    @classmethod
    def load(cls, path: Path, *, provider: str = "auto", threads: int = 0) -> "Network":
        """Load a network.

        Parameters
        ----------
        threads : int
            Threads of ONNX Runtime; 0: all cores.

        Raises
        ------
        InputError
            If the file is missing, not ONNX, or not one of ours.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such network; install endplate with its weights")
        if threads < 0:
            raise InputError(f"threads={threads}: expected 0 (all cores) or more")
        content = path.read_bytes()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        wanted = PROVIDERS[choose_provider(provider)]
        names = [wanted] if wanted == PROVIDERS["cpu"] else [wanted, PROVIDERS["cpu"]]
        try:
            session = onnxruntime.InferenceSession(content, options, providers=names)
        except Exception as error:  # ONNX Runtime has no common class of errors
            raise InputError(f"{path}: ONNX Runtime cannot load it") from error
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise InputError(f"{path}: no metadata {METADATA_KEY!r}; export with endplate export")
        used = session.get_providers()[0]
        short = next((s for s, full in PROVIDERS.items() if full == used), used)
        return cls(
            session,
            ModelMetadata.from_json(text, str(path)),
            short,
            hashlib.sha256(content).hexdigest(),
            str(path),
        )

    def run(self, images: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        """Outputs for a (N, C, H, W) float32 batch."""
        outputs: list[npt.NDArray[np.float32]] = self.session.run(None, {"image": images})
        return outputs
