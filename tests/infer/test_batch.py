"""Whole batches, with a reader that does what films tell it to."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from endplate.errors import InputError
from endplate.infer.batch.options import BatchOptions
from endplate.infer.batch.outputs import BatchResult
from endplate.infer.batch.run import run_batch

from .batch_export import make_export

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
    values = {"workers": 2, "time_limit": 15.0, "reader": "batch_fake_reader:make", **options}
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
    assert result.exit_status == 1


def test_no_batch_twice_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out" / "private").mkdir(parents=True)
    (tmp_path / "out" / "private" / "journal.sqlite").touch()
    with pytest.raises(InputError, match="--resume"):
        run(tmp_path, tmp_path / "out")
