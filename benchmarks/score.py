"""How long one film takes, from the file to the reading: ``python benchmarks/score.py``.

A simulated film of 2800 x 1600 pixels, 16 bits, uncompressed and as JPEG-LS, is read again and
again by a warm reader; the steps are timed one by one. Also times the start of the command.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2

from endplate.datasets.simulator.api import simulate_film
from endplate.datasets.simulator.dicom import write_dicom
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.imaging.read import read_radiograph
from endplate.infer.pipeline import FilmReader
from endplate.reports.html import html_report
from endplate.reports.overlay import draw_overlay, encode_png
from endplate.reports.reading_json import reading_text

ROWS, COLUMNS = 2800, 1600


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Median time of a call in milliseconds, after one call to warm up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def film_of_size(folder: Path, compression: str) -> Path:
    """A simulated lumbar film, resized to the size of the benchmark, as DICOM."""
    settings = SimulatorSettings(mm_per_pixel=0.16, fields_of_view={"lumbar": 1.0}, bits=16)
    film = simulate_film(7, settings)
    image = cv2.resize(film.image, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    path = folder / f"{compression}.dcm"
    write_dicom(replace(film, image=image), path, compression=compression)  # type: ignore[arg-type]
    return path


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    reader = FilmReader(options.weights, threads=options.threads)
    with tempfile.TemporaryDirectory() as name:
        print(f"{ROWS} x {COLUMNS}, 16 bits, {reader.detector.provider}, warm; milliseconds")
        for compression in ("none", "jpegls"):
            path = film_of_size(Path(name), compression)
            film = read_radiograph(path)
            reading = reader.read(film)
            picture = draw_overlay(film.pixels, reading)
            steps: dict[str, Callable[[], object]] = {
                "decode": lambda p=path: read_radiograph(p),  # type: ignore[misc]
                "find, name, refine": lambda f=film: reader.find(f.pixels, f.calibration),  # type: ignore[misc]
                "decode to JSON": lambda p=path: reading_text(reader.read(read_radiograph(p))),  # type: ignore[misc]
                "overlay": lambda f=film, r=reading: encode_png(draw_overlay(f.pixels, r)),  # type: ignore[misc]
                "HTML": lambda r=reading, p=picture: html_report(r, p),  # type: ignore[misc]
            }
            print(f"\n{compression}: {len(reading.vertebrae)} vertebrae, {reading.quality.status}")
            for step, run in steps.items():
                print(f"  {step:20s} {median_ms(run, options.repeats):8.0f}")
    command = [sys.executable, "-P", "-c", "from endplate.infer.cli import main; main(['--help'])"]
    start = median_ms(lambda: subprocess.run(command, check=True, capture_output=True), 5)
    print(f"\nstart of the command (--help) {start:8.0f}")


if __name__ == "__main__":
    main()
