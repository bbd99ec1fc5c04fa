"""The node on the loopback interface: who may call, what is kept, what is scored, what is sent."""

import gc
import ipaddress
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pynetdicom", reason="needs the extra pacs")

from pydicom import dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from endplate.errors import InputError
from endplate.infer.cli import main
from endplate.infer.node.listen import Node
from endplate.infer.node.remote import Remote, TlsFiles
from endplate.infer.node.send import associate, send_files
from endplate.infer.node.settings import NodeSettings
from endplate.reports.dicom.readback import read_sr
from endplate.study.reading import Quality, Reading, Reason

from ..dicom_samples import make_film, make_reading
from ..node_samples import free_port, running, wait_for

#: pynetdicom leaves sockets of connections that broke off to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collect_sockets() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.dcm")


@pytest.fixture
def settings(tmp_path: Path) -> NodeSettings:
    return NodeSettings(
        folder=tmp_path / "node",
        allowed_ae_titles=("ENDPLATE", "OTHER"),
        allowed_peers=(ipaddress.ip_network("127.0.0.0/8"),),
        port=0,
        quiet_seconds=0.2,
        uid_root="1.2.3",
    )


def remote(node: Node, title: str = "ENDPLATE", scheme: str = "dicom") -> Remote:
    return Remote.parse(f"{scheme}://{title}@localhost:{node.port}")


class Sink:
    """A PACS that takes everything, or nothing.

    `received` maps instance UIDs to (modality, study): what is sent twice, because an answer was
    late, is one object.
    """

    def __init__(self) -> None:
        self.status = 0x0000
        self.received: dict[str, tuple[str, str]] = {}
        ae = AE("SINK")
        for uid in ("1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.11.1"):
            ae.add_supported_context(uid)
        self.server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        assert self.server is not None
        assert self.server.socket is not None
        self.url = f"dicom://SINK@127.0.0.1:{self.server.socket.getsockname()[1]}"

    def _store(self, event: Any) -> int:
        if self.status == 0:
            got = event.dataset
            self.received[got.SOPInstanceUID] = (got.Modality, got.StudyInstanceUID)
        return self.status


@pytest.fixture
def sink() -> Iterator[Sink]:
    out = Sink()
    yield out
    assert out.server is not None
    out.server.shutdown()
    out.server.server_close()


def test_a_film_is_received_scored_and_its_results_are_sent(
    film: Path, settings: NodeSettings, sink: Sink
) -> None:
    settings = replace(settings, destinations=(Remote.parse(sink.url),))
    with running(settings) as node:
        assert send_files([film], remote(node))[0].ok
        wait_for(lambda: len(sink.received) == 2, "two results")
        wait_for(lambda: all(o.state == "sent" for o in node.queue.outgoing()), "the queue")
        study = dcmread(film).StudyInstanceUID
        assert set(sink.received.values()) == {("SR", study), ("PR", study)}
        # The same film once more gives nothing new, and nothing stays on the disk.
        assert send_files([film], remote(node))[0].ok
        time.sleep(1.0)
        assert len(node.queue.outgoing()) == len(sink.received) == 2
        assert node.queue.used_bytes() == 0
        assert list(settings.folder.rglob("*.dcm")) == []


def test_results_stay_in_the_folder_without_destinations(
    film: Path, settings: NodeSettings
) -> None:
    with running(replace(settings, results=("sr",))) as node:
        send_files([film], remote(node))
        wait_for(node.queue.outgoing, "a result")
        (path,) = (settings.folder / "results").iterdir()
        assert [v.level for v in read_sr(path).vertebrae] == ["T12", "L1", "L2", "L5", "S1"]
        node.tidy()
        assert path.exists()


def test_only_those_on_the_lists_are_answered(film: Path, settings: NodeSettings) -> None:
    with running(settings) as node:
        association = associate(
            remote(node), [(Verification, None)], "OTHER", TlsFiles(), timeout=5.0
        )
        assert association.send_c_echo().Status == 0
        association.release()
        with pytest.raises(InputError, match="refuses to talk to 'STRANGER'"):
            send_files([film], remote(node), ae_title="STRANGER", timeout=5.0)
        with pytest.raises(InputError, match="refuses to talk to 'ENDPLATE'"):
            send_files([film], remote(node, "SOMEBODY"), timeout=5.0)
    elsewhere = replace(settings, allowed_peers=(ipaddress.ip_network("10.9.9.0/24"),))
    with running(elsewhere) as node, pytest.raises(InputError, match="cannot be reached"):
        send_files([film], remote(node), timeout=5.0)


