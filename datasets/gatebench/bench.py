"""All images of the bench, one after the other."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from endplate.datasets.coco import load_films, read_annotations
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.gatebench.bones import OTHER_BONES, draw_bones
from endplate.datasets.gatebench.degrade import DAMAGES, column_cut_off
from endplate.datasets.gatebench.phantoms import PHANTOMS, draw_phantom
from endplate.datasets.gatebench.pictures import package_pictures
from endplate.datasets.gatebench.slices import ct_views, draw_mr
from endplate.datasets.gatebench.specimen import Specimen
from endplate.datasets.simulator.api import simulate_film
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.datasets.splits import assign_folds
from endplate.errors import EndplateError, InputError
from endplate.imaging.ct.read import read_ct
from endplate.imaging.read import read_radiograph

__all__ = ["DRAWN", "BenchConfig", "bench", "data_films", "generated"]

_SETS: Final = ("lumbar-laterals", "whole-spine-laterals")
_CTS: Final = ("ct/chest/cxr.nii.gz", "ct/abdomen/example_ct.nii.gz", "ct/abdomen/dicom-jpeg2000")
_FRONTAL: Final = "simulated frontal film"
_MR: Final = "drawn sagittal MR slice"
#: Kinds to be rejected that are drawn or simulated: no image of them was ever taken.
DRAWN: Final = frozenset((*PHANTOMS, *OTHER_BONES, _FRONTAL, _MR))
_FIRST_SEED: Final = 7_700_000
"""Seeds of simulated films, apart from those that networks are trained on."""


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """How much of each kind.

    Parameters
    ----------
    data : Path or None
        The data folder; None leaves out what needs it.
    drawn : int
        Images of each drawn or simulated kind.
    share : int
        Each way of damage is tried on every `share`-th lateral film.
    folds : int
        Folds of the networks that read films of the data folder.
    """

    data: Path | None
    drawn: int = 3
    share: int = 3
    folds: int = 5


def bench(config: BenchConfig) -> Iterator[Specimen]:
    """Every specimen that can be had.

    Raises
    ------
    InputError
        If there is a data folder without annotations.
    """
    yield from generated(config.drawn)
    for kind, name, image in package_pictures():
        yield Specimen(image, kind, name, name, True)
    if config.data is not None:
        yield from _frontals_and_limbs(config.data, config.folds)
        yield from _laterals(config.data, config)
        yield from _ct(config.data)


def generated(count: int) -> Iterator[Specimen]:
    """What needs neither data nor other packages: drawn and simulated images."""
    for kind in PHANTOMS:
        for i in range(count):
            yield Specimen(draw_phantom(kind, i), kind, f"{kind}-{i}", f"{kind}-{i}", True)
    for kind in OTHER_BONES:
        for i in range(count):
            yield Specimen(draw_bones(kind, i), kind, f"{kind}-{i}", f"{kind}-{i}", True)
    frontal = SimulatorSettings(view="frontal")
    for i in range(2 * count):
        film = simulate_film(_FIRST_SEED + i, frontal)
        yield Specimen(film.image, _FRONTAL, film.name, film.subject, True)
    for i in range(2 * count):
        film = simulate_film(_FIRST_SEED + 1000 + i, SimulatorSettings(mm_per_pixel=0.8))
        try:
            image = draw_mr(film, i, bright_water=bool(i % 2))
        except ValueError:
            continue
        yield Specimen(image, _MR, film.name, film.subject, True)
    yield from _simulated_laterals(count)


def _simulated_laterals(count: int) -> Iterator[Specimen]:
    plain = SimulatorSettings(hardware=0.0, cement=0.0)
    metal = SimulatorSettings(hardware=1.0)
    for i in range(2 * count):
        film = simulate_film(_FIRST_SEED + 2000 + i, plain)
        yield Specimen(film.image, "simulated lateral film", film.name, film.subject, False)
        film = simulate_film(_FIRST_SEED + 3000 + i, metal)
        if film.attributes.get("hardware"):
            kind, due = "simulated lateral film with hardware", ("hardware",)
            yield Specimen(film.image, kind, film.name, film.subject, False, due)


def data_films(data: Path, folds: int) -> list[tuple[AnnotatedFilm, int]]:
    """Real lateral films of the data folder, each with the fold of its subject.

    With the six-point bodies where a film was read so, which are those in its middle.
    """
    out = []
    for folder in _SETS:
        path = data / folder / "annotations.json"
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected the annotations of {folder}")
        metal = {f.file_name for f in read_annotations(path) if f.attributes.get("hardware")}
        exact = path.with_name("annotations-six-points.json")
        films = load_films(exact if exact.is_file() else path, data / folder / "images")
        marked = [_with_metal(f) if f.name in metal else f for f in films]
        where = assign_folds((f.subject for f in marked), folds)
        out += [(f, where[f.subject]) for f in marked]
    return out


def _with_metal(film: AnnotatedFilm) -> AnnotatedFilm:
    return replace(film, attributes={**film.attributes, "hardware": True})


def _laterals(data: Path, config: BenchConfig) -> Iterator[Specimen]:
    for film, fold in data_films(data, config.folds):
        metal = bool(film.attributes.get("hardware"))
        kind = "real lateral film with hardware" if metal else "real lateral film"
        due = ("hardware",) if metal else ()
        yield Specimen(film.image, kind, film.name, film.subject, False, due, fold)
        front = column_cut_off(film) if film.vertebrae else None
        if front is not None and config.share and _draw(film.name, "front") % 2 == 0:
            kind = "lateral film without the spine"
            yield Specimen(front, kind, f"{film.name}-front", film.subject, True, (), fold)
        for damage, how in DAMAGES.items():
            if not film.vertebrae or _draw(film.name, damage) % config.share:
                continue
            image = how.apply(film, np.random.default_rng(_draw(film.name, damage)))
            name = f"{film.name}-{damage}"
            yield Specimen(image, damage, name, film.subject, False, how.reasons, fold)


def _draw(*words: str) -> int:
    """A number from words, the same everywhere."""
    return int.from_bytes(hashlib.sha256("/".join(words).encode()).digest()[:4], "little")


def _frontals_and_limbs(data: Path, folds: int) -> Iterator[Specimen]:
    paths = sorted((data / "negatives").glob("*.jpg"))
    where = assign_folds((p.stem for p in paths), folds) if paths else {}
    for path in paths:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
        if image is not None:
            grey = np.asarray(image, np.uint8)
            yield Specimen(
                grey, "real frontal film", path.name, path.stem, True, (), where[path.stem]
            )
    limbs = sorted((data / "dicom-radiographs").glob("RG*.dcm"))
    where = assign_folds((p.stem.partition("_")[0] for p in limbs), folds) if limbs else {}
    seen: set[str] = set()
    for path in limbs:
        subject = path.stem.partition("_")[0]
        if subject in seen:
            continue  # other encodings of the same film
        try:
            film = read_radiograph(path)
        except EndplateError:
            continue
        seen.add(subject)
        pixels = film.pixels
        kind = "real chest, hip or leg film"
        yield Specimen(pixels, kind, path.name, subject, True, (), where[subject])


def _ct(data: Path) -> Iterator[Specimen]:
    for name in _CTS:
        path = data / name
        if not path.exists():
            continue
        for kind, view, image in ct_views(read_ct(path)):
            yield Specimen(image, kind, f"{name}-{kind}-{view}", f"{name}-{kind}", True)
