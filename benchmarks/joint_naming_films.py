"""Naming the films of a subject together against film by film, on simulated films that are read.

``python benchmarks/joint_naming_films.py SERIES [SUBJECTS] [WEIGHTS]`` reads the films of a series
folder (``endplate series -o SERIES``) and prints a table: films with a wrong name, and subjects
whose films disagree about the levels. Films are judged whole, and cropped to a few bodies, most of
them without the sacrum; a cropped film is named again from the bodies that it keeps.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from endplate.datasets.coco import read_annotations
from endplate.datasets.film_annotation import FilmAnnotation
from endplate.geometry.levels import REGULAR_LEVELS
from endplate.imaging.read import read_radiograph
from endplate.infer.naming_report import naming_of
from endplate.infer.pipeline import FilmReader, FilmResult
from endplate.models.naming import name_column
from endplate.study.joint_naming import name_jointly
from endplate.study.reading import Reading

#: Share of the cropped films that keep the sacrum.
SACRUM = 0.3

Read = tuple[Reading, FilmResult]


def read_films(folder: Path, reader: FilmReader, subjects: int) -> dict[str, Read]:
    """Readings of the films of the first subjects, by file name."""
    out = {}
    for one in sorted(p for p in folder.iterdir() if p.is_dir())[:subjects]:
        for path in sorted(one.glob("*.dcm")):
            film = read_radiograph(path)
            result, reading = reader.read_found(film)
            out[path.name] = (reading, result)
    return out


def cropped(
    rng: np.random.Generator, read: Read, reader: FilmReader, bodies: int
) -> Reading | None:
    """The reading as if the film showed so many bodies only; None if too few are left."""
    reading, result = read
    found, column = result.found, result.found.column
    if column is None or not reading.vertebrae:
        return None
    shown = list(column.candidates)
    if rng.random() >= SACRUM:
        shown = [c for c in shown if not c.sacrum]
        shown = shown[: max(len(shown) - int(rng.integers(0, 3)), 1)]
    shown = shown[-bodies:]
    top = shown[0].centre[1] - 0.55 * shown[0].depth
    bottom = shown[-1].centre[1] + 0.55 * shown[-1].depth
    kept = [c for c in found.candidates if top < c.centre[1] < bottom]
    shape = (int(bottom), reading.source.columns)
    named = name_column(kept, reader.calibrations.naming, downward=found.downward, shape=shape)
    if named is None:
        return None
    vertebrae, rows = [], []
    for row, (c, level) in enumerate(zip(named.candidates, named.levels, strict=True)):
        for v in reading.vertebrae:
            apart = np.hypot(*(np.nanmean(v.points, axis=0) - np.nanmean(c.points, axis=0)))
            if apart < 0.3 * c.depth and (v.level == "S1") == c.sacrum and level != "above C7":
                sure = float(named.probabilities[row])
                vertebrae.append(replace(v, level=level, level_probability=sure))
                rows.append(row)
                break
    if len(vertebrae) < 3:
        return None
    return replace(
        reading, vertebrae=tuple(vertebrae), measurements=(), naming=naming_of(named, rows)
    )


def moved(reading: Reading, truth: FilmAnnotation) -> list[int]:
    """By how many levels each body must move to be right."""
    out = []
    for v in reading.vertebrae:
        for body in truth.vertebrae:
            apart = np.hypot(*(v.points[:3] - body.points[:3]).mean(axis=0))
            if apart < 0.35 * body.depth_px and v.level in REGULAR_LEVELS:
                out.append(REGULAR_LEVELS.index(body.level) - REGULAR_LEVELS.index(v.level))
    return out


def judge(
    name: str,
    readings: Mapping[str, Reading],
    truths: Mapping[str, FilmAnnotation],
    together: Callable[[Sequence[Reading]], Sequence[Reading]],
) -> None:
    """Print one row of the table."""
    subjects = disagree = films = wrong = 0
    for _, group in groupby(sorted(readings), key=lambda key: key.split("-")[0]):
        keys = list(group)
        named = together([readings[k] for k in keys])
        off = [moved(r, truths[k]) for k, r in zip(keys, named, strict=True)]
        subjects += 1
        films += len(off)
        disagree += len({int(np.median(o)) for o in off if o}) > 1
        wrong += sum(any(o) for o in off)
    print(
        f"{name:26s} {films:5d} films, {wrong:3d} wrong ({wrong / films:6.1%})"
        f"   {subjects:3d} subjects, {disagree:2d} disagree ({disagree / subjects:6.1%})",
        flush=True,
    )


def main(arguments: list[str]) -> None:
    """Print the table."""
    series = Path(arguments[0])
    subjects = int(arguments[1]) if len(arguments) > 1 else 65
    reader = FilmReader(Path(arguments[2]) if len(arguments) > 2 else None)
    truths = {f.file_name: f for f in read_annotations(series / "truth.json")}
    read = read_films(series / "films", reader, subjects)
    whole = {k: r for k, (r, _) in read.items() if r.vertebrae}
    for bodies in (0, 7, 5):
        rng = np.random.default_rng(bodies)
        readings = dict(whole)
        if bodies:
            few = {k: cropped(rng, one, reader, bodies) for k, one in read.items()}
            readings = {k: r for k, r in few.items() if r is not None}
        what = f"{bodies} bodies" if bodies else "whole films"
        judge(f"{what}, one by one", readings, truths, lambda films: films)
        judge(f"{what}, together", readings, truths, lambda films: name_jointly(films).readings)


if __name__ == "__main__":
    main(sys.argv[1:])
