"""The audit trail: one line for each thing done, each holding the hash of the line before."""

import hashlib
import json
import os
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from endplate.errors import InputError

__all__ = ["AuditTrail"]

_START: Final = "0" * 64


class AuditTrail:
    """Append-only JSON lines; a line that was changed or taken out later shows.

    Parameters
    ----------
    path : Path
        Made with its folder when the first line is written.

    Raises
    ------
    InputError
        If the file is there but cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._lines: list[dict[str, Any]] = []
        self._last = _START
        #: Number of the first line that does not fit the one before it, or lacks; 0 if all fit.
        self.broken_at = 0
        if path.exists():
            self._load()

    def write(self, person: str, role: str, action: str, **values: Any) -> dict[str, Any]:
        """Add a line, on disk when this returns.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        with self._lock:
            line = {
                "n": len(self._lines) + 1,
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "person": person,
                "role": role,
                "action": action,
                **values,
                "previous": self._last,
            }
            text = json.dumps(line, ensure_ascii=False, allow_nan=False)
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(text + "\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise InputError(f"{self.path}: cannot be written to: {error.strerror}") from error
            self._last = hashlib.sha256(text.encode()).hexdigest()
            self._lines.append(line)
            return line

    def lines(self, film: str | None = None) -> list[dict[str, Any]]:
        """All lines, or those of one film, the last first."""
        with self._lock:
            chosen = [x for x in self._lines if film is None or x.get("film") == film]
        return chosen[::-1]

    def expect(self, readings: Iterable[str]) -> None:
        """Signed readings that exist, of which each must have its line.

        The hashes do not tell when the last lines were taken out; a signature without its line
        does, and is noted as broken after the last line.
        """
        signed = {x.get("reading") for x in self._lines if x.get("action") == "sign"}
        if not self.broken_at and not set(readings) <= signed:
            self.broken_at = len(self._lines) + 1

    def _load(self) -> None:
        try:
            texts = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.path}: cannot be read: {error}") from error
        for number, text in enumerate(texts, start=1):
            try:
                line = json.loads(text)
                fits = line["previous"] == self._last and line["n"] == number
            except (ValueError, KeyError, TypeError):
                line, fits = {"n": number, "action": "unreadable"}, False
            if not fits and not self.broken_at:
                self.broken_at = number
            self._last = hashlib.sha256(text.encode()).hexdigest()
            self._lines.append(line)
