"""What goes to a worker and what comes back: plain values, so that any engine can carry them."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

__all__ = [
    "FAILURES",
    "NOT_WRITTEN",
    "UNREACHABLE",
    "CellSetup",
    "Outcome",
    "Task",
    "result_name",
]

#: Code of a film whose file could not be reached. It is tried again when the batch goes on.
UNREACHABLE: Final = "unreachable"

#: Codes of films that were to be read and could not be, with what they say.
FAILURES: Final = {
    "unreadable_image": "The file is damaged, or of a kind that is not read.",
    UNREACHABLE: "The file could not be reached; --resume tries again.",
    "unusable": "Something in the file cannot be used.",
    "timeout": "Reading it took longer than the limit.",
    "memory": "Reading it took more memory than the limit.",
    "crashed": "Reading it ended the worker, twice.",
    "internal_error": "A fault of endplate.",
}

#: Code of a film whose results could not be written. It is no failure of the film: the batch ends.
NOT_WRITTEN: Final = "not_written"


@dataclass(frozen=True, slots=True)
class CellSetup:
    """What a worker needs to know before its first film.

    Parameters
    ----------
    output : str
        Folder or fsspec URL of the results.
    created : str
        Time that all readings of the batch bear.
    reader : str
        ``module:name`` of a callable that takes this setup and gives the reader of films.
    weights : str
        Folder of the networks, ``""`` for those of the package.
    provider : str
        Of ONNX Runtime.
    index_level : str or None
        The injured level, if it is the same on all films.
    overlays : bool
        Whether pictures with the landmarks are written.
    key : str
        Hexadecimal key of the pseudonyms; ``""`` keeps identities.
    time_limit : float
        Seconds that one film may take.
    memory_limit : int
        Bytes of address space of a worker; 0: no limit.
    results : tuple of str
        Kinds of DICOM results to write (`endplate.infer.dicom_results.KINDS`).
    uid_root : str
        Of their identifiers.
    """

    output: str
    created: str
    reader: str = "endplate.infer.batch.film:shipped_reader"
    weights: str = ""
    provider: str = "cpu"
    index_level: str | None = None
    overlays: bool = True
    key: str = field(default="", repr=False)
    time_limit: float = 120.0
    memory_limit: int = 4 << 30
    results: tuple[str, ...] = ()
    uid_root: str = "2.25"

    def __post_init__(self) -> None:
        object.__setattr__(self, "results", tuple(self.results))  # a list, where it came as JSON

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Task:
    """One film to read.

    Parameters
    ----------
    number : int
        Of the file in the scan, from 1; its results are called after it.
    path : str
        In the export, for records and messages.
    file : str
        From which it is read.
    again : bool
        Whether it was read before, and only its DICOM results are wanted.
    """

    number: int
    path: str
    file: str
    again: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a film.

    Parameters
    ----------
    number : int
        Of the task.
    film : dict or None
        What is known of a film that was read (see `endplate.infer.batch.film`), None if it
        could not be; of one that was read before, what became of its DICOM results.
    code, sentence : str
        Why not; a code of `FAILURES`, or `NOT_WRITTEN`.
    """

    number: int
    film: dict[str, Any] | None
    code: str = ""
    sentence: str = ""


def result_name(kind: str, number: int, suffix: str) -> str:
    """Name of a result of a film: a thousand to a folder."""
    return f"{kind}/{number // 1000:04d}/{number:07d}{suffix}"
