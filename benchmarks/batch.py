"""How fast a batch is: ``python benchmarks/batch.py [--films 60] [--workers 2] [--weights DIR]``.

Simulated lateral films of 2800 x 1600 pixels, 16 bits, are read as a batch with all outputs. The
table gives films per second, and what the batch took over what its workers took to decode and read
the films, in time shared among them and in seconds of the processor: 1 would be no cost for
anything else. The latter also holds on a machine that is busy with other things.
"""

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from endplate.datasets.simulator.api import simulate_film
from endplate.datasets.simulator.dicom import write_dicom
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.infer.batch.journal import Journal
from endplate.infer.batch.options import BatchOptions
from endplate.infer.batch.run import run_batch

ROWS, COLUMNS = 2800, 1600
DISTINCT = 6


def make_films(folder: Path, count: int, compression: str) -> None:
    """Films of a few simulated spines, each a little different, so that none is a duplicate."""
    settings = SimulatorSettings(mm_per_pixel=0.16, fields_of_view={"lumbar": 1.0}, bits=16)
    spines = [simulate_film(seed, settings) for seed in range(min(DISTINCT, count))]
    for number in range(count):
        film = spines[number % len(spines)]
        image = cv2.resize(film.image, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        image[0, : COLUMNS // 2] = (np.arange(COLUMNS // 2) * 7 + number) % 60_000
        changed = replace(film, image=image, name=f"film-{number}")
        write_dicom(changed, folder / f"film-{number}.dcm", compression=compression)  # type: ignore[arg-type]


def spent_by_workers(journal_path: Path, clock: str) -> Counter[str]:
    """Seconds of all films together, by step; `clock` is ``seconds`` or ``cpu_seconds``."""
    journal = Journal(journal_path)
    seconds: Counter[str] = Counter()
    for line in journal.lines("read"):
        seconds.update((line.film or {})[clock])
    journal.close()
    return seconds


def cpu_seconds() -> float:
    """Of this process and of those that it has started and ended."""
    spent = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--compression", default="none", help="none, jpeg-ls, ...")
    parser.add_argument("--dicom", default="", help="DICOM results: sr,gsps,sc")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        films, output = Path(name) / "films", Path(name) / "out"
        films.mkdir()
        make_films(films, options.films, options.compression)
        batch = BatchOptions(
            films,
            str(output),
            workers=options.workers,
            weights=options.weights,
            results=tuple(filter(None, options.dicom.split(","))),
        )
        begun, cpu = time.perf_counter(), cpu_seconds()
        result = run_batch(batch)
        wall, cpu = time.perf_counter() - begun, cpu_seconds() - cpu
        seconds = spent_by_workers(batch.journal_path, "cpu_seconds")
        core = seconds["decode"] + seconds["read"]
        waited = spent_by_workers(batch.journal_path, "seconds")
        shared = (waited["decode"] + waited["read"]) / options.workers
        names = ("films", "workers", "seconds", "films/s", "over decode+read", "the same in CPU")
        print(" ".join(f"{name:>{max(8, len(name))}}" for name in names))
        print(
            f"{options.films:>8} {options.workers:>8} {wall:>8.1f} {options.films / wall:>8.2f}"
            f" {wall / shared:>16.2f} {cpu / core:>15.2f}"
        )
        each = {step: round(1000 * value / options.films) for step, value in seconds.items()}
        print("CPU ms of one worker for a film:", json.dumps(each))
        print("files by outcome:", {k: v for k, v in result.counts.items() if v})


if __name__ == "__main__":
    main()
