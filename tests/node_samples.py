"""What the tests of the node share: free ports, waiting, a scorer that knows the truth."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from endplate.infer.node.listen import Node
from endplate.infer.node.settings import NodeSettings
from endplate.study.reading import Reading

from .dicom_samples import make_reading


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 240.0) -> Any:
    """The first true value of `condition`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


@contextmanager
def running(
    settings: NodeSettings, score: Callable[[Path], Reading] = make_reading
) -> Iterator[Node]:
    """A node that listens, with a scorer in place of the networks."""
    node = Node(settings, score)
    node.start()
    try:
        yield node
    finally:
        node.stop()
