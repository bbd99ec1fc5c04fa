"""Reading many films at once on this machine."""

import contextlib
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Protocol

from endplate.errors import EndplateError
from endplate.infer.batch.isolate import Isolated
from endplate.infer.batch.task import CellSetup, Outcome, Task

__all__ = ["Engine", "LocalEngine"]


class Engine(Protocol):
    """Reads films, in whatever order; each gives one outcome."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Outcomes as they come; `tasks` is asked for more only as they are needed."""

    def close(self) -> None:
        """End what was started."""


class LocalEngine:
    """One process for each worker, each reading one film at a time on one thread.

    While one process waits for the disk or decodes, the others compute; and a film that ends or
    stops its process holds up no other.

    Parameters
    ----------
    setup : CellSetup
    workers : int
        Number of processes, at least 1.
    """

    def __init__(self, setup: CellSetup, workers: int) -> None:
        self.cells = [Isolated(setup) for _ in range(workers)]

    def start(self, all_at_once: bool) -> dict[str, str]:
        """Start the first process; who reads: name, version and sha256.

        Parameters
        ----------
        all_at_once : bool
            Whether the others are to be started meanwhile, and not when they are needed.

        Raises
        ------
        EndplateError
            If it cannot be started, as without networks.
        """
        for cell in self.cells[1:] if all_at_once else ():
            threading.Thread(target=_start_quietly, args=(cell,), daemon=True).start()
        return self.cells[0].start()

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Outcomes as they come. An error that concerns all films is raised."""
        waiting: queue.Queue[Task | None] = queue.Queue()
        results: queue.Queue[Outcome | BaseException] = queue.Queue()
        threads = [
            threading.Thread(target=_serve, args=(cell, waiting, results), daemon=True)
            for cell in self.cells
        ]
        for thread in threads:
            thread.start()
        source = iter(tasks)
        under_way = sum(_feed(source, waiting) for _ in range(2 * len(self.cells)))
        try:
            while under_way:
                result = results.get()
                if isinstance(result, BaseException):
                    raise result
                under_way += _feed(source, waiting) - 1
                yield result
        finally:
            for _ in threads:
                waiting.put(None)

    def close(self) -> None:
        """End all processes."""
        for cell in self.cells:
            cell.close()


def _start_quietly(cell: Isolated) -> None:
    """Start a process; what goes wrong shows when it is asked to read."""
    with contextlib.suppress(EndplateError, OSError):
        cell.start()


def _feed(source: Iterator[Task], waiting: "queue.Queue[Task | None]") -> int:
    """Pass one task on; the number passed."""
    task = next(source, None)
    if task is None:
        return 0
    _read_ahead(task.file)
    waiting.put(task)
    return 1


def _read_ahead(file: str) -> None:
    """Ask the operating system for the file while the workers are busy with others."""
    with contextlib.suppress(OSError, AttributeError, ValueError):
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(handle)


def _serve(
    cell: Isolated,
    waiting: "queue.Queue[Task | None]",
    results: "queue.Queue[Outcome | BaseException]",
) -> None:
    """Read film after film until there are none."""
    while (task := waiting.get()) is not None:
        try:
            results.put(cell.read(task))
        except BaseException as error:  # reported where it can be handled
            results.put(error)
            return
