"""Calling a decoder that may end the process in a child of it, which may end.

GDCM calls ``abort`` on some damaged streams that no check beforehand finds. A forked child costs
a few milliseconds; where there is no fork, the call is made in the process itself.
"""

import faulthandler
import io
import os
import selectors
import signal
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

__all__ = ["DecoderDied", "run_apart"]

_LIMIT: Final = 60.0
_CHUNK: Final = 1 << 20
_ARRAY: Final = b"\x01"
_MESSAGE: Final = b"\x00"

Array = npt.NDArray[Any]


class DecoderDied(Exception):
    """The decoder ended its process or never came back; the text says which."""


def run_apart(decode: Callable[[], Array]) -> Array:
    """The array that a function returns.

    Parameters
    ----------
    decode : callable
        Is called in a child process. It must not wait for other threads of this one, which the
        child has not.

    Raises
    ------
    DecoderDied
        If it ended its process, or took longer than a minute.
    RuntimeError
        If it raised an error, with the text of that.
    """
    if sys.platform != "linux":
        return decode()
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        # of threads that other libraries have started, which the child does not need
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(ours)
        _answer(decode, theirs)
    os.close(theirs)
    data = None
    try:
        data = _collect(ours)
    finally:
        os.close(ours)
        if data is None:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if data is None:
        raise DecoderDied(f"the decoder did not come back within {_LIMIT:.0f} s")
    if os.WIFSIGNALED(status) or not data:
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "no answer"
        raise DecoderDied(f"the decoder ended itself ({how})")
    if data[:1] == _MESSAGE:
        raise RuntimeError(data[1:].decode("utf-8", "replace"))
    array: Array = np.load(io.BytesIO(data[1:]), allow_pickle=False)
    return array


def _answer(decode: Callable[[], Array], to: int) -> NoReturn:
    """What the child does: call, answer, end without tidying up what is the parent's."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(null, stream)
        faulthandler.disable()
        _no_core_dumps()
        with os.fdopen(to, "wb") as out:
            try:
                array = decode()
            except BaseException as error:  # Rust panics with an error that is no Exception
                out.write(_MESSAGE + str(error).encode("utf-8", "replace"))
            else:
                packed = io.BytesIO()  # NumPy writes to no pipe
                np.save(packed, array, allow_pickle=False)
                out.write(_ARRAY)
                out.write(packed.getbuffer())
    finally:
        os._exit(0)


def _no_core_dumps() -> None:
    """Leave no copies of patients' films where the decoder ends."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _collect(pipe: int) -> bytes | None:
    """All that the child writes; None if it takes too long."""
    end = time.monotonic() + _LIMIT
    parts: list[bytes] = []
    with selectors.DefaultSelector() as ready:
        ready.register(pipe, selectors.EVENT_READ)
        while ready.select(max(0.0, end - time.monotonic())):
            part = os.read(pipe, _CHUNK)
            if not part:
                return b"".join(parts)
            parts.append(part)
    return None
