"""Whole batches, with a reader that does what films tell it to."""

import csv
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from endplate.errors import InputError, UnknownName
from endplate.imaging.pseudonyms import Pseudonyms
from endplate.infer.batch.journal import Journal
from endplate.infer.batch.options import BatchOptions
from endplate.infer.batch.outputs import BatchResult
from endplate.infer.batch.run import run_batch
from endplate.reports.schemas_of import schema
from endplate.study.store.store import open_store

from .batch_export import film, make_export
from .batch_fake_reader import NASTY

Expected = dict[str, tuple[str, str]]


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Expected]:
    root = tmp_path_factory.mktemp("export")
    return root, make_export(root)


@pytest.fixture
def reader_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers import the fake reader."""
    folder = tmp_path / "modules"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("batch_fake_reader.py"), folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def run(root: Path, output: Path, **options: object) -> BatchResult:
    values: dict[str, Any] = {
        "workers": 2,
        "time_limit": 15.0,
        "reader": "batch_fake_reader:make",
        **options,
    }
    return run_batch(BatchOptions(root, str(output), **values))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("reader_on_path")
def test_every_file_gets_its_outcome(export: tuple[Path, Expected], tmp_path: Path) -> None:
    root, expected = export
    result = run(root, tmp_path / "out")
    rejects = table(tmp_path / "out" / "rejects.csv")
    films = table(tmp_path / "out" / "films.csv")
    found = {r["path"]: (r["outcome"], r["code"]) for r in rejects}
    found |= {r["path"]: (r["outcome"], "") for r in films}
    wanted = {path: what for path, what in expected.items() if what[0] != "container"}
    assert found == wanted
    assert result.files == len(expected)
    assert sum(result.counts.values()) == result.files
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["files"] == len(expected)
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(schema("batch-1")).validate(manifest)
    assert result.exit_status == 1


def test_no_batch_twice_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out" / "private").mkdir(parents=True)
    (tmp_path / "out" / "private" / "journal.sqlite").touch()
    with pytest.raises(InputError, match="--resume"):
        run(tmp_path, tmp_path / "out")


def contents(output: Path) -> dict[str, str]:
    """All that a batch wrote, but for times, runs and calls."""
    found = {}
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        if path.is_dir() or name.startswith(("private", "store")):
            continue
        if path.suffix == ".json":
            values = json.loads(path.read_text())
            for changing in ("created", "seconds", "calls"):
                values.pop(changing, None)
            values.get("configuration", {}).pop("workers", None)
            found[name] = json.dumps(values)
        elif path.suffix != ".parquet":
            found[name] = path.read_bytes().hex()
    return found


def kill_and_resume(script: list[str], kills: list[float]) -> int:
    """Start a batch again and again, killing it after so many seconds; the last may finish."""
    for seconds in kills:
        process = subprocess.Popen(
            script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()  # the parent alone: its workers must end by themselves
            process.wait()
    return subprocess.run(script, stdout=subprocess.DEVNULL, check=False).returncode


@pytest.mark.usefixtures("reader_on_path")
def test_killed_and_resumed_gives_the_same(tmp_path: Path) -> None:
    root = tmp_path / "export"
    expected = make_export(root)
    (root / "nasty" / "hang").unlink()  # waiting for it is tested above
    del expected["nasty/hang"]
    for i in range(100, 110):
        (root / f"slow{i}").write_bytes(film(i, NASTY["slow"]))
    run(root, tmp_path / "calm", workers=1)
    script = (
        "import sys; from pathlib import Path;"
        "from endplate.infer.batch.options import BatchOptions;"
        "from endplate.infer.batch.run import run_batch;"
        "r = run_batch(BatchOptions(Path(sys.argv[1]), sys.argv[2], workers=2, resume=True,"
        " time_limit=60.0, reader='batch_fake_reader:make')); sys.exit(r.exit_status)"
    )
    command = [sys.executable, "-P", "-c", script, str(root), str(tmp_path / "chaos")]
    chance = random.Random(7)
    kills = [chance.uniform(1.0, 3.5) for _ in range(5)]
    assert kill_and_resume(command, kills) == 1
    calm, chaos = contents(tmp_path / "calm"), contents(tmp_path / "chaos")
    assert sorted(calm) == sorted(chaos)
    differing = [name for name in calm if calm[name] != chaos[name]]
    differing = [name for name in differing if name != "manifest.json"]
    assert differing == []
    with open_store(tmp_path / "chaos" / "store.sqlite") as store:
        chosen = [f.reading.id for f in store.readings(chosen=True)]
    assert len(chosen) == len(set(chosen))


@pytest.mark.usefixtures("reader_on_path")
def test_films_out_of_reach_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive that was gone for a while; of one film a copy was read meanwhile."""
    root, away = tmp_path / "export", tmp_path / "away"
    root.mkdir()
    away.mkdir()
    for name, number in (("a", 1), ("b", 2), ("b-copy", 2), ("c", 3)):
        (root / name).write_bytes(film(number))
    (root / "d").write_bytes(film(4)[:2000])
    gone = ("a", "b")
    record_scan = Journal.record_scan

    def then_gone(self: Journal, *scanned: Any) -> None:
        record_scan(self, *scanned)
        for name in gone:
            (root / name).rename(away / name)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "record_scan", then_gone)
        first = run(root, tmp_path / "out", workers=1)
    codes = {r["path"]: r["code"] for r in table(tmp_path / "out" / "rejects.csv")}
    assert codes == {"a": "unreachable", "b": "unreachable", "d": "unreadable_image"}
    assert (first.counts["failed"], first.exit_status) == (3, 1)
    for name in gone:
        (away / name).rename(root / name)
    again = run(root, tmp_path / "out", workers=1, resume=True)
    rejects = {r["path"]: r["outcome"] for r in table(tmp_path / "out" / "rejects.csv")}
    assert rejects == {"b": "duplicate", "d": "failed"}
    assert [f["path"] for f in table(tmp_path / "out" / "films.csv")] == ["a", "b-copy", "c"]
    assert sum(again.counts.values()) == again.files == 5


