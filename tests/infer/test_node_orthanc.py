"""The node and its client against Orthanc, a real PACS, on the loopback interface."""

import ipaddress
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pynetdicom", reason="needs the extra pacs")

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from endplate.infer.cli import main
from endplate.infer.dicom_results import write_dicom_results
from endplate.infer.node.remote import Remote
from endplate.infer.node.send import send_files
from endplate.infer.node.settings import NodeSettings
from endplate.reports.dicom.readback import reading_of_sr

from ..dicom_samples import make_film, make_reading
from ..node_samples import free_port, running, wait_for

_PLUGINS = Path("/usr/share/orthanc/plugins")


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc; `node_port` is where it believes the node ENDPLATE to listen."""

    http_port: int
    dicom_port: int
    node_port: int

    @property
    def dimse(self) -> str:
        return f"dicom://ORTHANC@127.0.0.1:{self.dicom_port}"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def call(self, path: str, data: object = None) -> Any:
        """Answer of its own interface."""
        body = None if data is None else json.dumps(data).encode()
        url = f"http://127.0.0.1:{self.http_port}{path}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(url, data=body), timeout=20) as answer:
            return json.loads(answer.read())

    def series(self, study_uid: str) -> list[Dataset]:
        """Series of a study as DICOMweb tells of them."""
        found = self.call(f"/dicom-web/studies/{study_uid}/series")
        return [Dataset.from_json(values) for values in found]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    program = shutil.which("Orthanc")
    plugin = _PLUGINS / "libOrthancDicomWeb.so"
    if program is None or not plugin.exists():
        pytest.skip("needs Orthanc (Debian packages orthanc, orthanc-dicomweb)")
    folder = tmp_path_factory.mktemp("orthanc")
    pacs = Orthanc(free_port(), free_port(), free_port())
    settings = folder / "orthanc.json"
    settings.write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "index"),
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "HttpPort": pacs.http_port,
                "DicomPort": pacs.dicom_port,
                "DicomAet": "ORTHANC",
                "DicomCheckCalledAet": True,
                "DicomModalities": {"ENDPLATE": ["ENDPLATE", "127.0.0.1", pacs.node_port]},
                "Plugins": [str(plugin)],
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            }
        )
    )
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(settings)], stdout=log, stderr=log, cwd=folder)
        try:
            wait_for(lambda: _answers(pacs), "Orthanc")
            yield pacs
        finally:
            process.terminate()
            process.wait(timeout=30)


def _answers(pacs: Orthanc) -> bool:
    try:
        return bool(pacs.call("/system"))
    except (urllib.error.URLError, ConnectionError):
        return False


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.dcm", AccessionNumber="A-17")


def test_pacs_sends_a_film_and_shows_its_results(
    orthanc: Orthanc, film: Path, tmp_path: Path
) -> None:
    assert main(["send", str(film), "--to", orthanc.dimse]) == 0
    settings = NodeSettings(
        folder=tmp_path / "node",
        allowed_ae_titles=("ORTHANC",),
        allowed_peers=(ipaddress.ip_network("127.0.0.1/32"),),
        port=orthanc.node_port,
        quiet_seconds=0.3,
        destinations=(Remote.parse(orthanc.dimse),),
    )
    study = str(dcmread(film).StudyInstanceUID)
    with running(settings):
        (instance,) = orthanc.call("/instances")
        orthanc.call("/modalities/ENDPLATE/store", [instance])
        found = wait_for(
            lambda: len(s := orthanc.series(study)) == 3 and s, "the results in DICOMweb"
        )
    assert {str(s.Modality) for s in found} == {"DX", "SR", "PR"}
    (report,) = (s for s in found if s.Modality == "SR")
    meta = orthanc.call(f"/dicom-web/studies/{study}/series/{report.SeriesInstanceUID}/metadata")
    again = reading_of_sr(Dataset.from_json(meta[0]))
    expected = make_reading(film)
    assert again.source.instance_uid == expected.source.instance_uid
    for ours, theirs in zip(expected.vertebrae, again.vertebrae, strict=True):
        assert ours.level == theirs.level
        np.testing.assert_allclose(theirs.points, ours.points, atol=2e-3)


@pytest.mark.parametrize("way", ["dimse", "web"])
def test_films_are_retrieved_by_patient_and_accession(
    orthanc: Orthanc, film: Path, tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    send_files([film], Remote.parse(orthanc.dimse))
    source = dcmread(film)
    wanted = tmp_path / "patients.txt"
    wanted.write_text(f"# the cohort\n{source.PatientID}\nNOBODY\n")
    command = ["retrieve", "--from", getattr(orthanc, way), "-o", str(tmp_path / "films")]
    command += ["--host", "127.0.0.1", "--port", str(orthanc.node_port)]
    assert main([*command, "--patient-list", str(wanted), "--accession", "A-17"]) == 1
    printed = capsys.readouterr()
    assert "PatientID NOBODY: nothing was found" in printed.err
    assert "2 films for 2 of 3 queries" in printed.out
    (path,) = (tmp_path / "films").rglob("*.dcm")
    assert path.name == f"{source.SOPInstanceUID}.dcm"
    np.testing.assert_array_equal(dcmread(path).pixel_array, source.pixel_array)
    assert main([*command, "--patient", "*"]) == 2
    assert "expected 1 to 64 characters without *" in capsys.readouterr().err
    named = [*command, "--patient", str(source.PatientID), "--modality"]
    assert main([*named, "CR, dx"]) == 0
    assert main([*named, "CR"]) == 2


def test_results_are_sent_over_the_web(
    orthanc: Orthanc, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_film(tmp_path / "other.dcm", SOPInstanceUID="1.2.3.1", StudyInstanceUID="1.2.3.2",
                      SeriesInstanceUID="1.2.3.3")  # fmt: skip
    results = write_dicom_results(
        make_reading(other), other, tmp_path / "results", kinds=["gsps", "sc"]
    )
    assert main(["send", str(tmp_path / "results"), str(other), "--to", orthanc.web]) == 0
    assert "3 of 3 files were taken" in capsys.readouterr().out
    assert {str(s.Modality) for s in orthanc.series("1.2.3.2")} >= {"DX", "PR"}
    uid = dcmread(results[1]).SOPInstanceUID
    shown = orthanc.call("/tools/find", {"Level": "Instance", "Query": {"SOPInstanceUID": uid}})
    assert len(shown) == 1


def test_a_partner_that_refuses_is_named(
    orthanc: Orthanc, film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = orthanc.dimse.replace("ORTHANC", "SOMEBODY")
    assert main(["send", str(film), "--to", wrong, "--timeout", "5"]) == 2
    assert "refuses to talk to 'ENDPLATE'" in capsys.readouterr().err
    nowhere = f"http://127.0.0.1:{free_port()}/dicom-web"
    assert main(["send", str(film), "--to", nowhere, "--timeout", "5"]) == 2
    assert "cannot be reached" in capsys.readouterr().err
