"""The node's queue, settings and addresses: nothing that needs a network."""

from pathlib import Path

import pytest

from endplate.errors import EndplateError, InputError, MissingDependency
from endplate.infer.node.queue import NodeQueue
from endplate.infer.node.remote import Remote, TlsFiles, check_uid, require_pacs
from endplate.infer.node.settings import read_settings

MINIMAL = """
folder = "spool"
allowed_ae_titles = ["PACS"]
allowed_peers = ["127.0.0.1", "10.1.2.0/24"]
"""


@pytest.fixture
def queue(tmp_path: Path) -> NodeQueue:
    return NodeQueue(tmp_path / "queue.sqlite")


def test_a_study_is_ready_when_nothing_more_has_come(queue: NodeQueue, tmp_path: Path) -> None:
    queue.add("1.1", "1", tmp_path / "a", 10, now=100.0)
    queue.add("1.2", "1", tmp_path / "b", 10, now=105.0)
    queue.add("2.1", "2", tmp_path / "c", 10, now=101.0)
    assert queue.ready(103.0, quiet_seconds=5.0) == []
    assert [f.sop_uid for f in queue.ready(107.0, quiet_seconds=5.0)] == ["2.1"]
    assert [f.sop_uid for f in queue.ready(111.0, quiet_seconds=5.0)] == ["1.1", "2.1", "1.2"]


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    first = NodeQueue(path)
    first.add("1.1", "1", tmp_path / "a", 10, now=1.0)
    first.add("1.2", "1", tmp_path / "b", 20, now=1.0)
    first.finish("1.2", "done", "", [(tmp_path / "r", 5)], ["dicom://A@h:1", "dicom://B@h:1"], 1.0)
    # No close: the process was killed.
    again = NodeQueue(path)
    assert [f.sop_uid for f in again.ready(100.0, 5.0)] == ["1.1"]
    assert again.has_result("1.2")
    assert [o.destination for o in again.due(2.0)] == ["dicom://A@h:1", "dicom://B@h:1"]
    assert again.used_bytes() == 15
    assert again.paths() == {tmp_path / "a", tmp_path / "r"}
    to_a, to_b = again.due(2.0)
    assert not again.sent(to_a)
    assert again.sent(to_b)
    assert again.used_bytes() == 10


def test_paths_hold_wherever_the_node_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = tmp_path / "spool"
    (spool / "films").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    first = NodeQueue(Path("spool/queue.sqlite"))
    first.add("1.1", "1", Path("spool/films/1.1.dcm"), 10, now=1.0)
    first.close()
    monkeypatch.chdir(spool)
    again = NodeQueue(spool / "queue.sqlite")
    assert again.paths() == {spool / "films" / "1.1.dcm"}
    again.close()


def test_a_restart_from_elsewhere_deletes_nothing_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pynetdicom")
    from endplate.infer.node.listen import Node

    (tmp_path / "node.toml").write_text(MINIMAL + "port = 0\n")
    monkeypatch.chdir(tmp_path)
    node = Node(read_settings(Path("node.toml")), lambda path: None)  # type: ignore[arg-type,return-value]
    node._keep("1.2.3", "1.2", b"x" * 100)
    node.queue.close()
    monkeypatch.chdir("/")
    again = Node(read_settings(tmp_path / "node.toml"), lambda path: None)  # type: ignore[arg-type,return-value]
    stranger = tmp_path / "spool" / "films" / "notes.txt"
    stranger.write_text("not the node's")
    again.tidy()
    assert [f.path.read_bytes() for f in again.queue.films()] == [b"x" * 100]
    assert stranger.exists()
    again.queue.close()


def test_pauses_grow_until_a_result_is_given_up(queue: NodeQueue, tmp_path: Path) -> None:
    queue.add("1.1", "1", tmp_path / "a", 10, now=0.0)
    queue.finish("1.1", "done", "", [(tmp_path / "r", 5)], ["dicom://A@h:1"], now=0.0)
    now, pauses = 0.0, []
    while queue.outgoing()[0].state == "waiting":
        (entry,) = queue.due(now)
        queue.postpone(entry, "cannot be reached", now, max_tries=4)
        start = now
        while not queue.due(now) and queue.outgoing()[0].state == "waiting":
            now += 1.0
        pauses.append(now - start)
    assert pauses == [5.0, 10.0, 20.0, 0.0]
    assert queue.outgoing()[0].state == "failed"
    assert queue.used_bytes() == 5