@pytest.mark.usefixtures("reader_on_path")
def test_what_the_scan_could_not_read_is_scanned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that comes and goes: a film, a folder, a copy of a film that was read, an archive."""
    root = tmp_path / "export"
    (root / "ward" / "deep").mkdir(parents=True)
    for name, number in (("a", 1), ("a-copy", 1), ("b", 2), ("c", 3), ("ward/deep/d", 4)):
        (root / name).write_bytes(film(number))
    (root / "ward" / "note.txt").write_text("nothing")
    with zipfile.ZipFile(root / "z.zip", "w") as archive:
        archive.writestr("e", film(5))
    away = ("a", "b", "z.zip")
    opened, listed = os.open, os.scandir

    def no_open(path: Any, *more: Any, **kinds: Any) -> int:
        if Path(str(path)).parent == root and Path(str(path)).name in away:
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *more, **kinds)

    def no_list(path: Any = ".") -> Any:
        if str(path).endswith("ward"):
            raise OSError(errno.EIO, "Input/output error")
        return listed(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_open)
        patch.setattr(os, "scandir", no_list)
        run(root, tmp_path / "out", workers=1)
    codes = {r["path"]: r["code"] for r in table(tmp_path / "out" / "rejects.csv")}
    assert codes == dict.fromkeys(("a", "b", "ward", "z.zip"), "unreadable")
    assert [f["path"] for f in table(tmp_path / "out" / "films.csv")] == ["a-copy", "c"]
    (root / "b").unlink()  # gone for good: it stays what it was
    again = run(root, tmp_path / "out", workers=1, resume=True)
    codes = {r["path"]: r["code"] for r in table(tmp_path / "out" / "rejects.csv")}
    assert codes == {
        **{"a": "duplicate_instance", "b": "unreadable", "z.zip": "archive_late"},
        "ward/note.txt": "not_an_image",
    }
    films = [f["path"] for f in table(tmp_path / "out" / "films.csv")]
    assert sorted(films) == ["a-copy", "c", "ward/deep/d"]
    assert sum(again.counts.values()) == again.files == 7


@pytest.mark.usefixtures("reader_on_path")
def test_pseudonyms_leave_no_identity(tmp_path: Path) -> None:
    root = tmp_path / "Doe^Jane"
    root.mkdir()
    for i, day in enumerate(("20240131", "20240302")):
        values: dict[str, Any] = {"PatientID": "SECRET-7", "StudyDate": day}
        (root / f"doe-{i}").write_bytes(film(i, **values))
    key = tmp_path / "key"
    run(root, tmp_path / "out", workers=1, pseudonymise=True, key=key)
    films = table(tmp_path / "out" / "films.csv")
    pseudonym = Pseudonyms(bytes.fromhex(key.read_text())).subject("SECRET-7")
    assert films[0]["subject"] == films[1]["subject"] == pseudonym
    days = [date.fromisoformat(f["study_date"]) for f in films]
    assert (days[1] - days[0]).days == 31
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and "private" not in path.parts:
            content = path.read_bytes()
            for secret in (b"SECRET-7", b"doe-", b"Doe^", b"1.2.8.", b"20240131"):
                assert secret not in content, (path, secret)
    assert (tmp_path / "out" / "private").stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("reader_on_path")
def test_continuing_with_other_options_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "export"
    root.mkdir()
    (root / "film").write_bytes(film(1))
    run(root, tmp_path / "out", workers=1)
    with pytest.raises(InputError, match="another index level"):
        run(root, tmp_path / "out", resume=True, index_level="L1")
    with pytest.raises(InputError, match="--resume"):
        run(root, tmp_path / "out")
    assert run(root, tmp_path / "out", resume=True).counts["measured"] == 1


@pytest.mark.usefixtures("reader_on_path")
def test_dask_gives_the_same(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra dask")
    root = tmp_path / "export"
    root.mkdir()
    for i in range(6):
        (root / f"film{i}").write_bytes(film(i))
    (root / "crash").write_bytes(film(9, NASTY["crash"]))
    (root / "broken").write_bytes(film(10)[:-9000])
    run(root, tmp_path / "local", workers=1)
    run(root, tmp_path / "dask", engine="dask", workers=2, time_limit=60.0)
    local, dask = contents(tmp_path / "local"), contents(tmp_path / "dask")
    assert sorted(local) == sorted(dask)
    assert [n for n in local if local[n] != dask[n] and n != "manifest.json"] == []


@pytest.mark.usefixtures("reader_on_path")
def test_results_go_to_a_url(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the extra dask")
    root = tmp_path / "export"
    root.mkdir()
    (root / "film").write_bytes(film(1))
    run(root, tmp_path / "folder", workers=1)
    url = f"file://{tmp_path / 'url'}"
    run_batch(
        BatchOptions(root, url, tmp_path / "work", workers=1, reader="batch_fake_reader:make")
    )
    folder, remote = contents(tmp_path / "folder"), contents(tmp_path / "url")
    assert sorted(folder) == sorted(remote)
    assert (tmp_path / "url" / "store.sqlite").exists()


def test_missing_networks_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    with pytest.raises(InputError, match="no such network"):
        run_batch(BatchOptions(tmp_path, str(tmp_path / "out"), weights=tmp_path / "weights"))


def test_options_that_do_not_go_together() -> None:
    cases: list[dict[str, Any]] = [
        {"scheduler": "tcp://x:1"},
        {"output": "s3://bucket/x"},
        {"output": "memory://x", "private": Path("private")},
        {"results": ("pdf",)},
        {"results": ("sr",), "uid_root": "1.02"},
        {"key": Path("key")},
        {"workers": -1},
        {"time_limit": 0.0},
    ]
    for wrong in cases:
        with pytest.raises((InputError, UnknownName)):
            BatchOptions(Path(), **{"output": "out", **wrong})
