"""What the commands on readings take: folders and files of readings, annotations, tables."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from endplate.errors import GeometryError, InputError, MissingDependency
from endplate.infer.terminal import complain
from endplate.study.reading import READING_SCHEMA, Reading
from endplate.study.reading_sets import ReadValue, reading_values, split_repeats
from endplate.study.serialise import reading_from_dict
from endplate.study.value_csv import read_values

__all__ = [
    "ReaderInput",
    "is_store",
    "load_readings",
    "parse_labelled",
    "reader_input",
    "safe_name",
    "write_text",
]

_STORES = (".sqlite", ".sqlite3", ".db")
#: Characters of a name that a file name takes.
_LONGEST = 80


@dataclass(frozen=True)
class ReaderInput:
    """One argument of ``endplate agree``: numbers, and landmarks where it has them."""

    values: list[ReadValue]
    readings: dict[str, list[Reading]]


def parse_labelled(text: str) -> tuple[str, Path]:
    """``NAME=PATH`` or ``PATH``, which is called after its last part."""
    if "://" in text:
        return "store", Path("store")
    name, equals, path = text.partition("=")
    if equals and name and not Path(text).exists():
        return name, Path(path)
    return Path(text).stem or text, Path(text)


def reader_input(argument: str) -> ReaderInput:
    """Read one argument of ``endplate agree``.

    Raises
    ------
    InputError
        If there is nothing of that name, or it holds no readings.
    """
    label, path = parse_labelled(argument)
    if path.suffix.lower() in (".csv", ".tsv"):
        return ReaderInput(read_values(path, label), {})
    readings = load_readings(argument if "://" in argument else path)
    if not readings:
        raise InputError(f"{path}: holds no readings")
    sets = split_repeats(label, readings)
    values = [v for name, own in sets.items() for v in reading_values(name, own)]
    return ReaderInput(values, sets)


def is_store(place: str | Path) -> bool:
    """Whether it names a store of readings: an SQLite file or the URL of a database."""
    return "://" in str(place) or Path(place).suffix.lower() in _STORES


def load_readings(place: str | Path) -> list[Reading]:
    """Readings of a folder (with its subfolders), of one file, or of a store.

    A file is a reading, a list of readings, or annotations in the COCO form, which are measured.
    In a folder, JSON files that are none of these are passed over. Of a store the films are taken
    that a batch run chose for their series.

    Raises
    ------
    InputError
        If there is nothing of that name, or a file breaks its format.
    MissingDependency
        For a store, without the extra.
    """
    if is_store(place):
        return _of_store(str(place))
    path = Path(place)
    if path.is_dir():
        found = [r for file in sorted(path.rglob("*.json")) for r in _of_file(file, strict=False)]
        return found
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    return list(_of_file(path, strict=True))


def _of_store(where: str) -> list[Reading]:
    # Opening would make a new one.
    if "://" not in where and not Path(where).is_file():
        raise InputError(f"{where}: no such file or folder")
    try:
        from endplate.study.store.store import open_store
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or "sqlalchemy", "store", where) from error
    with open_store(where) as store:
        return [filed.reading for filed in store.readings(chosen=True)]


def _of_file(path: Path, strict: bool) -> Iterator[Reading]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        if strict:
            raise InputError(f"{path.name}: no JSON file ({error})") from error
        complain(f"{path}: passed over, no JSON file ({error})")
        return
    if isinstance(values, dict) and "annotations" in values and "images" in values:
        yield from _measured(path)
        return
    items = values if isinstance(values, list) else [values]
    for item in items:
        if isinstance(item, dict) and item.get("schema") == READING_SCHEMA:
            yield reading_from_dict(item, path.name)
        elif strict:
            raise InputError(
                f"{path.name}: neither a reading ({READING_SCHEMA}) nor COCO annotations"
            )


def _measured(path: Path) -> Iterator[Reading]:
    """The readings that the films of an annotation file amount to."""
    from dataclasses import replace

    from endplate.datasets.coco import read_annotations
    from endplate.infer.cli_measure import reading_of

    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    for film in read_annotations(path):
        try:
            reading = reading_of(film, path.name, sha256)
        except GeometryError as error:
            complain(f"{path.name}: {film.file_name}: {error}")
            continue
        position = film.attributes.get("position")
        date = str(film.attributes.get("study_date", ""))
        source = replace(
            reading.source,
            patient_id=film.subject if film.subject != film.file_name else "",
            study_date=date,
            position=position if isinstance(position, str) else None,
        )
        yield replace(reading, source=source)


def safe_name(name: str) -> str:
    """A name of a subject or reader as part of a file name, another one for every name.

    Where characters had to go, eight digits of the name's SHA-256 follow: ``12/3`` and ``12_3`` are
    two subjects.
    """
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:_LONGEST]
    if safe == name and name:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe or 'subject'}-{digest}"


def write_text(path: Path, text: str) -> None:
    """Write a result, making its folder.

    Raises
    ------
    InputError
        If that fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