def test_what_does_not_fit_is_refused(film: Path, settings: NodeSettings) -> None:
    size = film.stat().st_size
    with running(replace(settings, max_storage_bytes=size // 2)) as node:
        (answer,) = send_files([film], remote(node))
        assert "0xA700" in answer.message
        assert node.queue.films() == []
    with running(replace(settings, max_object_bytes=size // 2)) as node:
        (answer,) = send_files([film], remote(node))
        assert "0xA700" in answer.message
    assert not list(settings.folder.rglob("*.dcm*"))


def test_films_that_failed_make_room(film: Path, settings: NodeSettings, tmp_path: Path) -> None:
    other = make_film(tmp_path / "other.dcm", SOPInstanceUID="1.2.3.4.5")

    def fail(path: Path) -> Reading:
        raise InputError("cannot be read")

    roomy = replace(settings, max_storage_bytes=int(1.5 * film.stat().st_size))
    with running(roomy, fail) as node:
        send_files([film], remote(node))
        wait_for(lambda: node.queue.films()[0].state == "failed", "the failure")
        assert node.queue.films()[0].message == "cannot be read"
        assert node.queue.films()[0].path.exists()
        assert send_files([other], remote(node))[0].ok
        assert not node.queue.films()[0].path.exists()


def test_a_rejected_film_gives_no_results(film: Path, settings: NodeSettings, sink: Sink) -> None:
    def reject(path: Path) -> Reading:
        quality = Quality("rejected", (Reason("not_lateral", "The film is not lateral."),))
        return replace(make_reading(path), quality=quality, vertebrae=(), measurements=())

    settings = replace(settings, destinations=(Remote.parse(sink.url),))
    with running(settings, reject) as node:
        send_files([film], remote(node))
        wait_for(lambda: node.queue.films()[0].state == "rejected", "the verdict")
        assert node.queue.films()[0].message == "The film is not lateral."
        assert node.queue.outgoing() == []


def test_a_film_received_before_a_restart_is_scored_after_it(
    film: Path, settings: NodeSettings, sink: Sink
) -> None:
    slow = replace(settings, quiet_seconds=3600.0)
    with running(slow) as node:
        send_files([film], remote(node))
    orphan = settings.folder / "films" / "1.2.3.dcm.part"
    orphan.write_bytes(b"left by a crash")
    quick = replace(settings, destinations=(Remote.parse(sink.url),))
    with running(quick):
        wait_for(lambda: len(sink.received) == 2, "the results")
        assert not orphan.exists()


def test_what_cannot_be_sent_is_kept_and_tried_again(
    film: Path, settings: NodeSettings, sink: Sink
) -> None:
    sink.status = 0xA700
    now = [1000.0]
    node = Node(
        replace(settings, destinations=(Remote.parse(sink.url),)), make_reading, lambda: now[0]
    )
    node._keep(str(dcmread(film).SOPInstanceUID), "1", film.read_bytes())
    now[0] += 1.0
    node.work()
    waiting = node.queue.outgoing()
    assert [o.state for o in waiting] == ["waiting", "waiting"]
    assert "0xA700" in waiting[0].message
    sink.status = 0
    node.work()
    assert sink.received == {}, "not before the pause is over"
    now[0] += 6.0
    node.work()
    assert [o.state for o in node.queue.outgoing()] == ["sent", "sent"]
    assert len(sink.received) == 2
    node.stop()


def test_tls_with_certificates_on_both_sides(
    film: Path, settings: NodeSettings, tmp_path: Path
) -> None:
    tls = certificate(tmp_path)
    with running(replace(settings, tls=tls, quiet_seconds=3600.0)) as node:
        assert send_files([film], remote(node, scheme="dicoms"), tls=tls)[0].ok
        with pytest.raises(InputError, match="cannot be reached"):
            send_files([film], remote(node), timeout=5.0)
        with pytest.raises(InputError, match="cannot be reached"):
            send_files([film], remote(node, scheme="dicoms"), tls=TlsFiles(ca=tls.ca), timeout=5.0)


def certificate(folder: Path) -> TlsFiles:
    """A self-signed certificate for localhost."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    key, file = folder / "key.pem", folder / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", file], check=True, capture_output=True)
    return TlsFiles(ca=file, certificate=file, key=key)


def test_send_says_what_is_wrong(
    film: Path, tmp_path: Path, sink: Sink, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.dcm"
    text.write_text("no DICOM")
    assert main(["send", str(film), str(text), "--to", sink.url]) == 2
    printed = capsys.readouterr()
    assert "text.dcm: is no DICOM file that can be read" in printed.err
    assert "the partner does not take Digital X-Ray Image Storage" in printed.err
    assert "0 of 2 files were taken" in printed.out
    nobody = f"dicom://NOBODY@127.0.0.1:{free_port()}"
    assert main(["send", str(film), "--to", nobody, "--timeout", "3"]) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert main(["send", str(tmp_path / "none"), "--to", "x"]) == 2
    assert "expected dicom://AETITLE@host:port" in capsys.readouterr().err


def test_listen_checks_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "node.toml"
    path.write_text('folder = "x"\nallowed_ae_titles = ["A"]\nallowed_peers = ["10.0.0.1"]\n')
    assert main(["listen", str(path), "--check"]) == 0
    assert "the settings are in order" in capsys.readouterr().out
    path.write_text("folder = 7")
    assert main(["listen", str(path)]) == 2
