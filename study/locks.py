"""Holding a folder, so that no second process writes there."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from endplate.errors import InputError

__all__ = ["hold"]


@contextlib.contextmanager
def hold(path: Path, taken: str) -> Iterator[int]:
    """Hold a file as a lock; gives its descriptor.

    The lock goes with the process, and with those to which it hands the descriptor on.

    Parameters
    ----------
    path : Path
        Made if it does not exist; its folder must.
    taken : str
        What to say if another process holds it.

    Raises
    ------
    InputError
        If another process holds it, or it cannot be written.
    """
    try:
        file = path.open("a")
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be written to: {error.strerror}") from error
    with file:
        try:
            if os.name == "posix":
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            raise InputError(taken) from None
        yield file.fileno()
