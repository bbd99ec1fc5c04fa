"""Everything that a batch leaves behind, from its journal and the readings."""

import contextlib
import json
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from endplate.errors import MissingDependency
from endplate.imaging.select import Selection
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
from endplate.infer.batch.task import result_name
from endplate.study.reading import Reading
from endplate.study.serialise import reading_from_dict

__all__ = ["BatchResult", "load_packages", "write_outputs"]

_GOOD: Final = ("measured", "other")
_READ: Final = (*_GOOD, "rejected")
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
    results: Counter[str] = field(default_factory=Counter)
    without_results: int = 0

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

    def reading(self, verdict: Verdict) -> tuple[Reading, dict[str, Any]]:
        """The reading of a film from its file, and its plain values."""
        name = result_name("readings", verdict.line.number, ".json")
        values: dict[str, Any] = json.loads(self.sink.read(name))
        return reading_from_dict(values, name), values

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
                self.dicom(film),
            )

    def dicom(self, film: dict[str, Any]) -> str:
        """Which DICOM results a film has, or why it has none; counts them on the way."""
        given = film.get("dicom")
        if given is None:
            return ""
        self.results.update(given["written"])
        note = given["note"]
        if note:
            self.without_results += 1
        return "; ".join(filter(None, (" ".join(given["written"]), note)))


_NO_PARQUET: Final = "No Parquet table: pip install 'endplate[parquet]', then --resume."
_NO_RESULTS: Final = "{} films lack DICOM results that were asked for; films.csv says why."
_NO_STORE: Final = "No store: pip install 'endplate[store]', then --resume."
_REJECT_COLUMNS: Final = ("file", "path", "outcome", "code", "sentence")
_FILM_COLUMNS: Final = (
    *("file", "path", "subject", "study_uid", "study_date", "position", "outcome", "why"),
    *("status", "reasons", "highest_level", "lowest_level", "dicom"),
)


def load_packages() -> None:
    """Import what the outputs need; while films are read, this costs the batch no time."""
    if have_parquet():
        import pyarrow

        pyarrow.array([""])  # looks for pandas, and imports it
    with contextlib.suppress(MissingDependency):
        from endplate.infer.batch import storing  # noqa: F401


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
    drafts = out.drafts
    write_table(drafts / "rejects.csv", _REJECT_COLUMNS, out.rejects(verdicts))
    write_table(drafts / "films.csv", _FILM_COLUMNS, out.films(verdicts))
    names = ["rejects.csv", "films.csv", "measurements.csv"]
    if have_parquet():
        names.append("measurements.parquet")
    written = {name: sink.where(name) for name in names}
    if options.pseudonymise:
        link = options.private_folder / "files.csv"
        rows = ((v.line.number, v.line.path) for v in verdicts)
        write_table(link, ("file", "path"), rows)
        written["files.csv"] = str(link)
    summary = Summary(out.path, out.counts, out.codes)
    written["summary.html"] = summary.write(verdicts, sink)
    counts = {name: out.counts[name] for name in OUTCOMES}
    if out.results:
        written["dicom"] = sink.where("dicom")
    content = manifest(
        options, selection, journal, reader, counts, dict(out.codes), dict(out.results), written
    )
    progress.phase("writing tables", sum(out.counts[name] for name in _READ))
    measurements, stored = _file_readings(out, verdicts, content, progress)
    for name in names:
        sink.put(drafts / name, name)
    sink.write("manifest.json", json_bytes(content))
    written["manifest.json"] = sink.where("manifest.json")
    notes = [] if have_parquet() else [_NO_PARQUET]
    if out.without_results:
        notes.append(_NO_RESULTS.format(out.without_results))
    if stored is None:
        notes.append(_NO_STORE)
    else:
        written["store"] = stored
    drafts.rmdir()
    return BatchResult(
        sum(counts.values()), counts, dict(out.codes), measurements, written, tuple(notes)
    )


def _file_readings(
    out: _Outputs, verdicts: Verdicts, content: dict[str, Any], progress: Reports
) -> tuple[int, str | None]:
    """Put each reading into the table of measurements and into the store, in one go.

    Returns
    -------
    (int, str or None)
        Number of rows of the table; where the store is, None if its packages are not installed.
    """
    with MeasurementTable(out.drafts, have_parquet()) as table:

        def readings() -> Iterator[tuple[Reading, bool, dict[str, Any]]]:
            for verdict in verdicts:
                if verdict.outcome not in _READ:
                    continue
                reading, values = out.reading(verdict)
                if verdict.outcome in _GOOD:
                    table.add(*measurement_rows(verdict, reading))
                yield reading, verdict.outcome == "measured", values
                progress.step()

        source = readings()
        stored = _fill_store(out, content, source)
        deque(source, maxlen=0)  # what no store has asked for
        return table.rows, stored


def _fill_store(
    out: _Outputs,
    content: dict[str, Any],
    readings: Iterator[tuple[Reading, bool, dict[str, Any]]],
) -> str | None:
    """Put all readings into the store; where it is, None if its packages are not installed."""
    try:
        from endplate.infer.batch.storing import fill_store
    except MissingDependency:
        if out.options.store is not None:
            raise
        return None
    return fill_store(out.options, out.sink, out.journal, content, readings)
