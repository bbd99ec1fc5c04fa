"""Results on another machine, over FTP: dropped connections, killed batches, a full disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="needs the extra dask")

from endplate.infer.batch.options import BatchOptions
from endplate.infer.batch.outputs import BatchResult
from endplate.infer.batch.run import run_batch
from endplate.infer.batch.sink import CannotWrite, open_sink, without_password
from endplate.study.store.store import open_store

from .batch_export import film
from .batch_fake_reader import NASTY
from .ftp_server import FtpServer, serve
from .test_batch import contents, run

FILMS = 6
#: No busy machine makes a film fail.
_PATIENT: Any = {"time_limit": 600.0}
_BATCH = (
    "import sys; from pathlib import Path; from endplate.infer.batch.options import *;"
    "from endplate.infer.batch.run import run_batch;"
    "run_batch(BatchOptions(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), workers=2,"
    " reader='batch_fake_reader:make', time_limit=600.0))"
)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Films; workers can import the fake reader."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copy(Path(__file__).with_name("batch_fake_reader.py"), folder)
    root = tmp_path_factory.mktemp("export")
    for i in range(FILMS):
        (root / f"film{i}").write_bytes(film(i, NASTY["slow"] if i % 2 else 220))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield root


@pytest.fixture(scope="module")
def expected(export: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a batch in a folder writes."""
    out = tmp_path_factory.mktemp("expected") / "out"
    run(export, out, **_PATIENT)
    return contents(out)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Folder of the other machine."""
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


def run_there(export: Path, server: FtpServer, work: Path, **options: Any) -> BatchResult:
    given = {"workers": 2, "reader": "batch_fake_reader:make", **_PATIENT, **options}
    return run_batch(BatchOptions(export, f"{server.url}/study", work, **given))


def test_a_batch_over_ftp_is_that_in_a_folder(
    export: Path, expected: dict[str, str], there: Path, tmp_path: Path
) -> None:
    with serve(there, patience=5) as server:
        result = run_there(export, server, tmp_path)
        assert server.connections > 6  # each was ended after a while
    remote = contents(there / "study")
    assert remote == expected
    assert "geheim" not in json.dumps([*remote.values(), *result.written.values()])
    with open_store(str(there / "study" / "store.sqlite")) as store:
        assert sum(1 for _ in store.readings()) == FILMS


def test_a_killed_batch_goes_on(
    export: Path, expected: dict[str, str], there: Path, tmp_path: Path
) -> None:
    with serve(there) as server:
        command = [sys.executable, "-P", "-c", _BATCH, export, f"{server.url}/study"]
        running = subprocess.Popen([*map(str, command), str(tmp_path)])
        deadline = time.monotonic() + 300
        while not list(there.rglob("readings/*/*.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        half = there / "study" / "readings" / "0000" / "0000003.json.0123.part"
        half.write_bytes(b"half")
        run_there(export, server, tmp_path, resume=True)
    assert contents(there / "study") == expected
    assert not list(there.rglob("*.part"))


def test_a_full_disk_ends_the_batch_and_no_film(
    export: Path, expected: dict[str, str], there: Path, tmp_path: Path
) -> None:
    with serve(there) as server:
        server.full = True
        with pytest.raises(CannotWrite, match=r"No space left on device\); once it can, --resume"):
            run_there(export, server, tmp_path)
        server.full = False
        result = run_there(export, server, tmp_path, resume=True)
    assert result.counts["failed"] == 0
    assert contents(there / "study") == expected


def test_a_folder_that_takes_no_more_ends_the_batch_and_no_film(
    export: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "readings").touch()  # no folder can be made there
    with pytest.raises(CannotWrite, match=r"out/readings/.*cannot be written.*--resume goes on"):
        run(export, out, **_PATIENT)
    (out / "readings").unlink()
    result = run(export, out, resume=True, **_PATIENT)
    assert result.counts["failed"] == 0
    assert result.counts["measured"] + result.counts["other"] == FILMS


def test_no_server_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=r"^ftp://me@127\.0\.0\.1:1/x: no place to write to"):
        open_sink("ftp://me:geheim@127.0.0.1:1/x")


def test_passwords_are_not_shown() -> None:
    assert without_password("ftp://me:ge@heim@host:21/a:b/c@d") == "ftp://me@host:21/a:b/c@d"
    assert without_password("s3://bucket/a/b") == "s3://bucket/a/b"
    assert without_password("/a/b:c@d") == "/a/b:c@d"
