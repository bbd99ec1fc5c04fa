"""How far a batch is: a bar on a terminal, a line now and then elsewhere. No patients' names."""

import sys
import time
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["BarProgress", "LineProgress", "Reports", "SilentProgress", "progress_on_terminal"]

_SECONDS_BETWEEN_LINES: Final = 30.0


class Reports(Protocol):
    """Is told what is being done."""

    def __enter__(self) -> "Reports": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def phase(self, name: str, total: int | None) -> None:
        """A new part of the work begins, with so many steps if that is known."""

    def step(self) -> None:
        """One step of it is done."""


class SilentProgress:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to end."""

    def phase(self, name: str, total: int | None) -> None:
        """Say nothing."""

    def step(self) -> None:
        """Say nothing."""


class LineProgress(SilentProgress):
    """A line on standard error at the start of a part and every half minute."""

    def __init__(self) -> None:
        self._name, self._total, self._done = "", None, 0  # type: tuple[str, int | None, int]
        self._begun = self._said = time.monotonic()

    def phase(self, name: str, total: int | None) -> None:
        """Say what begins."""
        self._name, self._total, self._done = name, total, 0
        self._begun = self._said = time.monotonic()
        self._say(f"{name}{'' if total is None else f' {total}'}")

    def step(self) -> None:
        """Count; say how far it is if it is time to."""
        self._done += 1
        now = time.monotonic()
        if now - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._said = now
        rate = self._done / (now - self._begun)
        text = f"{self._name} {self._done}"
        if self._total is not None:
            left = (self._total - self._done) / rate / 60
            text += f" of {self._total}, {left:.0f} min left"
        self._say(f"{text}, {rate:.1f}/s")

    def _say(self, text: str) -> None:
        print(f"endplate: {text}", file=sys.stderr, flush=True)


class BarProgress:
    """A bar with count, rate and time left."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def phase(self, name: str, total: int | None) -> None:
        """Start a new bar in place of the last."""
        for task in self._bar.tasks:
            self._bar.update(task.id, visible=False)
        self._current = self._bar.add_task(name, total=total)

    def step(self) -> None:
        """Move on by one."""
        self._bar.advance(self._current)


class _Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


def progress_on_terminal() -> BarProgress | LineProgress:
    """A bar if standard error is a terminal, else lines."""
    if sys.stderr.isatty():
        return BarProgress(Console(stderr=True))
    return LineProgress()
