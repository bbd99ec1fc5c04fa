"""Parts of a batch by themselves: the choice within a study, the journal, workers, progress."""

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from endplate.errors import InputError
from endplate.imaging.scan import scan
from endplate.imaging.scan_entry import Entry, Fault, FilmHeader
from endplate.imaging.select import load_selection
from endplate.infer.batch.isolate import Isolated
from endplate.infer.batch.journal import Journal
from endplate.infer.batch.progress import BarProgress, LineProgress
from endplate.infer.batch.settle import OUTCOMES, Verdict, Verdicts
from endplate.infer.batch.sink import LocalSink
from endplate.infer.batch.task import CellSetup, Outcome, Task

from .batch_export import film

_FILM: dict[str, Any] = {
    "status": "accepted",
    "reasons": [],
    "position": None,
    "subject": "P1",
    "study_uid": "1.2",
    "target_levels": 6,
    "calibration": "detector",
}


def verdicts(folder: Path, films: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[Verdict]:
    """Verdicts on films of one study, given what differs in header and reading."""
    journal = Journal(folder / "journal.sqlite")
    entries = [
        Entry(f"f{i}", f"/f{i}", 1, "dicom", FilmHeader(**{"instance_uid": f"1.{i}", **header}))
        for i, (header, _) in enumerate(films)
    ]
    journal.record_scan((e, None) for e in entries)
    for i, (_, read) in enumerate(films, 1):
        journal.record(Outcome(i, {**_FILM, "pixels": str(i), **read}))
    found = list(Verdicts(journal, load_selection().choice))
    journal.close()
    return found


@pytest.mark.parametrize(
    ("better", "worse", "criterion"),
    [
        ({}, {"series_description": "LWS seitl. Flexion"}, "plain"),
        ({}, {"protocol": "lat extension"}, "plain"),
        ({}, {"image_type": "ORIGINAL\\PRIMARY\\LOCALIZER"}, "film"),
        ({}, {"status": "flagged"}, "accepted"),
        ({"position": "standing"}, {"position": "supine"}, "upright"),
        ({"target_levels": 7}, {}, "vertebrae"),
        ({}, {"calibration": "none"}, "calibrated"),
        ({"acquired": "20240131 1030"}, {"acquired": "20240131 1015"}, "latest"),
        ({"acquired": "20240131 1030"}, {"acquired": ""}, "latest"),
        ({"instance_uid": "1.1"}, {"instance_uid": "1.2"}, "first"),
        ({"series_description": "extremely good"}, {"series_description": "ext"}, "plain"),
        ({"status": "flagged"}, {"series_description": "flexion"}, "plain"),
    ],
)
def test_the_film_to_measure(
    better: dict[str, Any], worse: dict[str, Any], criterion: str, tmp_path: Path
) -> None:
    fields = set(FilmHeader.__dataclass_fields__)

    def parts(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        header = {k: v for k, v in values.items() if k in fields}
        return header, {k: v for k, v in values.items() if k not in fields}

    for i, order in enumerate(([better, worse], [worse, better])):
        (tmp_path / str(i)).mkdir()
        found = verdicts(tmp_path / str(i), [parts(v) for v in order])
        place = order.index(better)
        assert found[place].outcome == "measured"
        assert found[1 - place].outcome == "other"
        assert f"by: {criterion}." in found[place].sentence


def test_counts_add_up_and_rejected_films_are_not_chosen(tmp_path: Path) -> None:
    reasons = [["not_lateral", "It is frontal."]]
    found = verdicts(
        tmp_path, [({}, {"status": "rejected", "reasons": reasons}), ({}, {}), ({}, {})]
    )
    assert [v.outcome for v in found] == ["rejected", "measured", "other"]
    assert (found[0].code, found[0].sentence) == ("not_lateral", "It is frontal.")
    assert {v.outcome for v in found} <= set(OUTCOMES)


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal.sqlite")
    with pytest.raises(InputError, match="another batch is running"):
        Journal(tmp_path / "journal.sqlite")
    first.close()
    Journal(tmp_path / "journal.sqlite").close()
    (tmp_path / "text").write_text("no journal, but long enough to be looked at" * 30)
    with pytest.raises(InputError, match="no journal"):
        Journal(tmp_path / "text")


def test_a_scan_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endplate.infer.batch.journal._SCANNED_AT_ONCE", 3)
    root = tmp_path / "export"
    root.mkdir()
    for i in range(10):
        (root / f"film{i}").write_bytes(film(i % 4))
    looked_at: list[str] = []

    def call(stop: int | None) -> list[tuple[int, str, str]]:
        journal = Journal(tmp_path / "journal.sqlite")
        position = journal.scan_position()

        def judged() -> Iterator[tuple[Entry, None]]:
            for count, entry in enumerate(scan(root, tmp_path / "unpacked", position=position)):
                if count == stop:
                    raise KeyboardInterrupt
                looked_at.append(entry.path)
                yield entry, None

        with contextlib.suppress(KeyboardInterrupt):
            journal.record_scan(judged(), position)
        assert bool(journal.about("scanned")) == (stop is None)
        lines = [(x.number, x.path, x.state) for x in journal.lines()]
        journal.close()
        return lines

    assert len(call(4)) == 3
    assert len(call(5)) == 6
    states = ["waiting"] * 4 + ["copy"] * 6
    assert call(None) == [(i + 1, f"film{i}", state) for i, state in enumerate(states)]
    # Nothing that was recorded was looked at again: one and two had not been.
    assert len(looked_at) == 10 + 1 + 2


def test_a_copy_waits_once_its_original_failed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    header = FilmHeader(instance_uid="1.2")
    entries = [(Entry(f"f{i}", f"/f{i}", 1, "dicom", header), None) for i in range(3)]
    journal.record_scan([*entries, (Entry("x", "", 1, "other"), Fault("empty", "No bytes."))])
    assert [t.number for t in journal.waiting()] == [1]
    journal.record(Outcome(1, None, "unreadable_image", "Damaged."))
    assert [t.number for t in journal.waiting()] == [2]
    journal.record(Outcome(2, {**_FILM, "pixels": "2"}))
    assert not list(journal.waiting())
    assert journal.counts() == {"failed": 1, "read": 1, "copy": 1, "left": 1}
    journal.close()


def test_a_worker_that_somebody_ends_costs_no_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules").mkdir()
    shutil.copy(Path(__file__).with_name("batch_fake_reader.py"), tmp_path / "modules")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    (tmp_path / "film").write_bytes(film(1))
    cell = Isolated(CellSetup(str(tmp_path / "out"), "now", "batch_fake_reader:make"))
    try:
        assert cell.start()["name"] == "fake"
        assert cell._running is not None
        cell._running.process.kill()
        outcome = cell.read(Task(1, "film", str(tmp_path / "film")))
    finally:
        cell.close()
    assert outcome.code == ""
    assert outcome.film is not None
    assert outcome.film["status"] == "accepted"


def test_half_written_files_are_removed(tmp_path: Path) -> None:
    sink = LocalSink(tmp_path)
    sink.write("a/b", b"whole")
    (tmp_path / "a" / "c.123.part").write_bytes(b"hal")
    (tmp_path / "a" / "thesis.pdf.part").write_bytes(b"somebody's")
    (tmp_path / "a" / "IM1.part").write_bytes(b"of the export")
    sink.remove_parts()
    left = {p.name for p in (tmp_path / "a").iterdir()}
    assert left == {"b", "thesis.pdf.part", "IM1.part"}, "other people's files"
    assert sink.read("a/b") == b"whole"


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    with BarProgress(Console(file=out, force_terminal=True, width=100)) as bar:
        bar.phase("reading films", 2)
        bar.step()
        bar.phase("writing tables", 1)
        bar.step()
    assert "writing tables" in out.getvalue()
    with LineProgress() as lines:
        lines.phase("reading films", 2)
        lines._said -= 60
        lines._begun -= 60
        lines.step()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "endplate: reading films 2"
    assert said[1].startswith("endplate: reading films 1 of 2, ")
