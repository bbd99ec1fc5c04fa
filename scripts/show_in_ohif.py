"""Show DICOM results in the OHIF viewer: ``python scripts/show_in_ohif.py --viewer DIR -o DIR``.

Puts a film and its results into an Orthanc, opens its study in the published build of the OHIF
viewer in a Chromium without a window, opens picture and structured report from the list of series,
and keeps what is shown. Exit status 1 unless the outlines are drawn on the bodies. The first DIR is
the folder ``package/dist`` of what ``npm pack @ohif/app`` fetches. Needs the Debian packages
orthanc, orthanc-dicomweb and chromium, and pip's playwright.
"""

import argparse
import functools
import http.server
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright

from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import POINTS
from endplate.imaging.read import read_radiograph
from endplate.infer.cli import main as command
from endplate.infer.dicom_results import write_dicom_results
from endplate.infer.pipeline import FilmReader
from endplate.study.reading import Reading

_PLUGIN: Final = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_SAMPLE: Final = Path(str(resources.files("endplate.infer"))) / "sample.dcm"
#: Share of the outlines that must be seen: texts of the viewer may hide some.
_ENOUGH: Final = 0.9
_SETTINGS: Final = """window.config = {
  routerBasename: '/', extensions: [], modes: [], showStudyList: true,
  defaultDataSourceName: 'orthanc',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'orthanc',
    configuration: {
      friendlyName: 'Orthanc', name: 'orthanc', wadoUriRoot: '/wado', qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web', imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: false,
      bulkDataURI: {enabled: true}, omitQuotationForMultipartRequest: true,
    },
  }],
};
"""


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def orthanc(folder: Path) -> Iterator[str]:
    """A running Orthanc; where its DICOMweb is."""
    port = free_port()
    settings = folder / "orthanc.json"
    values = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "AuthenticationEnabled": False,
        "HttpPort": port,
        "DicomServerEnabled": False,
        "Plugins": [str(_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full"},
    }
    settings.write_text(json.dumps(values))
    program = shutil.which("Orthanc")
    if program is None or not _PLUGIN.exists():
        raise SystemExit("install the Debian packages orthanc and orthanc-dicomweb")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(settings)], stdout=log, stderr=log)
        try:
            root = f"http://127.0.0.1:{port}"
            _wait_for(f"{root}/system")
            yield f"{root}/dicom-web"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")


class _Handler(http.server.SimpleHTTPRequestHandler):
    """The viewer's files, and DICOMweb passed on, so that both come from one place."""

    def __init__(self, *given: object, viewer: Path, web: str) -> None:
        self.web = web
        super().__init__(*given, directory=str(viewer))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.path.startswith("/dicom-web/"):
            self._pass_on()
        elif self.path.split("?")[0] == "/app-config.js":
            self._answer(200, "text/javascript", _SETTINGS.encode())
        else:
            if not Path(self.translate_path(self.path)).is_file():
                self.path = "/index.html"  # a page of the application
            super().do_GET()

    def _pass_on(self) -> None:
        url = self.web + self.path.removeprefix("/dicom-web")
        headers = {"Accept": self.headers.get("Accept", "*/*")}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
                self._answer(200, answer.headers["Content-Type"], answer.read())
        except urllib.error.HTTPError as error:
            self._answer(error.code, "text/plain", error.read())

    def _answer(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *told: object) -> None:
        """Says nothing."""


@contextmanager
def served(viewer: Path, web: str) -> Iterator[str]:
    """The viewer's address."""
    handler = functools.partial(_Handler, viewer=viewer, web=web)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


def put_study(film: Path, folder: Path, web: str) -> Reading:
    """Read a film, and send it and its results."""
    reading = FilmReader().read(read_radiograph(film))
    results = write_dicom_results(reading, film, folder, kinds=("sr", "gsps", "sc"))
    paths = [str(path) for path in (film, *results)]
    if command(["send", *paths, "--to", web]) != 0:
        raise SystemExit("Orthanc did not take all objects")
    return reading


def outlines(reading: Reading) -> FloatArray:
    """Points at every pixel of the bodies' outlines, from the outer corner of the first pixel."""
    parts = []
    for vertebra in reading.vertebrae:
        if not vertebra.has(*POINTS):
            continue
        closed = np.vstack([vertebra.points, vertebra.points[:1]]) + 0.5
        for a, b in pairwise(closed):
            parts.append(np.linspace(a, b, int(np.hypot(*(b - a))) + 1))
    return np.vstack(parts)


def share_drawn(picture: Path, box: Any, reading: Reading) -> float:
    """Share of the outlines' points within three pixels of which the viewer drew in yellow.

    Parameters
    ----------
    box : FloatRect
        Where the viewport is in the picture; the film is fitted into it.
    """
    image = cv2.imread(str(picture))
    assert image is not None
    blue, green, red = (image[..., i].astype(int) for i in range(3))
    yellow = ((red > 150) & (green > 150) & (blue < 100)).astype(np.uint8)
    grown = cv2.dilate(yellow, np.ones((7, 7), np.uint8))
    size = np.array([reading.source.columns, reading.source.rows])
    view = np.array([box["width"], box["height"]])
    scale = float((view / size).min())
    corner = np.array([box["x"], box["y"]]) + (view - scale * size) / 2
    x, y = np.round(outlines(reading) * scale + corner).astype(int).T
    return float((grown[y, x] > 0).mean())


def look(page: Page, address: str, folder: Path, reading: Reading) -> float:
    """Open the study, its picture and its report; the share of the outlines that is drawn."""
    page.goto(f"{address}/viewer?StudyInstanceUIDs={reading.source.study_uid}")
    page.get_by_text("Skip all").click(timeout=120_000)
    page.get_by_text("Confirm and hide").click()
    page.wait_for_timeout(3000)
    page.screenshot(path=folder / "film.png")
    page.get_by_text("endplate overlay").dblclick()
    page.wait_for_timeout(5000)
    page.screenshot(path=folder / "capture.png")
    page.get_by_text("endplate measurements").dblclick()
    page.get_by_text("Vertebral kyphosis").first.wait_for(state="attached", timeout=120_000)
    page.get_by_text("No", exact=True).click()  # whether to track measurements
    page.wait_for_timeout(3000)
    page.screenshot(path=folder / "report.png")
    box = page.locator("canvas.cornerstone-canvas").first.bounding_box()
    assert box is not None
    return share_drawn(folder / "report.png", box, reading)


def main() -> None:
    """Show, and keep pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewer", type=Path, required=True, help="package/dist of @ohif/app")
    parser.add_argument("--film", type=Path, default=_SAMPLE)
    parser.add_argument("-o", type=Path, default=Path("pictures"), help="folder of the pictures")
    options = parser.parse_args()
    options.o.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, orthanc(Path(name)) as web:
        reading = put_study(options.film, Path(name) / "results", web)
        with served(options.viewer, web) as address, sync_playwright() as play:
            browser = play.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader"],
            )
            page = browser.new_page(viewport={"width": 1500, "height": 1000})
            share = look(page, address, options.o, reading)
            browser.close()
    print(f"{share:.0%} of the outlines in the report are drawn on the bodies; see {options.o}")
    if share < _ENOUGH:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
