"""Everything that a batch leaves behind, from its journal and the readings."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from endplate.errors import MissingDependency
from endplate.imaging.select import Selection
from endplate.infer.batch.film import result_name
from endplate.infer.batch.journal import Journal
from endplate.infer.batch.manifest import manifest
from endplate.infer.batch.options import BatchOptions
from endplate.infer.batch.progress import Reports
from endplate.infer.batch.settle import OUTCOMES, Verdict, Verdicts
from endplate.infer.batch.sink import Sink, json_bytes
from endplate.infer.batch.summary import Summary
from endplate.infer.batch.tables import (
    MeasurementTable,
    have_parquet,
    measurement_rows,
    write_table,
)
from endplate.study.reading import Reading
from endplate.study.serialise import reading_from_dict

__all__ = ["BatchResult", "write_outputs"]

_GOOD: Final = ("measured", "other")
_LEFT_OUT: Final = ("left", "failed", "rejected", "duplicate")


@dataclass(frozen=True)
class BatchResult:
    """What a batch came to.

    Attributes
    ----------
    counts : dict
        Number of files by outcome (`endplate.infer.batch.settle.OUTCOMES`); they add up to `files`.
    codes : dict
        Number of files left out, by code.
    written : dict
        What was written and where.
    notes : tuple of str
        Sentences on outputs that could not be made.
    """

    files: int
    counts: dict[str, int]
    codes: dict[str, int]
    measurements: int
    written: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """1 if a film that should have been read could not be, else 0."""
        return 1 if self.counts["failed"] else 0


@dataclass
class _Outputs:
    """The writing of the outputs of one batch."""

    options: BatchOptions
    selection: Selection
    journal: Journal
    sink: Sink
    counts: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def drafts(self) -> Path:
        """Folder in which tables grow before they are moved to their place."""
        folder = self.options.private_folder / "drafts"
        folder.mkdir(exist_ok=True)
        return folder

    def path(self, verdict: Verdict) -> str:
        """What the tables call a file: its path, or its number where paths are private."""
        if self.options.pseudonymise:
            return f"{verdict.line.number:07d}"
        return verdict.line.path

    def reading(self, verdict: Verdict) -> Reading:
        """The reading of a film, from its file."""
        name = result_name("readings", verdict.line.number, ".json")
        return reading_from_dict(json.loads(self.sink.read(name)), name)

    def rejects(self, verdicts: Verdicts) -> Iterator[tuple[Any, ...]]:
        """Rows of the reject table; counts all files on the way."""
        for verdict in verdicts:
            self.counts[verdict.outcome] += 1
            if verdict.outcome in _LEFT_OUT:
                self.codes[verdict.code] += 1
                number = verdict.line.number
                yield number, self.path(verdict), verdict.outcome, verdict.code, verdict.sentence

    def films(self, verdicts: Verdicts) -> Iterator[tuple[Any, ...]]:
        """Rows of the list of films that were measured or could have been."""
        for verdict in verdicts:
            if verdict.outcome not in _GOOD:
                continue
            film = verdict.line.film or {}
            yield (
                *(verdict.line.number, self.path(verdict), film["subject"], film["study_uid"]),
                *(film["study_date"], film["position"] or "", verdict.outcome, verdict.sentence),
                *(film["status"], " ".join(code for code, _ in film["reasons"])),
                *(film["levels"][0], film["levels"][-1]),
            )


_NO_PARQUET: Final = "No Parquet table: pip install 'endplate[parquet]', then --resume."
_NO_STORE: Final = "No store: pip install 'endplate[store]', then --resume."
_REJECT_COLUMNS: Final = ("file", "path", "outcome", "code", "sentence")
_FILM_COLUMNS: Final = (
    *("file", "path", "subject", "study_uid", "study_date", "position", "outcome", "why"),
    *("status", "reasons", "highest_level", "lowest_level"),
)


def write_outputs(
    options: BatchOptions,
    selection: Selection,
    journal: Journal,
    sink: Sink,
    reader: dict[str, str],
    progress: Reports,
) -> BatchResult:
    """Write tables, store, summary and manifest of a journal in which nothing waits.

    They are written anew each time, the same from the same journal.
    """
    out = _Outputs(options, selection, journal, sink)
    verdicts = Verdicts(journal, selection.choice)
    drafts, written = out.drafts, {}
    write_table(drafts / "rejects.csv", _REJECT_COLUMNS, out.rejects(verdicts))
    write_table(drafts / "films.csv", _FILM_COLUMNS, out.films(verdicts))
    films = sum(out.counts[name] for name in (*_GOOD, "rejected"))
    progress.phase("writing tables", films)
    measurements = _measurements(out, verdicts, progress)
    names = ["rejects.csv", "films.csv", "measurements.csv"]
    if have_parquet():
        names.append("measurements.parquet")
    for name in names:
        sink.put(drafts / name, name)
        written[name] = sink.where(name)
    if options.pseudonymise:
        link = options.private_folder / "files.csv"
        rows = ((v.line.number, v.line.path) for v in verdicts)
        write_table(link, ("file", "path"), rows)
        written["files.csv"] = str(link)
    summary = Summary(out.path, out.counts, out.codes)
    written["summary.html"] = summary.write(verdicts, sink)
    counts = {name: out.counts[name] for name in OUTCOMES}
    content = manifest(options, selection, journal, reader, counts, dict(out.codes), written)
    sink.write("manifest.json", json_bytes(content))
    written["manifest.json"] = sink.where("manifest.json")
    notes = [] if have_parquet() else [_NO_PARQUET]
    stored = _fill_store(out, verdicts, content, progress)
    if stored is None:
        notes.append(_NO_STORE)
    else:
        written["store"] = stored
    drafts.rmdir()
    return BatchResult(
        sum(counts.values()), counts, dict(out.codes), measurements, written, tuple(notes)
    )


def _fill_store(
    out: _Outputs, verdicts: Verdicts, content: dict[str, Any], progress: Reports
) -> str | None:
    """Put all readings into the store; where it is, None if its packages are not installed."""
    try:
        from endplate.infer.batch.storing import fill_store
    except MissingDependency:
        if out.options.store is not None:
            raise
        return None
    shown = (*_GOOD, "rejected")
    progress.phase("filling the store", sum(out.counts[name] for name in shown))
    readings = (
        (out.reading(verdict), verdict.outcome == "measured")
        for verdict in verdicts
        if verdict.outcome in shown
    )
    return fill_store(out.options, out.sink, out.journal, content, readings, progress)


def _measurements(out: _Outputs, verdicts: Verdicts, progress: Reports) -> int:
    """Write the table of measurements; the number of its rows."""
    with MeasurementTable(out.drafts, have_parquet()) as table:
        for verdict in verdicts:
            if verdict.outcome not in _GOOD:
                continue
            table.add(measurement_rows(verdict, out.reading(verdict)))
            progress.step()
        return table.rows
