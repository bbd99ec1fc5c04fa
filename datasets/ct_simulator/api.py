"""Sets of films and slabs made of CTs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, Literal

import numpy as np

from endplate.datasets.ct_simulator.deform import draw_deformation
from endplate.datasets.ct_simulator.film import radiograph
from endplate.datasets.ct_simulator.slab import slab_film
from endplate.datasets.ct_simulator.source import CtSource, load_source
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.film_annotation import FilmAnnotation
from endplate.datasets.film_files import annotation_of, write_image
from endplate.datasets.film_set import write_set
from endplate.errors import InputError, UnknownName

__all__ = ["KINDS", "CtPair", "read_pairs", "simulate_ct_film", "simulate_ct_set", "source_of"]

Kind = Literal["film", "slab"]
KINDS: Final[tuple[Kind, ...]] = ("film", "slab")
#: Keeps the draws apart from those of other generators that start from the same seed.
_STREAM: Final = 515


@dataclass(frozen=True, slots=True)
class CtPair:
    """A CT and its segmentation; `name` is the subject of everything made of it."""

    name: str
    ct: str
    labels: str


def read_pairs(path: str | Path) -> tuple[CtPair, ...]:
    """Read a list of CTs: JSON, ``[{"name": .., "ct": .., "labels": ..}]``; files beside it.

    Raises
    ------
    InputError
        If it is not of that form, or names a file that is not there.
    """
    path = Path(path)
    wanted = 'a JSON list of {"name", "ct", "labels"}'
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        pairs = tuple(CtPair(str(r["name"]), str(r["ct"]), str(r["labels"])) for r in rows)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; expected {wanted}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: expected {wanted}") from error
    if not pairs:
        raise InputError(f"{path}: an empty list; expected {wanted}")
    beside = tuple(
        CtPair(p.name, str(path.parent / p.ct), str(path.parent / p.labels)) for p in pairs
    )
    for pair in beside:
        for file in (pair.ct, pair.labels):
            if not Path(file).exists():
                raise InputError(f"{path}: {pair.name}: {file} does not exist")
    return beside


@lru_cache(maxsize=3)
def source_of(pair: CtPair) -> CtSource:
    """The CT of a pair, read once for all that is made of it."""
    return load_source(pair.name, pair.ct, pair.labels)


def simulate_ct_film(
    pair: CtPair, seed: int, kind: Kind = "film", fractured: float = 0.5
) -> AnnotatedFilm:
    """Make one film or slab, the same for the same seed.

    Raises
    ------
    UnknownName
        If there is no such kind.
    """
    if kind not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    source = source_of(pair)
    rng = np.random.default_rng([seed, _STREAM, KINDS.index(kind)])
    deformation = draw_deformation(rng, source, fractured)
    make = radiograph if kind == "film" else slab_film
    return make(rng, source, deformation, _name(pair, kind, seed))


def simulate_ct_set(
    out_dir: str | Path,
    pairs: Sequence[CtPair],
    count: int,
    seed: int = 0,
    kind: Kind = "film",
    fractured: float = 0.5,
    workers: int = 1,
) -> Path:
    """Write `count` films or slabs of each CT with their landmarks.

    A run that was interrupted goes on where it stopped when it is called again in the same way.

    Returns
    -------
    Path
        Of ``annotations.json``.

    Raises
    ------
    InputError
        If the count is below one.
    UnknownName
        If there is no such kind.
    """
    if count < 1:
        raise InputError(f"count {count}: expected 1 or more")
    if kind not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    folder = Path(out_dir)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    jobs = {_name(pair, kind, s): (pair, s) for pair in pairs for s in range(seed, seed + count)}
    one = partial(_write_one, folder=folder, kind=kind, fractured=fractured)
    files = {p.name: [_state(p.ct), _state(p.labels)] for p in pairs}
    request = {"source": "ct", "kind": kind, "fractured": fractured, "cts": files}
    return write_set(folder, jobs, one, request, workers, chunk=8)


def _name(pair: CtPair, kind: Kind, seed: int) -> str:
    return f"{pair.name}-{kind}-{seed}"


def _state(path: str) -> list[int]:
    """Size and time of a file: another CT of the same name is seen."""
    found = Path(path).stat()
    return [found.st_size, found.st_mtime_ns]


def _write_one(
    job: tuple[CtPair, int], folder: Path, kind: Kind, fractured: float
) -> FilmAnnotation:
    film = simulate_ct_film(job[0], job[1], kind, fractured)
    write_image(film, folder / "images")
    return annotation_of(film)
