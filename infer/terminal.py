"""What the commands print: sentences about trouble, tables, JSON."""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType

from endplate.errors import EndplateError, InputError
from endplate.reports.reading_json import reading_text, readings_text
from endplate.reports.words import printable
from endplate.study.reading import Reading

__all__ = ["complain", "explain", "print_json", "show"]

#: Width of tables that go to a file or a pipe, where no terminal has one.
_PIPE_WIDTH: Final = 120


def show(*renderables: RenderableType) -> None:
    """Print on standard output, in colour if that is a terminal."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(width=width, highlight=False)
    for renderable in renderables:
        console.print(renderable)


def complain(sentence: str) -> None:
    """One line on standard error."""
    print(f"endplate: {printable(' '.join(sentence.split()))}", file=sys.stderr, flush=True)


def explain(error: BaseException, about: str, debug: bool) -> None:
    """Say on standard error what went wrong: a sentence for what endplate foresaw, and for what
    it did not one that asks for a report. With `debug` the traceback comes first.
    """
    if debug:
        traceback.print_exception(error)
    if isinstance(error, EndplateError):
        complain(str(error))
        return
    kind = type(error).__name__
    text = f" ({error})" if str(error) else ""
    subject = f"{about}: " if about else ""
    complain(
        f"{subject}unexpected {kind}{text}; this is a fault of endplate:"
        " run the command again with --debug and report what it prints"
    )


def print_json(target: str, readings: Sequence[Reading], one: bool) -> None:
    """Write readings to standard output if `target` is ``-``, else to that file.

    Parameters
    ----------
    one : bool
        Whether one reading was asked for: it is then an object, else a list of objects.
    """
    text = reading_text(readings[0]) if one and len(readings) == 1 else readings_text(readings)
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from error
