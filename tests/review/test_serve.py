"""The command: what it refuses, what it prints, that it serves."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from endplate.errors import InputError
from endplate.infer.cli import main
from endplate.reports.reading_json import read_reading
from endplate.review.from_store import check_out, file_into, is_store, work_folder
from endplate.review.library import Library
from endplate.review.serve import ReviewOptions, allowed_hosts, is_loopback, review


def test_hosts():
    assert allowed_hosts("127.0.0.1", 7000)[0] == "127.0.0.1:7000"
    assert "localhost:7000" in allowed_hosts("127.0.0.1", 7000)
    assert allowed_hosts("10.0.0.5", 7000) == ["10.0.0.5:7000"]
    named = allowed_hosts("10.0.0.5", 7000, ["Spine.Example"])
    assert named[0] == "spine.example:7000"
    assert "spine.example" in named
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("spine.example")


def test_a_network_needs_encryption_or_an_explicit_choice(results):
    with pytest.raises(InputError, match="in clear"):
        review(ReviewOptions(str(results), host="0.0.0.0"))
    with pytest.raises(InputError, match="go together"):
        review(ReviewOptions(str(results), tls_cert=Path("x.pem")))
    with pytest.raises(InputError, match="ENDPLATE_PROXY_SECRET"):
        review(ReviewOptions(str(results), proxy_header="X-User"))


def test_errors_are_sentences(tmp_path, capsys):
    assert main(["review", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["review", str(tmp_path), "--user", "a:king"]) == 2
    assert "unknown role 'king'" in capsys.readouterr().err


def test_the_server_serves_and_keeps_a_second_one_off(results):
    code = "from endplate.infer.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-P", "-c", code, "review", str(results), "--user", "anna:reviewer"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert "3 films" in server.stdout.readline()
            link = server.stdout.readline()
            found = re.search(r"anna \(reviewer\): (http://127\.0\.0\.1:\d+/)(\?token=\S+)", link)
            assert found, link
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            page = opener.open(found[1] + found[2], timeout=20)
            assert b"endplate review" in page.read()
            assert "server" not in {k.lower() for k in page.headers}
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(found[1], timeout=20)
            with pytest.raises(InputError, match="another endplate review"):
                review(ReviewOptions(str(results)))
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0


def test_a_store_is_checked_out_and_signed_readings_go_back(results, tmp_path):
    store_module = pytest.importorskip("endplate.study.store.store")
    where = tmp_path / "store.sqlite"
    readings = [read_reading(results / f"film-{n}.json") for n in range(3)]
    with store_module.open_store(where) as store:
        store.add([store_module.Filed(r) for r in readings])
    assert is_store(str(where))
    assert not is_store(str(results))
    folder = work_folder(str(where), None)
    assert folder == tmp_path / "store-review"
    with pytest.raises(InputError, match="--work"):
        work_folder("postgresql://host/spine", None)
    signed = replace(readings[0], id="signed", parent=readings[0].id)
    with check_out(str(where), folder) as store:
        assert len(Library(folder)) == 3
        file_into(store, signed)
    with check_out(str(where), folder) as store:
        assert {f.reading.id for f in store.readings()} == {"signed", *(r.id for r in readings)}
    assert len(Library(folder)) == 3
    assert len(list((folder / "readings").glob("*.json"))) == 4
