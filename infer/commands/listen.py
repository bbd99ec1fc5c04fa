"""``endplate listen``: a DICOM node that scores what it is sent."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="listen")(_listen)


def _listen(
    settings: Annotated[
        Path, typer.Argument(metavar="SETTINGS.toml", help="Who may call, and where results go.")
    ],
    check: Annotated[bool, typer.Option("--check", help="Only check the settings.")] = False,
    provider: Annotated[str, typer.Option(help="As for endplate score.")] = "auto",
    threads: Annotated[int, typer.Option(help="Threads of the networks; 0: all cores.")] = 0,
    weights: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of networks of your own.")
    ] = None,
) -> int:
    """Receive films from a PACS or a modality, score them, and send the results on.

    Runs until it is told to stop (Ctrl-C or SIGTERM). What has been received and not yet been
    sent on is taken up again at the next start.
    """
    from endplate.infer.node.remote import require_pacs
    from endplate.infer.node.settings import read_settings
    from endplate.infer.terminal import complain

    require_pacs()
    read = read_settings(settings)
    if check:
        print(f"{settings}: the settings are in order")
        return 0
    _log_to_stderr()
    from endplate.infer.node.listen import Node, film_scorer

    node = Node(read, film_scorer(provider, threads, weights))
    node.start()
    try:
        _wait_for_signal()
    finally:
        complain("stopping")
        node.stop()
    return 0


def _log_to_stderr() -> None:
    """Times and sentences; no names of patients are logged."""
    import logging
    import sys

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("endplate")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def _wait_for_signal() -> None:
    import signal
    import threading

    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    asked.wait()
