"""Making simulated films and sets of them."""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.film_annotation import Facing, FilmAnnotation
from endplate.datasets.film_files import annotation_of, write_image
from endplate.datasets.film_set import write_set
from endplate.datasets.simulator.compose import compose, draw_subject
from endplate.datasets.simulator.detector import draw_look
from endplate.datasets.simulator.dicom import write_dicom
from endplate.datasets.simulator.framing import draw_camera
from endplate.datasets.simulator.frontal import compose_frontal
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.errors import InputError

__all__ = ["simulate_film", "simulate_set"]

_DEFAULTS: Final = SimulatorSettings()
#: Keeps the draws apart from those of other generators that start from the same seed.
_STREAM: Final = 2024


def simulate_film(seed: int, settings: SimulatorSettings = _DEFAULTS) -> AnnotatedFilm:
    """Make one film, the same for the same seed and settings.

    Parameters
    ----------
    seed : int
        0 or more; also names the subject.
    settings : SimulatorSettings
        Mix and resolution.

    Returns
    -------
    AnnotatedFilm
        Bone bright. A frontal film has no landmarks. On a lateral one every body from C7 to S1
        that shows all its points is marked. Bodies that the border cuts are in
        ``attributes["cut_bodies"]``, those of C3 to C6 in ``attributes["other_bodies"]``:
        level to 4 x 2 list of corners in the order of `CORNERS`.

    Raises
    ------
    InputError
        If the seed is negative.
    """
    if seed < 0:
        raise InputError(f"seed {seed}: expected 0 or more")
    rng = np.random.default_rng([seed, _STREAM])
    names = list(settings.fields_of_view)
    weights = np.array([settings.fields_of_view[n] for n in names], dtype=float)
    field_of_view = str(rng.choice(names, p=weights / weights.sum()))
    subject = draw_subject(rng, settings)
    camera = draw_camera(rng, subject.spine, field_of_view, settings.mm_per_pixel)
    look = draw_look(rng, settings.edge_enhanced, field_of_view == "whole")
    if settings.view == "frontal":
        about = {"field_of_view": field_of_view, "simulated": True}
        return compose_frontal(
            rng, subject.spine, camera, look, settings.bits, f"sim-{seed}", about
        )
    facing: Facing = "right" if rng.random() < 0.5 else "left"
    film = compose(rng, subject, camera, look, facing, settings.bits, f"sim-{seed}")
    return replace(film, attributes={"field_of_view": field_of_view, **film.attributes})


def simulate_set(
    out_dir: str | Path,
    count: int,
    seed: int = 0,
    settings: SimulatorSettings = _DEFAULTS,
    workers: int = 1,
    dicom: bool = False,
) -> Path:
    """Write `count` films of the seeds `seed`, `seed` + 1, ... with their landmarks.

    A run that was interrupted goes on where it stopped when it is called again in the same way.

    Parameters
    ----------
    out_dir : path
        Gets ``images/sim-<seed>.png`` and ``annotations.json``; made if it does not exist.
    count : int
        How many.
    seed : int
        Of the first film.
    settings : SimulatorSettings
        Mix and resolution.
    workers : int
        Processes that share the work; the files are the same whatever the number.
    dicom : bool
        Also write ``dicom/sim-<seed>.dcm``.

    Returns
    -------
    Path
        Of ``annotations.json``.

    Raises
    ------
    InputError
        If the count is below one.
    """
    if count < 1:
        raise InputError(f"count {count}: expected 1 or more films")
    folder = Path(out_dir)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    if dicom:
        (folder / "dicom").mkdir(exist_ok=True)
    one = partial(_write_one, folder=folder, settings=settings, dicom=dicom)
    jobs = {f"sim-{s}": s for s in range(seed, seed + count)}
    request = {"source": "parametric", "settings": asdict(settings), "dicom": dicom}
    return write_set(folder, jobs, one, request, workers, chunk=4)


def _write_one(seed: int, folder: Path, settings: SimulatorSettings, dicom: bool) -> FilmAnnotation:
    """Write the image of one film; returns what is to stand in the annotation file."""
    film = simulate_film(seed, settings)
    write_image(film, folder / "images")
    if dicom:
        write_dicom(film, folder / "dicom" / f"{film.subject}.dcm")
    return annotation_of(film)
