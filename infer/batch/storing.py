"""The readings of a batch go into the store."""

import shutil
import uuid
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from endplate.infer.batch.journal import Journal
from endplate.infer.batch.options import BatchOptions
from endplate.infer.batch.sink import Sink, is_remote
from endplate.study.reading import Reading
from endplate.study.store.store import Filed, open_store

__all__ = ["fill_store"]

_FILE: Final = "store.sqlite"
_AT_ONCE: Final = 50


def fill_store(
    options: BatchOptions,
    sink: Sink,
    journal: Journal,
    manifest: dict[str, Any],
    readings: Iterable[tuple[Reading, bool, dict[str, Any]]],
) -> str:
    """Add the readings that the store lacks.

    Parameters
    ----------
    manifest : dict
        Of the run.
    readings : iterable of (Reading, bool, dict)
        Whether the reading is the one of its study to measure, and its plain values.

    Returns
    -------
    str
        Where the store is, without password.
    """
    run = journal.about("run")
    if run is None:
        run = str(uuid.uuid4())
        journal.note("run", run)
    local = options.private_folder if is_remote(options.output) else Path(options.output)
    where = options.store or str(local / _FILE)
    source = iter(readings)
    with open_store(where) as store:
        store.add_run(run, manifest["created"], manifest)
        while batch := [Filed(*pair) for pair in islice(source, _AT_ONCE)]:
            store.add(batch, run)
        shown = store.engine.url.render_as_string(hide_password=True)
    if options.store is None and is_remote(options.output):
        copy = local / f"{_FILE}.copy"
        shutil.copyfile(where, copy)
        sink.put(copy, _FILE)
        return sink.where(_FILE)
    return shown if "://" in where else where
