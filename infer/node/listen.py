"""A DICOM node that scores the films that it is sent, and sends the results on."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from endplate.errors import EndplateError, InputError
from endplate.imaging.read import read_radiograph
from endplate.infer.dicom_results import write_dicom_results
from endplate.infer.node.queue import FilmEntry, NodeQueue, Outgoing
from endplate.infer.node.receive import StorageServer, StoreError
from endplate.infer.node.remote import TlsFiles, require_pacs
from endplate.infer.node.send import send_files
from endplate.infer.node.settings import NodeSettings
from endplate.infer.pipeline import FilmReader
from endplate.study.reading import Reading

__all__ = ["Node", "film_scorer"]

log: Final = logging.getLogger("endplate.node")

#: Endings of the files that the node makes.
_OWN: Final = (".dcm", ".part")
_POLL: Final = 0.5
_REMEMBERED: Final = 30 * 86400.0

#: Reads a film.
Score = Callable[[Path], Reading]


def film_scorer(provider: str = "auto", threads: int = 0, weights: Path | None = None) -> Score:
    """Reads films with the networks, which are loaded at once: a node without them would fail
    every film that it is sent. See `FilmReader` for the settings and errors.
    """
    reader = FilmReader(weights, provider=provider, threads=threads)

    def score(path: Path) -> Reading:
        return reader.read(read_radiograph(path))

    return score


class Node:
    """Receives, scores and sends, from `start` to `stop`.

    Receiving has threads of its own; one more thread scores studies that are complete and sends
    results that are due. Everything that has to outlive a restart is in the queue.

    Parameters
    ----------
    settings : NodeSettings
    score : callable
        Reads a film.
    clock : callable
        Seconds since the epoch.

    Raises
    ------
    MissingDependency
        If the extra ``pacs`` is not installed.
    InputError
        If the folder cannot be used.
    """

    def __init__(
        self, settings: NodeSettings, score: Score, clock: Callable[[], float] = time.time
    ) -> None:
        require_pacs()
        self.settings = settings
        self._score = score
        self._clock = clock
        # the queue keeps paths: they must not depend on where the node was started
        folder = settings.folder.absolute()
        self._films = folder / "films"
        self._results = folder / "results"
        try:
            settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self._films, self._results):
                folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise InputError(f"{settings.folder}: cannot be used: {error.strerror}") from error
        self.queue = NodeQueue(settings.folder / "queue.sqlite")
        self._remotes = {remote.url: remote for remote in settings.destinations}
        self._server = StorageServer(settings, self._keep)
        self._stop = threading.Event()
        self._storing = threading.Lock()
        self._worker: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Where the node listens."""
        return self._server.port

    def start(self) -> None:
        """Tidy up after an earlier run, listen, and work."""
        self.tidy()
        self._server.start()
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()
        log.info("listening as %s at port %d", self.settings.ae_title, self.port)

    def stop(self) -> None:
        """Finish the film in hand, and stop."""
        self._server.stop()
        self._stop.set()
        if self._worker is not None:
            self._worker.join()
        self.queue.close()

    def tidy(self) -> None:
        """Delete files that no row of the queue speaks of: what a crash left behind."""
        self.queue.forget_before(self._clock() - _REMEMBERED)
        known = {path.name for path in self.queue.paths()}
        for folder in (self._films, self._results):
            for path in folder.iterdir():
                if path.suffix in _OWN and path.name not in known:
                    path.unlink(missing_ok=True)

    def work(self) -> None:
        """Score what is ready, and send what is due, once."""
        for entry in self.queue.ready(self._clock(), self.settings.quiet_seconds):
            if self._stop.is_set():
                return
            self._score_film(entry)
        due: dict[str, list[Outgoing]] = {}
        for result in self.queue.due(self._clock()):
            due.setdefault(result.destination, []).append(result)
        for destination, results in due.items():
            if not self._stop.is_set():
                self._send(destination, results)

    def _work(self) -> None:
        while not self._stop.wait(_POLL):
            try:
                self.work()
            except Exception:  # the node goes on; what it was about stays in the queue
                log.exception("an unforeseen error")

    def _keep(self, sop_uid: str, study_uid: str, data: bytes) -> None:
        """Keep a received film; see `StorageServer`."""
        if self.queue.has_result(sop_uid):
            return
        with self._storing:
            self._make_room(len(data))
            path = self._films / f"{sop_uid}.dcm"
            _write_durably(path, data)
            self.queue.add(sop_uid, study_uid, path, len(data), self._clock())

    def _make_room(self, wanted: int) -> None:
        """Films that failed go first; nothing else is deleted for a new one."""
        limit = self.settings.max_storage_bytes
        while self.queue.used_bytes() + wanted > limit:
            failed = self.queue.oldest_failed()
            if failed is None:
                raise StoreError(f"the {limit} bytes for films and results are used up")
            failed.path.unlink(missing_ok=True)
            self.queue.forget_file(failed.sop_uid)

    def _score_film(self, entry: FilmEntry) -> None:
        if not self.queue.begin(entry.sop_uid):
            self._failed(entry, "ended the program each time that it was tried")
            return
        try:
            reading = self._score(entry.path)
            if reading.quality.status == "rejected":
                reasons = " ".join(r.message for r in reading.quality.reasons)
                self.queue.finish(entry.sop_uid, "rejected", reasons)
                log.info("instance %s was rejected: %s", entry.sop_uid, reasons)
            else:
                self._finish(entry, reading)
        except EndplateError as error:
            self._failed(entry, str(error))
            return
        except Exception as error:  # one bad film must not keep the others waiting
            log.exception("instance %s: an unforeseen error", entry.sop_uid)
            self._failed(entry, f"unforeseen {type(error).__name__}")
            return
        entry.path.unlink(missing_ok=True)

    def _failed(self, entry: FilmEntry, why: str) -> None:
        log.warning("instance %s could not be scored: %s", entry.sop_uid, why)
        self.queue.finish(entry.sop_uid, "failed", why)

    def _finish(self, entry: FilmEntry, reading: Reading) -> None:
        paths = write_dicom_results(
            reading,
            entry.path,
            self._results,
            uid_root=self.settings.uid_root,
            deterministic=True,
            kinds=self.settings.results,
            name=entry.sop_uid,
        )
        sizes = [(path, path.stat().st_size) for path in paths]
        self.queue.finish(entry.sop_uid, "done", "", sizes, tuple(self._remotes), now=self._clock())
        log.info("instance %s was scored: %s", entry.sop_uid, reading.quality.status)

    def _send(self, destination: str, results: Sequence[Outgoing]) -> None:
        by_path = {result.path: result for result in results}
        remote = self._remotes.get(destination)
        if remote is None:
            self._postpone(results, "is no longer a destination in the settings")
            return
        try:
            sent = send_files(
                list(by_path),
                remote,
                ae_title=self.settings.ae_title,
                tls=self.settings.tls or TlsFiles(),
            )
        except EndplateError as error:
            self._postpone(results, str(error))
            return
        for one in sent:
            if not one.ok:
                self._postpone([by_path[one.path]], one.message)
            elif self.queue.sent(by_path[one.path]):
                one.path.unlink(missing_ok=True)

    def _postpone(self, results: Iterable[Outgoing], message: str) -> None:
        for result in results:
            log.warning("a result of %s was not sent: %s", result.sop_uid, message)
            self.queue.postpone(result, message, self._clock(), self.settings.max_attempts)


def _write_durably(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or not there, also after a loss of power."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
