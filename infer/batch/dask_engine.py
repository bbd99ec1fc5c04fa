"""Reading many films on many machines, with Dask: a local cluster or a scheduler's address."""

import queue
from collections.abc import Iterable, Iterator
from typing import Any, Final

from endplate.errors import EndplateError, InputError, MissingDependency
from endplate.infer.batch.isolate import Isolated
from endplate.infer.batch.task import CellSetup, Outcome, Task

__all__ = ["DaskEngine"]

_CONNECT_LIMIT: Final = 30
_IN_FLIGHT: Final = 4
"""Films handed to the cluster for each of its threads: one is read, the others are on the way."""


class DaskEngine:
    """Reads films on the workers of a Dask cluster, each in an isolated process of its own.

    The workers must see the export and the output under the same paths, and have endplate
    installed. A film is isolated as on one machine; Dask itself moves the films of a worker that
    is lost to another.

    Parameters
    ----------
    setup : CellSetup
    workers : int
        Of a local cluster; 0: one for each core.
    scheduler : str or None
        Address of a running scheduler; None starts a local cluster.

    Raises
    ------
    MissingDependency
        Without the extra ``dask``.
    InputError
        If the scheduler cannot be reached.
    """

    def __init__(self, setup: CellSetup, workers: int, scheduler: str | None) -> None:
        try:
            import distributed
        except ImportError as error:
            raise MissingDependency("distributed", "dask", "--engine dask") from error
        self.setup = setup.to_dict()
        self.cluster: Any = None
        if scheduler is None:
            cluster: Any = distributed.LocalCluster
            self.cluster = cluster(
                n_workers=workers or None, threads_per_worker=1, dashboard_address=None
            )
        try:
            connect: Any = distributed.Client
            self.client: Any = connect(self.cluster or scheduler, timeout=_CONNECT_LIMIT)
        except (OSError, ValueError) as error:
            raise InputError(f"--scheduler {scheduler}: cannot be reached ({error})") from error

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Outcomes as they come."""
        import distributed

        threads = sum(self.client.nthreads().values()) or 1
        source = iter(tasks)
        numbers: dict[Any, int] = {}
        collect: Any = distributed.as_completed
        done = collect([])
        for _ in range(_IN_FLIGHT * threads):
            self._submit(source, numbers, done)
        while numbers:
            future = next(done)
            number = numbers.pop(future.key)
            self._submit(source, numbers, done)
            yield _outcome(future, number)

    def close(self) -> None:
        """End what was started here; a cluster of others goes on."""
        self.client.close()
        if self.cluster is not None:
            self.cluster.close()

    def _submit(self, source: Iterator[Task], numbers: dict[Any, int], done: Any) -> None:
        task = next(source, None)
        if task is None:
            return
        future = self.client.submit(_read, self.setup, task.to_dict(), pure=False)
        numbers[future.key] = task.number
        done.add(future)


def _outcome(future: Any, number: int) -> Outcome:
    """The outcome that a future holds."""
    from distributed import KilledWorker

    error = future.exception()
    if isinstance(error, KilledWorker):
        return Outcome(number, None, "crashed", "Reading it ended the machine's worker.")
    if isinstance(error, EndplateError):
        raise error
    if error is not None:
        raise EndplateError(f"a worker of the cluster failed: {type(error).__name__}: {error}")
    values: dict[str, Any] = future.result()
    return Outcome(number, values["film"], values["code"], values["sentence"])


#: Idle processes of this worker, by their setup: kept from film to film.
_idle: dict[str, "queue.SimpleQueue[Isolated]"] = {}


def _read(setup: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    """Read one film; runs on a worker of the cluster."""
    idle = _idle.setdefault(repr(sorted(setup.items())), queue.SimpleQueue())
    try:
        cell = idle.get_nowait()
    except queue.Empty:
        cell = Isolated(CellSetup(**setup))
    try:
        outcome = cell.read(Task(**task))
    finally:
        idle.put(cell)
    return {"film": outcome.film, "code": outcome.code, "sentence": outcome.sentence}
