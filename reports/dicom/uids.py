"""Unique identifiers of the objects that are written, under a root that one may choose."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from endplate.errors import InputError

__all__ = ["UUID_ROOT", "UidMaker"]

#: The root under which anybody may make identifiers out of 128 random bits (ISO/IEC 9834-8).
UUID_ROOT: Final = "2.25"
_ROOT: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_LONGEST: Final = 64
_DIGITS: Final = 39  # of a number of 128 bits


@dataclass(frozen=True)
class UidMaker:
    """Makes identifiers.

    Parameters
    ----------
    root : str
        What all begin with: ``2.25`` or a root of your own of at most 24 characters.
    seed : str or None
        With a seed the same name always gives the same identifier; without, each is random.

    Raises
    ------
    InputError
        If the root is no UID or too long.
    """

    root: str = UUID_ROOT
    seed: str | None = None

    def __post_init__(self) -> None:
        if not _ROOT.fullmatch(self.root):
            raise InputError(
                f"UID root {self.root!r}: expected numbers without leading zeros joined by dots,"
                " such as 1.2.826.0.1.3680043"
            )
        if len(self.root) + 1 + _DIGITS > _LONGEST:
            raise InputError(
                f"UID root {self.root!r} is too long: expected at most"
                f" {_LONGEST - 1 - _DIGITS} characters"
            )

    def make(self, name: str) -> str:
        """An identifier for what is called `name`."""
        if self.seed is None:
            data = secrets.token_bytes(16)
        else:
            digest = self._begun.copy()
            digest.update(name.encode())
            data = digest.digest()[:16]
        if self.root == UUID_ROOT:
            # The bits that say which kind of UUID this is (RFC 9562: 4 random, 8 free form).
            kind = 4 if self.seed is None else 8
            data = bytes(
                (
                    *data[:6],
                    data[6] & 0x0F | kind << 4,
                    data[7],
                    data[8] & 0x3F | 0x80,
                    *data[9:],
                )
            )
        return f"{self.root}.{int.from_bytes(data, 'big')}"

    @cached_property
    def _begun(self) -> "hashlib._Hash":
        """The hash of what all names follow: a seed may be the whole text of a reading."""
        return hashlib.sha256(f"{self.root}\n{self.seed}\n".encode())
