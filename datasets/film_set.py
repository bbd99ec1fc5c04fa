"""Writing a large set of simulated films so that an interrupted run can go on.

While a set is being written, ``unfinished/<film>.json`` holds what is to stand in the annotation
file of each film that is done. The same call in the same folder takes up what it finds there and
makes the rest. The folder goes when the set is whole.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

import endplate
from endplate.datasets.coco_writer import join_annotations, write_annotations
from endplate.datasets.film_annotation import FilmAnnotation
from endplate.datasets.film_files import each

__all__ = ["UNFINISHED", "write_set"]

#: Folder of the films that are done, as long as the set is not.
UNFINISHED: Final = "unfinished"
_REQUEST: Final = "request.json"

_Job = TypeVar("_Job")


def write_set(
    folder: Path,
    jobs: Mapping[str, _Job],
    one: Callable[[_Job], FilmAnnotation],
    request: Mapping[str, Any],
    workers: int = 1,
    chunk: int = 1,
    *,
    annotations: str = "annotations.json",
) -> Path:
    """Make the films of `jobs` and write their annotations in that order.

    Shows its progress if standard error is a terminal.

    Parameters
    ----------
    folder : Path
        Gets the annotation file; made if it does not exist.
    jobs : mapping of str to job
        Name of each film, without ending, and what `one` makes it of.
    one : callable
        Writes the files of one film, the same for the same job, and returns its annotations.
        With more than one worker it and the jobs must be such as can be pickled.
    request : mapping
        All that films depend on beside their jobs and the code. What an interrupted run left is
        taken up only if its request and its code were the same, else all is made anew.
    workers, chunk : int
        See `endplate.datasets.film_files.each`.
    annotations : str
        Name of the annotation file.

    Returns
    -------
    Path
        Of the annotation file. It is not there while the set is unfinished.
    """
    records = folder / UNFINISHED
    path = folder / annotations
    _prepare(records, json.dumps({**request, **_code()}, indent=1) + "\n")
    # that of an earlier set would tell wrong landmarks of the films that are written over
    path.unlink(missing_ok=True)
    missing = [(name, job) for name, job in jobs.items() if not _record(records, name).exists()]
    recorded = partial(_recorded, one=one, records=records)
    console = Console(stderr=True)
    bar = Progress(
        *("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("films made", total=len(jobs), completed=len(jobs) - len(missing))
        for _ in each(recorded, missing, workers, chunk):
            bar.advance(task)
    whole = records / "whole"
    join_annotations(whole, [_record(records, name) for name in jobs])
    whole.replace(path)
    shutil.rmtree(records)
    return path


def _prepare(records: Path, request: str) -> None:
    """Empty the folder of records unless they were made for the same request."""
    said = records / _REQUEST
    if said.exists() and said.read_text(encoding="utf-8") == request:
        return
    shutil.rmtree(records, ignore_errors=True)
    records.mkdir(parents=True)
    said.write_text(request, encoding="utf-8")


def _record(records: Path, name: str) -> Path:
    return records / f"{name}.film.json"


def _recorded(item: tuple[str, _Job], one: Callable[[_Job], FilmAnnotation], records: Path) -> None:
    """Make one film, then its record: a film that has one is whole."""
    name, job = item
    made = one(job)
    part = records / f"{name}.part"
    write_annotations(part, [made])
    part.replace(_record(records, name))


def _code() -> dict[str, str]:
    """Version and digest of the code that makes films."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return {"version": endplate.__version__, "code": digest.hexdigest()}
