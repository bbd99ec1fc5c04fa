"""Simulated films of seeds that no network was trained on: made, read and judged one by one."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import numpy as np
from rich.progress import track

from endplate.datasets import film_files
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.simulator.api import simulate_film
from endplate.datasets.simulator.dicom import write_dicom
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.imaging.read import read_radiograph
from endplate.infer.pipeline import FilmReader
from endplate.study.reading import Reading
from endplate.train.accuracy import FilmResult, Truth, judge_film

__all__ = ["SETTINGS", "each", "read_simulated", "reader_of", "score_film", "truth_of"]

#: Films like those that the networks are trained on, but of finer pixels, as real ones are.
SETTINGS: Final = SimulatorSettings(
    mm_per_pixel=0.25,
    fields_of_view={"lumbar": 0.42, "thoracolumbar": 0.2, "short": 0.1, "whole": 0.28},
    bits=16,
)

_Item = TypeVar("_Item")
_Out = TypeVar("_Out")
_readers: dict[str, FilmReader] = {}


def read_simulated(
    networks: str, count: int, seed: int, workers: int = 1
) -> tuple[FilmResult, ...]:
    """Make, read and judge the films of `count` seeds from `seed` on.

    Parameters
    ----------
    networks : str
        Folder of the networks; empty: those of the package.
    """
    one = partial(_judge_one, networks=networks)
    return tuple(each(one, range(seed, seed + count), workers, "simulated films"))


def each(one: "partial[_Out]", items: Sequence[_Item], workers: int, what: str) -> Iterator[_Out]:
    """`one` of every item, in order, in `workers` processes; shows progress."""
    done = film_files.each(one, items, workers)
    yield from track(done, what, len(items), transient=True)


def reader_of(networks: str) -> FilmReader:
    """The reader of this process."""
    if networks not in _readers:
        _readers[networks] = FilmReader(Path(networks) if networks else None, threads=1)
    return _readers[networks]


def score_film(film: AnnotatedFilm, reader: FilmReader) -> Reading:
    """Read a film as a user would: from a DICOM file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / Path(film.name).with_suffix(".dcm").name
        write_dicom(film, path, patient_name=f"Simulated^{film.subject}")
        return reader.read(read_radiograph(path))


def truth_of(film: AnnotatedFilm) -> Truth:
    """What is to be found on a simulated film."""
    others: dict[str, Any] = film.attributes.get("other_bodies") or {}
    metal = tuple(v.level for v in film.vertebrae if v.hardware)
    return Truth(
        film.name,
        "simulated",
        film.vertebrae,
        {v.level: v for v in film.vertebrae},
        tuple(np.array(corners, dtype=np.float64) for corners in others.values()),
        hardware=bool(film.attributes.get("hardware")) or bool(metal),
        metal_levels=metal,
        extent=str(film.attributes.get("field_of_view", "")),
    )


def _judge_one(seed: int, networks: str) -> FilmResult:
    film = simulate_film(seed, SETTINGS)
    return judge_film(truth_of(film), score_film(film, reader_of(networks)))
