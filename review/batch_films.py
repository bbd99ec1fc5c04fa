"""Films of a pseudonymised batch: from the number that a reading bears to the file in the export.

Readings of such a batch name neither file nor hash. Its private folder does: the journal says which
file each number was and what its pixels were. Nothing of that is shown to anybody.
"""

import json
import sqlite3
from pathlib import Path
from typing import Final

from endplate.errors import EndplateError, InputError
from endplate.imaging.read import read_radiograph
from endplate.infer.batch.film import pixel_hash
from endplate.review.archived import Archived

__all__ = ["BatchFilms", "find_private"]

_JOURNAL: Final = "journal.sqlite"
_PRIVATE: Final = "private"


class BatchFilms:
    """The films that the journal of a pseudonymised batch names.

    Parameters
    ----------
    private : Path
        Private folder of the batch.

    Raises
    ------
    InputError
        If there is no journal that can be read, or the batch used no pseudonyms.
    """

    def __init__(self, private: Path) -> None:
        self.archived = Archived()
        self.path = (private / _JOURNAL).absolute()
        if not self.path.is_file():
            raise InputError(
                f"{private}: holds no {_JOURNAL}; expected the private folder of a batch"
            )
        identity = self._ask("SELECT value FROM about WHERE name = 'identity'", ())
        try:
            known = json.loads(identity[0]) if identity else {}
            self.export = Path(str(known["export"]))
            if not known["pseudonymise"]:
                raise InputError(
                    f"{private}: is of a batch without pseudonyms, which needs no --private"
                )
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{self.path}: is no journal of a batch") from None

    def file(self, name: str, sha256: str) -> Path | None:
        """The file of a reading, None if the journal has none or its pixels are others now.

        Parameters
        ----------
        name : str
            Path that the reading bears: the number of the file.
        sha256 : str
            Hash that the reading bears, which stands for the film's own.
        """
        if not (name.isascii() and name.isdigit()):
            return None
        row = self._ask(
            "SELECT file, film, path FROM entry WHERE number = ? AND state = 'read'", (int(name),)
        )
        if row is None:
            return None
        try:
            film = json.loads(row[1])
            path = Path(row[0])
            if film["sha256"] != sha256:
                return None
            there = path if path.is_file() else self.archived.film(self.export, row[2])
            if there is None:
                return None
            return there if pixel_hash(read_radiograph(there).pixels) == film["pixels"] else None
        except (ValueError, KeyError, TypeError, OSError, EndplateError):
            return None

    def _ask(self, question: str, values: tuple[int, ...]) -> tuple[str, ...] | None:
        # Immutable unless a log lies beside it: so a folder that cannot be written to is read too.
        plain = not self.path.with_name(f"{_JOURNAL}-wal").exists()
        address = f"{self.path.as_uri()}?{'immutable=1' if plain else 'mode=ro'}"
        try:
            db = sqlite3.connect(address, uri=True, timeout=2.0)
            try:
                row: tuple[str, ...] | None = db.execute(question, values).fetchone()
            finally:
                db.close()
        except sqlite3.Error as error:
            raise InputError(
                f"{self.path}: the journal of the batch cannot be read ({error}); is it running?"
            ) from None
        return row


def find_private(folder: Path, given: Path | None) -> BatchFilms | None:
    """The films of a batch whose results are reviewed, None if it used no pseudonyms.

    Parameters
    ----------
    folder : Path
        Results of the batch, or the working folder of its store beside them.
    given : Path or None
        Its private folder, where that was put elsewhere.

    Raises
    ------
    InputError
        If a folder was given and is none.
    """
    if given is not None:
        return BatchFilms(given)
    for place in (folder / _PRIVATE, folder.parent / _PRIVATE):
        if (place / _JOURNAL).is_file():
            try:
                return BatchFilms(place)
            except InputError:
                continue
    return None
