"""The other end of a cell: starts it, gives it films, ends it when it must."""

import contextlib
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any, Final

from endplate.errors import EndplateError, InputError
from endplate.infer.batch.cell import receive, send
from endplate.infer.batch.task import CellSetup, Outcome, Task

__all__ = ["Isolated"]

#: Seconds for a worker to load its networks, on a busy machine.
_START_LIMIT: Final = 300.0
#: How often a film may end its worker before it is given up: somebody else may have ended it.
_TRIES: Final = 2
_GONE: Final = object()


@dataclass
class _Process:
    """A running cell, and what it says."""

    process: "subprocess.Popen[bytes]"
    answers: "queue.SimpleQueue[Any]"

    @classmethod
    def start(cls) -> "_Process":
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "endplate.infer.batch.cell"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_collect, args=(process, answers), daemon=True).start()
        return cls(process, answers)

    def ask(self, message: dict[str, Any], limit: float) -> Any:
        """The answer; `_GONE` if the process ended, None if it took too long."""
        assert self.process.stdin is not None, "started with a pipe"
        try:
            send(self.process.stdin, message)  # type: ignore[arg-type]
        except OSError:
            return _GONE
        try:
            return self.answers.get(timeout=limit)
        except queue.Empty:
            return None

    def end(self) -> int:
        """End it; its exit status."""
        with contextlib.suppress(OSError):
            self.process.kill()
        status = self.process.wait()
        with contextlib.suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        return status


def _collect(process: "subprocess.Popen[bytes]", answers: "queue.SimpleQueue[Any]") -> None:
    """Pass answers on until the process ends."""
    assert process.stdout is not None, "started with a pipe"
    with process.stdout as stream:
        while (message := receive(stream)) is not None:  # type: ignore[arg-type]
            answers.put(message)
    answers.put(_GONE)


class Isolated:
    """Reads films one at a time in a process that is replaced whenever a film ends it.

    Parameters
    ----------
    setup : CellSetup
        For every process that is started.
    """

    def __init__(self, setup: CellSetup) -> None:
        self.setup = setup
        self._running: _Process | None = None
        self._starting = threading.Lock()
        self._who: dict[str, str] = {}
        self._closed = False

    def read(self, task: Task) -> Outcome:
        """Read one film within the limits.

        Raises
        ------
        EndplateError
            If no worker can be started at all, as without networks.
        """
        status = 0
        for _ in range(_TRIES):
            if self._closed:
                return Outcome(task.number, None, "crashed", "The batch was stopped.")
            running = self._started()
            answer = running.ask({"task": task.to_dict()}, self.setup.time_limit)
            if answer is None:
                self._drop()
                sentence = f"It took longer than {self.setup.time_limit:g} s."
                return Outcome(task.number, None, "timeout", sentence)
            if answer is not _GONE:
                if answer["code"] == "memory":
                    self._drop()
                return Outcome(task.number, answer["film"], answer["code"], answer["sentence"])
            status = self._drop()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return Outcome(task.number, None, "crashed", f"Reading it ended the worker ({how}).")

    def start(self) -> dict[str, str]:
        """Start the process now unless it runs; who reads: name, version and sha256."""
        self._started()
        return self._who

    def _started(self) -> _Process:
        """The running process, one that another thread is just starting too."""
        with self._starting:
            if self._running is None:
                self._running = self._start()
            return self._running

    def _start(self) -> _Process:
        running = _Process.start()
        answer = running.ask({"setup": self.setup.to_dict()}, _START_LIMIT)
        if answer is None or answer is _GONE or "error" in answer or self._closed:
            status = running.end()
            if isinstance(answer, dict) and "error" in answer:
                raise InputError(answer["error"])
            raise EndplateError(f"a worker of the batch cannot be started (status {status})")
        self._who = answer["ready"]
        return running

    def close(self) -> None:
        """End the process, from any thread."""
        self._closed = True
        self._drop()

    def _drop(self) -> int:
        running, self._running = self._running, None
        return running.end() if running is not None else 0
