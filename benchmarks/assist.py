"""How well one click adds a body and the refiner snaps one: ``python benchmarks/assist.py``.

Bodies are taken off films, and clicked near their middles; corners are shaken, and snapped again;
and clicks are made beside the spine, where nothing should be found. Simulated films of numbers that
no training used are read by the shipped networks; real films (the data folder, $ENDPLATE_DATA or
--data) by those of the fold that never saw the subject (--weights). The least mean mass of heat
maps at which a body is taken to be there is chosen on the simulated films alone. --cts lists CTs
and their segmentations as for ``benchmarks/ct.py``; each is read by the networks of the fold that
saw nothing made of it, and errors are in depths of bodies as on films.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from endplate.datasets.coco import load_films
from endplate.datasets.ct_simulator.api import read_pairs
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.simulator.api import simulate_film
from endplate.datasets.splits import assign_folds
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.imaging.ct.labels import read_labels
from endplate.imaging.ct.read import read_ct
from endplate.imaging.ct.slab import cut_slabs
from endplate.imaging.radiograph import Radiograph
from endplate.infer.ct import read_ct_labels
from endplate.infer.ct_networks import SLABS
from endplate.review.assist import LEAST_MASS, Assistant, Slabs, body_at, clearness

FOLDS = 5
FIRST_SEED = 7_000_000
SETS = {
    "lumbar": "lumbar-laterals/annotations.json",
    "whole-spine": "whole-spine-laterals/annotations-six-points.json",
}
#: Standard deviations of clicks and of shaken corners, and places beside a body; in its depths.
CLICK, SHAKEN, BESIDE = 0.12, 0.08, (-2.5, -1.5, 1.5, 2.5)
BODIES_A_FILM = 4


@dataclass(frozen=True, eq=False)
class Subject:
    """A picture with its marked bodies, and who places bodies on it."""

    films: str
    picture: Radiograph
    bodies: Sequence[Vertebra]
    who: Assistant
    dark: bool = False
    slabs: Slabs | None = None


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt: what was done, how clear the body was, and how far the points are off."""

    films: str
    kind: str
    mass: float
    error: float


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=150, help="simulated films")
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--weights", default="runs/folds/FOLD")
    parser.add_argument("--cts", type=Path, default=None)
    options = parser.parse_args()
    data = options.data or Path(os.environ.get("ENDPLATE_DATA", "../shared/data"))
    tries = [t for subject in _subjects(options, data) for t in _tries(subject)]
    simulated = [t for t in tries if t.films == "simulated"]
    bodies = [t.mass for t in simulated if t.kind != "beside"]
    print(f"1st percentile of bodies of simulated films: {np.percentile(bodies, 1):.3f}")
    print(f"used: {LEAST_MASS}")
    print(f"{'films':12} {'done':8} {'n':>5} {'taken, %':>9} {'error median, p95 % of depth':>30}")
    for name in dict.fromkeys(t.films for t in tries):
        for kind in ("add", "snap", "beside"):
            _print(name, kind, [t for t in tries if t.films == name and t.kind == kind])


def _print(name: str, kind: str, tries: Sequence[Try]) -> None:
    taken = [t for t in tries if t.mass >= LEAST_MASS]
    share = 100 * len(taken) / len(tries)
    text = ""
    if kind != "beside":
        text = "{:.1f}, {:.1f}".format(*np.percentile([100 * t.error for t in taken], (50, 95)))
    print(f"{name:12} {kind:8} {len(tries):5} {share:9.1f} {text:>30}")


def _subjects(options: argparse.Namespace, data: Path) -> Iterator[Subject]:
    for name, film, who in _films(options, data):
        picture = Radiograph(film.image, Calibration(None, "none"), film.name, film.name)
        dark = film.attributes.get("contrast") == "inverted"
        yield Subject(name, picture, film.vertebrae, who, dark)
    pairs = [] if options.cts is None else read_pairs(options.cts)
    where = assign_folds([p.name for p in pairs], FOLDS) if pairs else {}
    for pair in pairs:
        who = Assistant(Path(options.weights.replace("FOLD", str(where[pair.name]))))
        ct = read_ct(pair.ct)
        truth = read_ct_labels(ct, read_labels(pair.labels))
        slab = truth.slab
        pixels = [s.pixels for s in cut_slabs(ct, slab.line, SLABS)]
        calibration = Calibration((slab.spacing, slab.spacing), "ct")
        picture = Radiograph(slab.pixels, calibration, pair.name, pair.name)
        bodies = truth.reading.vertebrae
        yield Subject(pair.name, picture, bodies, who, slabs=partial(list, pixels))


def _films(
    options: argparse.Namespace, data: Path
) -> Iterator[tuple[str, AnnotatedFilm, Assistant]]:
    shipped = Assistant()
    for seed in range(FIRST_SEED, FIRST_SEED + options.films):
        film = simulate_film(seed)
        if film.view == "lateral":
            yield "simulated", film, shipped
    folds = [Assistant(Path(options.weights.replace("FOLD", str(n)))) for n in range(FOLDS)]
    for name, file in SETS.items():
        path = data / file
        if not path.is_file() or folds[0].unavailable():
            print(f"{name}: left out, for want of {path} or of the networks of folds")
            continue
        films = load_films(path, path.parent / "images")
        where = assign_folds((f.subject for f in films), FOLDS)
        for film in films:
            yield name, film, folds[where[film.subject]]


def _tries(subject: Subject) -> Iterator[Try]:
    """Attempts at some bodies of a film, all of a CT, the same whenever it is run."""
    whole = [v for v in subject.bodies if np.isfinite(v.points).all()]
    if len(whole) < 3:
        return
    rows, columns = subject.picture.pixels.shape
    rng = np.random.default_rng([len(whole), rows, columns])
    order = rng.permutation(len(whole))
    for place in order if subject.slabs else order[:BODIES_A_FILM]:
        body = whole[place]
        others = [v for v in subject.bodies if v is not body]
        x, y = body.centre + rng.normal(0, CLICK, 2) * body.depth_px
        rough, down = body_at(others, x, y, body.level, rows)
        shaken = body.points + rng.normal(0, SHAKEN, (6, 2)) * body.depth_px
        jobs = [("add", rough, down), ("snap", shaken, down)]
        forward = (body.points[0] - body.points[2]) / np.hypot(*(body.points[0] - body.points[2]))
        for far in BESIDE:
            x, y = body.centre + far * body.depth_px * forward
            if 0 <= x < columns and 0 <= y < rows:
                jobs.append(("beside", *body_at(others, x, y, body.level, rows)))
        for kind, points, way in jobs:
            found = subject.who.look(
                subject.picture, points, way, inverted=subject.dark, slabs=subject.slabs
            )
            yield Try(subject.films, kind, clearness(found), _error(found.points, body))


def _error(points: FloatArray, body: Vertebra) -> float:
    """Median distance of the points from those that were marked, in depths."""
    return float(np.nanmedian(np.hypot(*(points - body.points).T)) / body.depth_px)


if __name__ == "__main__":
    main()
