"""A batch from beginning to end: scan, read, settle, write."""

import contextlib
import errno
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from endplate.errors import InputError
from endplate.imaging.pseudonymise import require_pseudonymise
from endplate.imaging.pseudonyms import load_key
from endplate.imaging.scan import UNREAD, ScanPosition, look_again, scan
from endplate.imaging.scan_entry import Entry, Fault
from endplate.imaging.select import Selection, load_selection
from endplate.infer.batch.engine import Engine, LocalEngine
from endplate.infer.batch.journal import Journal
from endplate.infer.batch.options import BatchOptions
from endplate.infer.batch.outputs import BatchResult, load_packages, write_outputs
from endplate.infer.batch.progress import Reports, SilentProgress
from endplate.infer.batch.sink import CannotWrite, is_remote, open_sink
from endplate.infer.batch.task import NOT_WRITTEN, CellSetup, Outcome
from endplate.infer.dicom_results import require_dicom_results

__all__ = ["run_batch"]

_UNPACKED: Final = "unpacked"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def run_batch(options: BatchOptions, progress: Reports | None = None) -> BatchResult:
    """Read an export.

    Parameters
    ----------
    options : BatchOptions
    progress : Reports, optional
        Is told how far it is.

    Returns
    -------
    BatchResult
        Counts that add up, and what was written.

    Raises
    ------
    InputError
        If the export, the output or the networks cannot be used, if the folder holds another
        batch, or if a batch to be continued was started with other options.
    MissingDependency
        If something was asked for whose extra is not installed.
    """
    selection = load_selection(options.rules)
    if options.journal_path.exists() and not options.resume:
        raise InputError(
            f"{options.shown_output}: holds a batch already; continue it with --resume, or name"
            " another folder"
        )
    _check_packages(options)
    _make_folders(options)
    _check_store(options)
    journal = Journal(options.journal_path)
    with contextlib.closing(journal), progress or SilentProgress() as reports:
        run = _Run(options, selection, journal, reports)
        try:
            return run.run()
        except (OSError, sqlite3.OperationalError) as error:
            if not _is_full(error):
                raise
            raise CannotWrite(
                f"{options.private_folder}: cannot be written to ({error}); once it can,"
                " --resume goes on from here"
            ) from error
        finally:
            run.close()


