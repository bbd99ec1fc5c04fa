"""The command: what it refuses, what it prints, that it serves."""

import contextlib
import http.client
import http.cookiejar
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
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

from .conftest import wire


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


@contextlib.contextmanager
def serving(results, *options):
    """The command as a process; gives the address and query of anna's link."""
    code = "from endplate.infer.cli import main; raise SystemExit(main())"
    who = ["review", str(results), "--user", "anna:reviewer"]
    command = [sys.executable, "-P", "-c", code, *who, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            server.stdout.readline()
            link = server.stdout.readline()
            found = re.search(r"(https?://[^/]+/)(\?token=\S+)", link)
            assert found, link
            yield found[1], found[2]
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0


def test_the_server_serves_and_keeps_a_second_one_off(results):
    with serving(results) as (address, query):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        page = opener.open(address + query, timeout=20)
        assert b"endplate review" in page.read()
        assert "server" not in {k.lower() for k in page.headers}
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address, timeout=20)
        with pytest.raises(InputError, match="another endplate review"):
            review(ReviewOptions(str(results)))


def test_answers_on_a_kept_connection_come_at_once(results):
    """The second half of an answer does not wait 40 ms until the first is acknowledged."""
    with serving(results) as (address, query):
        host = address.removeprefix("http://").rstrip("/")
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("GET", f"/{query}")
        entered = connection.getresponse()
        entered.read()
        cookie = str(entered.getheader("set-cookie")).partition(";")[0]
        spent = []
        for _ in range(25):
            begun = time.perf_counter()
            connection.request("GET", "/api/session", headers={"cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            spent.append(time.perf_counter() - begun)
            assert answer.status == 200
        connection.close()
        assert min(spent) < 0.03


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate of localhost and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: to make a certificate")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    names = "subjectAltName=DNS:localhost,DNS:spine.example"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-out", str(cert), "-keyout", str(key)]
    command = ["openssl", "req", "-x509", *kind, "-subj", "/CN=localhost", "-addext", names, *files]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return cert, key


def test_beyond_this_machine_with_a_certificate(results, certificate):
    cert, key = certificate
    options = ["--host", "0.0.0.0", "--name", "localhost"]
    tls = ["--tls-cert", str(cert), "--tls-key", str(key)]
    with serving(results, *options, *tls) as (address, query):
        assert re.fullmatch(r"https://localhost:\d+/", address)
        trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(cert)))
        jar = http.cookiejar.CookieJar()
        cookies = urllib.request.HTTPCookieProcessor(jar)
        opener = urllib.request.build_opener(trusting, cookies)
        assert b"endplate review" in opener.open(address + query, timeout=20).read()
        (cookie,) = jar
        assert cookie.secure
        session = json.loads(opener.open(f"{address}api/session", timeout=20).read())
        (first, *_) = json.loads(opener.open(f"{address}api/films", timeout=20).read())["films"]
        film = json.loads(opener.open(f"{address}api/films/{first['key']}", timeout=20).read())

        def sign(origin):
            body = json.dumps({**wire(film), "verdict": "accepted"}).encode()
            headers = {"x-endplate-csrf": session["csrf"], "origin": origin}
            path = f"{address}api/films/{first['key']}/sign"
            return opener.open(urllib.request.Request(path, body, headers), timeout=20).status

        with pytest.raises(urllib.error.HTTPError, match="403"):
            sign(address.rstrip("/").replace("https", "http"))
        assert sign(address.rstrip("/")) == 200
        with pytest.raises(urllib.error.URLError, match="certificate"):
            urllib.request.urlopen(address, timeout=20)
        with pytest.raises((urllib.error.URLError, http.client.HTTPException, OSError)):
            urllib.request.urlopen(address.replace("https", "http"), timeout=20)


def test_beyond_this_machine_in_clear_by_explicit_choice(results):
    options = ["--host", "0.0.0.0", "--name", "localhost", "--insecure-network"]
    with serving(results, *options) as (address, query):
        assert address.startswith("http://localhost:")
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert b"endplate review" in opener.open(address + query, timeout=20).read()


@pytest.mark.parametrize(("options", "scheme"), [((), "https"), (("--insecure-network",), "http")])
def test_behind_a_proxy(results, monkeypatch, options, scheme):
    secret = "a secret of thirty-two characters"
    monkeypatch.setenv("ENDPLATE_PROXY_SECRET", secret)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    proxied = ["--proxy-header", "X-Remote-User", "--name", "spine.example", "--port", str(port)]
    code = "from endplate.infer.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-P", "-c", code, "review", str(results), *proxied, *options]
    known = {"host": "spine.example", "x-remote-user": "ben", "x-endplate-proxy-secret": secret}

    def ask(method, path, headers, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    with subprocess.Popen(
        [*command, "--user", "ben:reader"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            server.stdout.readline()
            status, session = ask("GET", "/api/session", known)
            assert status == 200
            assert json.loads(session)["person"] == "ben"
            assert ask("GET", "/", known)[0] == 200
            assert ask("GET", "/api/session", {**known, "x-remote-user": "eve"})[0] == 401
            assert ask("GET", "/api/session", {**known, "host": "evil.example"})[0] == 403
            assert (
                ask("GET", "/api/session", {"host": "spine.example", "x-remote-user": "ben"})[0]
                == 401
            )
            key = json.loads(ask("GET", "/api/films", known)[1])["films"][0]["key"]
            film = json.loads(ask("GET", f"/api/films/{key}", known)[1])
            body = json.dumps({**wire(film), "verdict": "accepted"})
            other = {"http": "https", "https": "http"}[scheme]
            signs = {**known, "x-endplate-csrf": json.loads(session)["csrf"]}
            path = f"/api/films/{key}/sign"
            for origin in (f"{other}://spine.example", "https://evil.example", "null"):
                assert ask("POST", path, {**signs, "origin": origin}, body)[0] == 403
            assert (
                ask("POST", path, {**signs, "origin": f"{scheme}://spine.example"}, body)[0] == 200
            )
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0


def test_a_certificate_that_is_none_is_told(results, tmp_path, capsys):
    (tmp_path / "x.pem").write_text("nothing")
    files = ["--tls-cert", str(tmp_path / "x.pem"), "--tls-key", str(tmp_path / "x.pem")]
    assert main(["review", str(results), *files]) == 2
    assert "x.pem" in capsys.readouterr().err


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
