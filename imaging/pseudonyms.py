"""Pseudonyms that stay the same for the same key, and dates moved so that intervals stay true.

Whoever holds the key can tell which pseudonym belongs to a patient whom they know, by computing
it; nobody can compute the patient from the pseudonym.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from endplate.errors import InputError

__all__ = ["Pseudonyms", "load_key"]

_KEY_BYTES: Final = 32
_LONGEST_SHIFT: Final = 3650
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without letters that are taken for digits."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Pseudonyms of one key.

    Parameters
    ----------
    key : bytes
        Secret, at least 16 bytes.
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise InputError(f"key of pseudonyms: {len(self.key)} bytes; expected at least 16")

    def subject(self, patient_id: str) -> str:
        """Pseudonym of a patient, such as ``"S-7K2M9QX4T0AB"``; ``""`` for no patient id."""
        if not patient_id:
            return ""
        number = int.from_bytes(self._digest("subject", patient_id), "big")
        return "S-" + "".join(_ALPHABET[number >> 5 * i & 31] for i in range(12))

    def uid(self, uid: str) -> str:
        """Unique identifier in place of another; ``""`` for none."""
        if not uid:
            return ""
        return f"2.25.{int.from_bytes(self._digest('uid', uid)[:16], 'big')}"

    def shift(self, patient_id: str) -> timedelta:
        """By how much the dates of a patient move: 30 days to ten years into the past."""
        number = int.from_bytes(self._digest("dates", patient_id)[:8], "big")
        return -timedelta(days=30 + number % _LONGEST_SHIFT)

    def date(self, text: str, patient_id: str) -> str:
        """A DICOM date, or date and time, moved; ``""`` for what is no date.

        The time of day stays.
        """
        try:
            found = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
            return (found + self.shift(patient_id)).strftime("%Y%m%d") + text[8:]
        except (ValueError, OverflowError):
            return ""

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self.key, f"{purpose}\0{text}".encode(), hashlib.sha256)


def load_key(path: Path) -> bytes:
    """The key in a file; a new one is made, readable by its owner only, if there is none.

    Raises
    ------
    InputError
        If the file holds no key, or cannot be read or made.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return _read_key(path)
    except OSError as error:
        raise InputError(f"{path}: no key can be made there ({error.strerror})") from error
    key = secrets.token_bytes(_KEY_BYTES)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key.hex() + "\n")
    return key


def _read_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: holds no key of pseudonyms ({error})") from None
    if len(key) < 16:
        raise InputError(f"{path}: a key of {len(key)} bytes; expected at least 16")
    return key
