"""The store: what goes in comes out, nothing is changed, several may write."""

import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sa = pytest.importorskip("sqlalchemy", reason="needs the extra store")

from alembic import command  # noqa: E402

from endplate.errors import InputError  # noqa: E402
from endplate.study.reading import Reading  # noqa: E402
from endplate.study.serialise import reading_to_dict  # noqa: E402
from endplate.study.store import store as store_module  # noqa: E402
from endplate.study.store.store import Filed, open_store  # noqa: E402
from endplate.study.store.tables import METADATA  # noqa: E402

#: A process that adds readings `first` to `last`, each of its own image.
_WRITER = textwrap.dedent("""
    import json, sys
    from dataclasses import replace
    from endplate.study.serialise import reading_from_dict
    from endplate.study.store.store import Filed, open_store
    where, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    base = reading_from_dict(json.load(sys.stdin), "test")
    with open_store(where) as store:
        for i in range(first, last):
            source = replace(base.source, sha256=f"{i:064d}", study_uid=f"1.2.{i % 7}")
            store.add([Filed(replace(base, id=f"reading-{i}", source=source))])
""")


def pg_binary(name: str) -> str | None:
    """A program of PostgreSQL, also where only Debian's wrappers are on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a database of a server that this test starts."""
    pytest.importorskip("psycopg", reason="needs the extra store-postgresql")
    initdb, server = pg_binary("initdb"), pg_binary("postgres")
    if initdb is None or server is None:
        pytest.skip("needs the Debian package postgresql")
    folder = tmp_path_factory.mktemp("pg")
    data = folder / "data"
    prefix: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        if shutil.which("runuser") is None:
            pytest.skip("needs runuser to start PostgreSQL as another user")
        for parent in (folder, folder.parent, folder.parent.parent):
            parent.chmod(0o755)
        shutil.chown(folder, "nobody")
        prefix = ["runuser", "-u", "nobody", "--"]
    make = [*prefix, initdb, "-D", str(data), "-A", "trust", "-U", "spine", "--no-sync"]
    subprocess.run(make, check=True, capture_output=True, cwd="/")
    arguments = ["-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-F"]
    process = subprocess.Popen(
        [*prefix, server, *arguments], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/"
    )
    try:
        _wait_for(folder / ".s.PGSQL.5432")
        yield f"postgresql+psycopg://spine@/postgres?host={folder}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(socket: Path) -> None:
    import time

    for _ in range(300):
        if socket.exists():
            time.sleep(1)
            return
        time.sleep(0.1)
    pytest.skip("PostgreSQL did not start")


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of either kind; that of PostgreSQL is emptied."""
    if request.param == "sqlite":
        return str(tmp_path / "store.sqlite")
    url: str = request.getfixturevalue("postgresql")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return url


def test_readings_come_back_as_they_went_in(where: str, reading: Reading) -> None:
    other = replace(reading, id="other", source=replace(reading.source, sha256="12" * 32))
    with open_store(where) as store:
        store.add_run("run-1", "2026-01-01T00:00:00+00:00", {"files": 2})
        assert store.add([Filed(reading), Filed(other, chosen=False)], "run-1") == 2
        assert store.add([Filed(reading)], "run-1") == 0
        found = list(store.readings(subject="P-1"))
        assert [f.reading.id for f in found] == ["made-up", "other"]
        assert reading_to_dict(found[0].reading) == reading_to_dict(reading)
        assert [f.reading.id for f in store.readings(chosen=False)] == ["other"]
        assert not list(store.readings(subject="nobody"))
        counts = store.counts()
    assert counts["subject"] == counts["study"] == counts["run"] == 1
    assert counts["image"] == counts["reading"] == 2
    assert counts["measurement"] == 2 * len(reading.measurements)


def test_texts_of_any_length_are_kept(where: str, reading: Reading) -> None:
    """One odd header must not cost a batch its store."""
    source = replace(reading.source, patient_id="P" * 300, study_uid="1." * 300, modality="M" * 50)
    between = tuple(f"ant(T{number})" for number in range(1, 13))
    long = replace(
        reading,
        source=source,
        measurements=tuple(
            replace(m, between=between * 2, flags=("flag" * 30,) * 8) for m in reading.measurements
        ),
    )
    source = replace(reading.source, patient_id="P\0Q", study_uid="1.2.3.4", sha256="34" * 32)
    nul = replace(reading, id="nul", source=source)
    with open_store(where) as store:
        assert store.add([Filed(long), Filed(nul)]) == 2
        (found,) = store.readings(subject="P" * 300)
        assert reading_to_dict(found.reading) == reading_to_dict(long)
        assert len(list(store.readings(subject="PQ"))) == 1


def test_a_store_of_the_first_version_is_brought_up_to_date(
    where: str, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_VERSION", "0001")
        patch.setattr(command, "upgrade", lambda c, to: upgrade(c, "0001"))
        with open_store(where) as store:
            store.add([Filed(reading)])
    other = replace(reading, id="other", source=replace(reading.source, patient_id="P" * 300))
    with open_store(where) as store:
        store.add([Filed(other)])
        assert store.counts()["reading"] == 2


@pytest.mark.parametrize("statement", ["UPDATE reading SET status = 'x'", "DELETE FROM reading"])
def test_readings_are_never_changed(where: str, reading: Reading, statement: str) -> None:
    with open_store(where) as store:
        store.add([Filed(reading)])
        with (
            pytest.raises(sa.exc.DatabaseError, match="never changed"),
            store.engine.begin() as connection,
        ):
            connection.execute(sa.text(statement))
        assert store.counts()["reading"] == 1


def test_missing_numbers_are_null(where: str, reading: Reading) -> None:
    with open_store(where) as store:
        store.add([Filed(reading)])
        with store.engine.connect() as connection:
            query = "SELECT value FROM measurement WHERE name = 'loss_ant_pct'"
            assert connection.execute(sa.text(query)).scalar_one() is None


def test_two_writers_and_a_reader_lose_nothing(where: str, reading: Reading) -> None:
    import json

    text = json.dumps(reading_to_dict(reading)).encode()
    writers = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", _WRITER, where, str(first), str(first + 25)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for first in (0, 15)  # ten readings are written by both
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(text)
        writer.stdin.close()
        writer.stdin = None
    seen = 0
    while any(w.poll() is None for w in writers):
        with open_store(where) as store:
            now = sum(1 for _ in store.readings())
            assert now >= seen
            seen = now
    for writer in writers:
        assert writer.communicate()[1] == b""
        assert writer.returncode == 0
    with open_store(where) as store:
        assert store.counts()["reading"] == 40
        assert store.counts()["study"] == 7


def test_migrations_make_what_the_tables_say(where: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with open_store(where) as store, store.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []


def test_what_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to look at" * 30)
    with pytest.raises(InputError, match="not a database"):
        open_store(tmp_path / "text")
    for url in ("oracle://host/x", "no://such/x", "mysql+pymysql://host/x"):
        with pytest.raises(InputError, match="SQLite or PostgreSQL"):
            open_store(url)


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    open_store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(InputError, match="later version"):
        open_store(path)
