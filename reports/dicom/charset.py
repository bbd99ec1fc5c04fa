"""The character set in which a presentation state says the patient's name.

That of the film, if it has all letters. But dcmpschk of dcmtk (3.6.7) takes each byte from 80 to 9F
for a control character that is forbidden, whatever the character set; in UTF-8 many letters have
such bytes. Where the film's own set needs them, an older set without them is taken if one has all
letters, and UTF-8 where none has.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes, encode_string, python_encoding

__all__ = ["UTF_8", "choose_character_set"]

UTF_8: Final = ("ISO_IR 192",)
#: Latin 1 to 5, Cyrillic, Greek, Arabic, Hebrew and Thai; Japanese and Korean with code
#: extensions; Chinese.
_SETS: Final = (
    *(("ISO_IR 100",), ("ISO_IR 101",), ("ISO_IR 109",), ("ISO_IR 110",), ("ISO_IR 148",)),
    *(("ISO_IR 144",), ("ISO_IR 126",), ("ISO_IR 127",), ("ISO_IR 138",), ("ISO_IR 166",)),
    *(("", "ISO 2022 IR 87"), ("", "ISO 2022 IR 149"), ("GB18030",)),
)
#: dciodvfy does not know GBK, whose letters have the same bytes in the larger set.
_SAME: Final = {"GBK": "GB18030"}
_DELIMITERS: Final = ("=", "^")


def choose_character_set(own: Sequence[str], texts: Iterable[str]) -> tuple[str, ...]:
    """Values of SpecificCharacterSet for some texts.

    Parameters
    ----------
    own : sequence of str
        Those of the film.
    texts : iterable of str
        All texts of the object that may hold other letters than ASCII.

    Returns
    -------
    tuple of str
        That of the film if it has all letters, else the first that has, at last UTF-8.
    """
    parts = [part for text in texts for part in _parts(text)]
    own = tuple(_SAME.get(term, term) for term in own)
    known = own and all(term in python_encoding for term in own)
    for terms in ((own,) if known else ()) + _SETS:
        if all(_has(terms, part) for part in parts):
            return terms
    return UTF_8


def _parts(text: str) -> list[str]:
    """What is encoded in one go: components of names, each of which begins anew."""
    for delimiter in _DELIMITERS[1:]:
        text = text.replace(delimiter, _DELIMITERS[0])
    return [part for part in text.split(_DELIMITERS[0]) if not part.isascii()]


def _has(terms: tuple[str, ...], text: str) -> bool:
    """Whether a set has all letters of a text, and says none with bytes that are something else to
    a program that knows no code extensions: a backslash, or a control character.
    """
    try:
        with warnings.catch_warnings():
            # of letters that the set has not, for which it puts others
            warnings.simplefilter("ignore", UserWarning)
            encodings = convert_encodings(list(terms))
            data = encode_string(text, encodings)
            if decode_bytes(data, encodings, set()) != text:
                return False
    except (UnicodeError, LookupError):
        return False
    return b"\\" not in data and not any(0x80 <= byte < 0xA0 for byte in data)