def _is_full(error: Exception) -> bool:
    """Whether a disk takes no more."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return "full" in str(error) or "disk I/O" in str(error)


def _make_folders(options: BatchOptions) -> None:
    here = None if is_remote(options.output) else Path(options.output).resolve()
    if options.export.resolve() in (here, options.private_folder.resolve()):
        raise InputError(f"{options.output}: is the export itself; name another folder")
    try:
        if not is_remote(options.output):
            Path(options.output).mkdir(parents=True, exist_ok=True)
        private = options.private_folder
        private.mkdir(parents=True, exist_ok=True)
        private.chmod(0o700)
    except OSError as error:
        raise InputError(f"{options.output}: cannot be written to ({error.strerror})") from error


def _check_packages(options: BatchOptions) -> None:
    """Miss what DICOM results need now and not at the first film."""
    if options.results:
        require_dicom_results()
    if options.results and options.pseudonymise:
        require_pseudonymise()


def _check_store(options: BatchOptions) -> None:
    """Open the store that was asked for, so that a mistake shows now and not at the end."""
    if options.store is not None:
        from endplate.study.store.store import open_store

        open_store(options.store).close()


@dataclass
class _Run:
    """One call of a batch, which may be one of several for the same journal."""

    options: BatchOptions
    selection: Selection
    journal: Journal
    progress: Reports
    local: LocalEngine | None = None
    engine: Engine | None = None

    def run(self) -> BatchResult:
        """All parts; each takes up what an earlier call left."""
        begun = datetime.now(UTC)
        setup = self._setup(begun)
        self.journal.try_unreachable_again()
        # Before the scan, so that missing networks are told at once.
        self.local = LocalEngine(setup, self.options.worker_count if self._here else 1)
        unread = not self.journal.about("scanned") or self.journal.counts()["waiting"] > 0
        who = self.local.start(all_at_once=unread)
        self._check_same("identity", self.options.identity(self.selection.text, who["sha256"]))
        if self.options.results:
            self._check_same("of results", {"root of identifiers": self.options.uid_root})
        sink = open_sink(self.options.output)
        sink.remove_parts()
        if not self.journal.about("scanned"):
            self._scan()
        else:
            self._look_again()
        self._read(setup)
        self._add_results(setup)
        self._note_time(begun)
        result = write_outputs(self.options, self.selection, self.journal, sink, who, self.progress)
        if result.counts["failed"]:
            sink.remove_parts()  # of workers that films ended
        self._clean()
        return result

    def close(self) -> None:
        """End all workers."""
        if self.engine is not None:
            self.engine.close()
        if self.local is not None:
            self.local.close()

    def _setup(self, begun: datetime) -> CellSetup:
        options = self.options
        created = self.journal.about("created")
        if created is None:
            created = begun.isoformat(timespec="seconds")
            self.journal.note("created", created)
        key = ""
        if options.pseudonymise:
            key = load_key(options.key or options.private_folder / "pseudonyms.key").hex()
        return CellSetup(
            output=options.output if is_remote(options.output) else _absolute(options.output),
            created=created,
            reader=options.reader,
            weights="" if options.weights is None else _absolute(options.weights),
            provider=options.provider,
            index_level=options.index_level,
            overlays=options.overlays,
            key=key,
            time_limit=options.time_limit,
            memory_limit=options.memory_limit,
            results=options.results,
            uid_root=options.uid_root,
        )

    def _check_same(self, note: str, identity: dict[str, Any]) -> None:
        """Refuse to continue with other options: the results would be of two kinds."""
        before = self.journal.about(note)
        if before is None:
            self.journal.note(note, identity)
            return
        for name, value in identity.items():
            if before.get(name) != value:
                raise InputError(
                    f"{self.options.shown_output}: the batch there was started with another {name};"
                    " continue it with the same, or name another folder"
                )

    def _scan(self) -> None:
        """Look at every file, once: from where an earlier call stopped."""
        position = self.journal.scan_position()
        if position.files == position.entries == 0:
            shutil.rmtree(self._unpacked, ignore_errors=True)
        self.progress.phase("scanning files", None)
        entries = self._entries(position)
        self.journal.record_scan(self._judged(entries), position)

    def _look_again(self) -> None:
        """Look once more at what the scan could not read: a share may have been gone."""
        left = self.journal.left_for(UNREAD)
        if left:
            self.progress.phase("scanning again what could not be read", None)
        for number, path in left:
            seen = look_again(self.options.export, path, self._apart)
            self.journal.replace(number, list(self._judged(seen)))

    @property
    def _apart(self) -> list[Path]:
        """Folders that this batch writes."""
        apart = [self.options.private_folder]
        if not is_remote(self.options.output):
            apart.append(Path(self.options.output))
        return apart

    @property
    def _unpacked(self) -> Path:
        """Folder of the members of archives."""
        return self.options.private_folder.absolute() / _UNPACKED

    def _entries(self, position: ScanPosition) -> Iterator[Entry]:
        """The scan, without what this batch writes itself."""
        return scan(
            self.options.export,
            self._unpacked,
            self.selection.reads,
            position=position,
            apart=self._apart,
        )

    def _judged(self, entries: Iterator[Entry]) -> Iterator[tuple[Entry, Fault | None]]:
        """Entries with the reason why they are left out, if they are."""
        for entry in entries:
            self.progress.step()
            fault = entry.fault
            if fault is None and entry.kind != "container":
                fault = self.selection.leaves_out(entry)
            yield entry, fault

    def _read(self, setup: CellSetup) -> None:
        """Read what waits, until nothing does: a copy waits once its original has failed."""
        states = self.journal.counts()
        waiting = states["waiting"]
        if not waiting:
            return
        self._unpack_again("waiting", "copy")
        self.engine = self._make_engine(setup)
        threading.Thread(target=load_packages, daemon=True).start()
        self.progress.phase("reading films", waiting)
        while self.journal.counts()["waiting"]:
            for outcome in self.engine.run(self.journal.waiting()):
                _check_written(outcome)
                self.journal.record(outcome)
                self.progress.step()

    def _add_results(self, setup: CellSetup) -> None:
        """Write DICOM results of films that were read before any were asked for."""
        lacking = 0
        if setup.results:
            lacking = sum(1 for _ in self.journal.lacking_results(setup.results))
        if not lacking:
            return
        self._unpack_again("read")
        if self.engine is None:
            self.engine = self._make_engine(setup)
        self.progress.phase("writing DICOM results", lacking)
        for outcome in self.engine.run(self.journal.lacking_results(setup.results)):
            _check_written(outcome)
            self.journal.record_results(outcome, setup.results)
            self.progress.step()

    def _unpack_again(self, *states: str) -> None:
        """Restore members of archives that are to be read, where they are gone."""
        for file, size in self.journal.files_below(str(self._unpacked), *states):
            if not (Path(file).is_file() and Path(file).stat().st_size == size):
                break
        else:
            return
        self.progress.phase("unpacking archives again", None)
        for _ in self._entries(ScanPosition()):
            self.progress.step()

    def _make_engine(self, setup: CellSetup) -> Engine:
        options = self.options
        if options.engine == "dask":
            from endplate.infer.batch.dask_engine import DaskEngine

            return DaskEngine(setup, options.workers, options.scheduler)
        assert self.local is not None, "started before the scan"
        return self.local

    @property
    def _here(self) -> bool:
        """Whether films are read on this machine alone."""
        return self.options.engine == "local"

    def _note_time(self, begun: datetime) -> None:
        """Add the time of this call to that of earlier ones."""
        spent = (datetime.now(UTC) - begun).total_seconds()
        self.journal.note("seconds", round((self.journal.about("seconds") or 0.0) + spent, 1))
        self.journal.note("calls", (self.journal.about("calls") or 0) + 1)

    def _clean(self) -> None:
        """Remove the unpacked members of archives."""
        shutil.rmtree(self._unpacked, ignore_errors=True)


def _check_written(outcome: Outcome) -> None:
    """End the batch where results cannot be written; the film waits for the next call."""
    if outcome.code == NOT_WRITTEN:
        raise CannotWrite(f"{outcome.sentence}; once it can, --resume goes on from here")


def _absolute(path: str | Path) -> str:
    return str(Path(path).absolute())
