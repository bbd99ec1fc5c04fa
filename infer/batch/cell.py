"""A process of its own for reading films: what it does to itself, it does to nobody else.

``python -m endplate.infer.batch.cell`` takes messages on standard input and answers on standard
output: first a setup, answered by ``ready`` or ``error``; then tasks, each answered by an
outcome. A message is its length in four bytes and JSON. The process ends when its input does.
"""

import contextlib
import faulthandler
import json
import os
import queue
import struct
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Final

from endplate.infer.batch.task import CellSetup, Task

__all__ = ["main", "receive", "send"]

#: Seconds after its limit at which a film ends the process even if nobody else does.
_GRACE: Final = 30.0


def send(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Write one message."""
    data = json.dumps(message).encode()
    stream.write(struct.pack("<I", len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """Read one message; None at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack("<I", head)
    data = stream.read(size)
    if len(data) < size:
        return None
    message: dict[str, Any] = json.loads(data)
    return message


def main() -> None:
    """Serve until the input ends."""
    answers = _private_output()
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()
    setup = CellSetup(**inbox.get()["setup"])
    try:
        from endplate.infer.batch.film import FilmWorker

        module, _, name = setup.reader.partition(":")
        worker = FilmWorker(setup, getattr(import_module(module), name)(setup))
        _limit_memory(setup)
    except Exception as error:
        send(answers, {"error": str(error), "kind": type(error).__name__})
        return
    who = worker.reader.reader
    send(answers, {"ready": {"name": who.name, "version": who.version, "sha256": who.sha256}})
    silence = Path(os.devnull).open("w")  # noqa: SIM115  (for as long as the process)
    while True:
        task = Task(**inbox.get()["task"])
        # Ends the process from C, even where a decoder never gives the interpreter back.
        faulthandler.dump_traceback_later(setup.time_limit + _GRACE, exit=True, file=silence)
        try:
            outcome = worker.run(task)
            film, code, sentence = outcome.film, outcome.code, outcome.sentence
        except MemoryError:
            film, code = None, "memory"
            sentence = f"It took more than {setup.memory_limit / 2**30:.1f} GiB of memory."
        faulthandler.cancel_dump_traceback_later()
        send(answers, {"film": film, "code": code, "sentence": sentence})
        if code == "memory":
            return  # what is left of the heap is not trusted


def _private_output() -> BinaryIO:
    """Standard output for messages alone: what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return answers


def _listen(inbox: "queue.SimpleQueue[dict[str, Any]]") -> None:
    """Pass messages on; end the process when whoever started it is gone."""
    while (message := receive(sys.stdin.buffer)) is not None:
        inbox.put(message)
    os._exit(0)


def _limit_memory(setup: CellSetup) -> None:
    """Bound the address space, and leave no core dumps of patients' films."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # The drivers of graphics processors map far more address space than they use.
        if setup.memory_limit and setup.provider in ("cpu", "openvino"):
            resource.setrlimit(resource.RLIMIT_AS, (setup.memory_limit, setup.memory_limit))


if __name__ == "__main__":
    main()
