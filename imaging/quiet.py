"""Keep decoders and parsers from writing to the terminal.

pydicom warns and logs about every oddity of a header, and the native decoders (GDCM, libpng,
libjpeg, libtiff) print to the process's standard error. What matters of it is told in
`Radiograph.notes` or in the error; nothing else should reach the user.
"""

import contextlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator

__all__ = ["quiet_parsing", "quiet_stderr"]

# warnings.catch_warnings changes the state of the process, so parsing is done one at a time.
_PARSING = threading.RLock()


class _Muted:
    """How many threads want standard error muted, and the descriptor to restore."""

    lock = threading.Lock()
    depth = 0
    saved = -1


for _name in ("pydicom", "pylibjpeg", "openjpeg", "libjpeg", "rle"):
    # A library without any handler prints warnings through logging's last resort.
    logging.getLogger(_name).addHandler(logging.NullHandler())


@contextlib.contextmanager
def quiet_parsing() -> Iterator[None]:
    """Ignore warnings and mute standard error; one thread at a time."""
    with _PARSING, warnings.catch_warnings(), quiet_stderr():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send descriptor 2 to the null device while any thread is inside."""
    _mute()
    try:
        yield
    finally:
        _unmute()


def _mute() -> None:
    with _Muted.lock:
        _Muted.depth += 1
        if _Muted.depth > 1:
            return
        try:
            sys.stderr.flush()
            saved = os.dup(2)
            null = os.open(os.devnull, os.O_WRONLY)
        except (OSError, AttributeError, ValueError):
            return  # no standard error (a service without a terminal): nothing to mute
        os.dup2(null, 2)
        os.close(null)
        _Muted.saved = saved


def _unmute() -> None:
    with _Muted.lock:
        _Muted.depth -= 1
        if _Muted.depth == 0 and _Muted.saved >= 0:
            os.dup2(_Muted.saved, 2)
            os.close(_Muted.saved)
            _Muted.saved = -1