def test_a_film_that_ends_the_process_is_not_tried_for_ever(
    queue: NodeQueue, tmp_path: Path
) -> None:
    queue.add("1.1", "1", tmp_path / "a", 10, now=0.0)
    assert [queue.begin("1.1") for _ in range(4)] == [True, True, True, False]
    queue.add("1.1", "1", tmp_path / "a", 10, now=0.0)
    assert queue.begin("1.1"), "sent again, it gets another chance"


def test_old_rows_are_forgotten(queue: NodeQueue, tmp_path: Path) -> None:
    for uid, state in (("1.1", "done"), ("1.2", "failed")):
        queue.add(uid, "1", tmp_path / uid, 10, now=1.0)
        queue.finish(uid, state, "")
    queue.forget_before(2.0)
    assert [f.sop_uid for f in queue.films()] == ["1.2"]


def test_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    path.write_text("this is no database, but it is long enough to be taken for one " * 4)
    with pytest.raises(InputError, match="the queue cannot be opened"):
        NodeQueue(path)


def test_settings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(
        MINIMAL
        + 'ae_title = "MEASURE"\nport = 11113\nquiet_seconds = 2.5\nmax_storage_gb = 0.5\n'
        + 'results = ["sr"]\ndestinations = ["dicoms://PACS@pacs.example:2762"]\n'
        + '[tls]\ncertificate = "node.pem"\nkey = "node.key"\n'
    )
    settings = read_settings(path)
    assert settings.folder == tmp_path / "spool"
    assert settings.max_storage_bytes == 2**29
    assert settings.quiet_seconds == 2.5
    assert settings.destinations[0].tls
    assert settings.destinations[0].ae_title == "PACS"
    assert settings.tls == TlsFiles(None, tmp_path / "node.pem", tmp_path / "node.key")
    for address, allowed in (
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("10.1.2.200", True),
        ("10.1.3.1", False),
        ("::1", False),
        ("nonsense", False),
    ):
        assert settings.allows(address) is allowed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('folder = "x"', "allowed_ae_titles is missing"),
        (MINIMAL + "port = 70000", "port is 70000; expected a number from 0 to 65535"),
        (MINIMAL + "port = true", "port is True; expected a number"),
        (MINIMAL + "prot = 1", "unknown setting in node.toml 'prot'"),
        (MINIMAL + 'ae_title = "A TITLE THAT IS TOO LONG"', "expected 1 to 16 printable"),
        (MINIMAL + 'results = ["pdf"]', "unknown kind of DICOM result 'pdf'"),
        (MINIMAL + 'destinations = ["pacs:4242"]', "expected dicom://AETITLE@host:port"),
        (MINIMAL + 'uid_root = "x"', "UID root 'x'"),
        (MINIMAL.replace("10.1.2.0/24", "10.1.2.0/99"), "expected addresses or networks"),
        (MINIMAL.replace('["PACS"]', "[]"), "allowed_ae_titles is empty"),
        (MINIMAL + "[tls]\ncert = 'x'", r"unknown setting of \[tls\] in node.toml 'cert'"),
        ("folder = ", "no TOML file"),
    ],
)
def test_wrong_settings_are_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(text)
    with pytest.raises(EndplateError, match=message):
        read_settings(path)
    with pytest.raises(InputError, match=r"gone\.toml: cannot be read"):
        read_settings(tmp_path / "gone.toml")


def test_addresses_are_read() -> None:
    plain = Remote.parse("dicom://MY PACS@10.0.0.1:104")
    assert (plain.ae_title, plain.host, plain.port) == ("MY PACS", "10.0.0.1", 104)
    assert not plain.tls
    assert not plain.web
    web = Remote.parse("https://pacs.example/dicom-web/")
    assert web.web
    assert web.url == "https://pacs.example/dicom-web"
    for text in ("dicom://PACS@host", "dicom://host:104", "ftp://x", "PACS", "dicom://A@h:99999"):
        with pytest.raises(InputError, match="address"):
            Remote.parse(text)
    with pytest.raises(InputError, match="passwords do not belong in an address"):
        Remote.parse("https://me:secret@pacs.example/dicom-web")


@pytest.mark.parametrize("uid", ["", None, "../../etc/passwd", "1.2/3", "1" * 65, "1..2", "1.2\n"])
def test_what_is_no_uid_never_becomes_a_file_name(uid: object) -> None:
    with pytest.raises(InputError, match="expected a unique identifier"):
        check_uid(uid, "study")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endplate.infer.node.remote.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'endplate\[pacs\]'"):
        require_pacs()


def test_certificates_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="TLS: cannot use"):
        TlsFiles(ca=tmp_path / "gone.pem").client_context()
    with pytest.raises(InputError, match="needs a certificate"):
        TlsFiles().server_context()
