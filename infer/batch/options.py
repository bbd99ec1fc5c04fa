"""What a batch is asked to do."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from endplate import __version__
from endplate.errors import InputError, UnknownName
from endplate.geometry.levels import check_level
from endplate.infer.batch.sink import is_remote, without_password
from endplate.infer.dicom_results import ResultRequest
from endplate.reports.dicom.uids import UidMaker

__all__ = ["ENGINES", "BatchOptions"]

ENGINES: Final = ("local", "dask")
_JOURNAL: Final = "journal.sqlite"


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch; see the help of ``endplate batch``.

    Raises
    ------
    InputError
        If two of them do not go together.
    UnknownName
        If there is no such engine, level or kind of DICOM result.
    """

    export: Path
    output: str
    private: Path | None = None
    workers: int = 0
    engine: str = "local"
    scheduler: str | None = None
    resume: bool = False
    rules: Path | None = None
    store: str | None = None
    pseudonymise: bool = False
    key: Path | None = None
    index_level: str | None = None
    overlays: bool = True
    time_limit: float = 120.0
    memory_limit: int = 4 << 30
    provider: str = "cpu"
    weights: Path | None = None
    results: tuple[str, ...] = ()
    uid_root: str = "2.25"
    reader: str = field(default="endplate.infer.batch.film:shipped_reader", repr=False)

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UnknownName("engine", self.engine, ENGINES)
        if self.scheduler is not None and self.engine != "dask":
            raise InputError("--scheduler goes with --engine dask only")
        if self.output.startswith("memory:"):
            raise InputError(
                f"-o {self.output}: the memory of one process, which the workers do not share;"
                " name a folder, or a place that all machines see"
            )
        if is_remote(self.output) and self.private is None:
            raise InputError(
                f"-o {self.shown_output}: with a URL, --private names a folder to work in"
            )
        if self.key is not None and not self.pseudonymise:
            raise InputError("--key goes with --pseudonymise only")
        if self.workers < 0:
            raise InputError(f"--workers {self.workers}: expected 1 or more; 0 for all cores")
        if not self.time_limit > 0:
            raise InputError(f"--time-limit {self.time_limit}: expected seconds above 0")
        UidMaker(self.uid_root)
        ResultRequest(self.results)
        if self.index_level is not None:
            check_level(self.index_level)

    @property
    def shown_output(self) -> str:
        """The output for messages: without a password."""
        return without_password(self.output)

    @property
    def private_folder(self) -> Path:
        """Folder of what identifies patients: journal, key, link table."""
        return self.private if self.private is not None else Path(self.output) / "private"

    @property
    def journal_path(self) -> Path:
        """The journal."""
        return self.private_folder / _JOURNAL

    @property
    def worker_count(self) -> int:
        """Number of workers."""
        if self.workers:
            return self.workers
        usable = getattr(os, "sched_getaffinity", None)
        return len(usable(0)) if usable else os.cpu_count() or 1

    def network_hashes(self) -> dict[str, str]:
        """SHA-256 of the files that make up the reader, by name."""
        from endplate.infer.pipeline import (
            CALIBRATION,
            SECOND_DETECTOR,
            WEIGHTS,
            weights_folder,
        )

        folder = self.weights if self.weights is not None else weights_folder()
        files = [folder / name for name in (*WEIGHTS.values(), SECOND_DETECTOR, CALIBRATION)]
        return {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
            if file.is_file()
        }

    def identity(self, rules_text: str, reader_sha256: str) -> dict[str, Any]:
        """What must not change between a batch and its continuation."""
        return {
            "version": __version__,
            "export": str(self.export.resolve()),
            "networks": {"reader": reader_sha256, **self.network_hashes()},
            "rules": rules_text,
            "index level": self.index_level,
            "overlays": self.overlays,
            "pseudonymise": self.pseudonymise,
        }
