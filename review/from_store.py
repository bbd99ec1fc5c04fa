"""Reviewing a store: its readings as files to work on, and what is signed back into it."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from endplate.errors import InputError, MissingDependency
from endplate.reports.reading_json import reading_text
from endplate.study.reading import Reading

if TYPE_CHECKING:
    from endplate.study.store.store import Store

__all__ = ["check_out", "file_into", "is_store", "work_folder"]


def is_store(where: str) -> bool:
    """Whether that names a store: the address of a database, or a file and not a folder."""
    return "://" in where or Path(where).is_file()


def work_folder(where: str, given: Path | None) -> Path:
    """Folder in which the review of a store works.

    Parameters
    ----------
    where : str
        The store.
    given : Path or None
        What the user wants; by default a folder beside the file.

    Raises
    ------
    InputError
        If the store is no file and no folder was given.
    """
    if given is not None:
        return given
    if "://" in where:
        raise InputError("a database needs --work DIR, where the review keeps its files")
    path = Path(where)
    return path.with_name(f"{path.stem}-review")


def check_out(where: str, folder: Path) -> "Store":
    """Write the readings of a store that the folder does not have yet; gives the store, open.

    Raises
    ------
    MissingDependency
        If the packages of the extra ``store`` are not installed.
    InputError
        If the store cannot be opened, or the folder not be written to.
    """
    try:
        from endplate.study.store.store import open_store
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or "sqlalchemy", "store", "a store") from error
    store = open_store(where)
    place = folder / "readings"
    try:
        place.mkdir(parents=True, exist_ok=True)
        for filed in store.readings():
            # Ids come from outside, so they do not become file names.
            name = hashlib.sha256(filed.reading.id.encode("utf-8", "surrogatepass")).hexdigest()
            path = place / f"{name[:32]}.json"
            signed = folder / "review" / "readings" / f"{filed.reading.id}.json"
            if not path.exists() and not signed.exists():
                path.write_text(reading_text(filed.reading), encoding="utf-8")
    except OSError as error:
        store.close()
        raise InputError(f"{folder}: cannot be written to: {error.strerror}") from error
    return store


def file_into(store: "Store", reading: Reading) -> None:
    """Put a signed reading into the store."""
    from endplate.study.store.store import Filed

    store.add([Filed(reading)])
