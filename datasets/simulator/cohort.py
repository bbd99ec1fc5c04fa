"""Films of a made-up cohort: each subject drawn once, its injured body changed at each visit."""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.film_annotation import FilmAnnotation
from endplate.datasets.film_set import write_set
from endplate.datasets.simulator.anatomy import Body, SpineModel, rotation
from endplate.datasets.simulator.cement import Cement
from endplate.datasets.simulator.cement_draw import draw_cement
from endplate.datasets.simulator.cohort_plan import PlannedSubject, PlannedVisit
from endplate.datasets.simulator.compose import Subject, cement_record, compose
from endplate.datasets.simulator.detector import draw_look
from endplate.datasets.simulator.dicom import write_dicom
from endplate.datasets.simulator.draw import draw_spine
from endplate.datasets.simulator.framing import draw_camera
from endplate.datasets.simulator.hardware import Hardware, draw_hardware
from endplate.datasets.simulator.pathology import break_body, with_body
from endplate.datasets.simulator.projection import Camera
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.datasets.simulator.truth import project_body
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import LEVELS, above, below

__all__ = [
    "COHORT_SETTINGS",
    "cohort_film",
    "subject_at",
    "visit_annotation",
    "write_clinical",
    "write_cohort",
]

#: Adults of a trauma series: few curves and slips, some wear, no odd counts of vertebrae.
COHORT_SETTINGS: Final = SimulatorSettings(
    mm_per_pixel=0.3, scoliosis=0.05, listhesis=0.05, degenerative=0.3, variant=0.0, bits=16
)
#: Degrees by which each disc bends more or less from one visit to the next.
_POSTURE_DEG: Final = 0.7
_STREAM: Final = 4021


def subject_at(
    planned: PlannedSubject, visit: PlannedVisit, settings: SimulatorSettings = COHORT_SETTINGS
) -> Subject:
    """The subject on the day of a visit.

    Spine, fracture, cement and screws are the same at all visits but for what the plan changes:
    the wedge of the injured body, and the posture a little.
    """
    rng = np.random.default_rng([planned.seed, _STREAM])
    spine = draw_spine(rng, settings)
    lost_behind = float(rng.uniform(0.06, 0.18) if planned.fracture_type[:2] == "A3" else 0.02)
    kind = "burst" if planned.fracture_type.startswith("A3") else "wedge"
    broken = break_body(rng, spine, planned.level, kind, 0.3, lost_behind).body(planned.level)
    assert broken is not None  # no variants: the level exists
    changed = replace(broken, anterior=broken.anterior_of(visit.kyphosis_deg))
    treated = visit.name != "pre"
    if treated:
        changed = replace(changed, step=0.0, crease=0.0, cement=_cement(planned, broken))
    spine = with_body(spine, changed, share=0.75)
    seen_on = [planned.seed, _STREAM, [v.name for v in planned.visits].index(visit.name)]
    spine = _with_posture(np.random.default_rng(seen_on), spine)
    spine = replace(spine, standing=visit.position == "standing")
    hardware = Hardware()
    if treated and planned.technique == "kyphoplasty_fixation":
        own = np.random.default_rng([planned.seed, _STREAM, 99])
        hardware = draw_hardware(own, spine, "screws", cages=False)
    return Subject(spine, hardware)


def _cement(planned: PlannedSubject, broken: Body) -> Cement:
    """The cement of a subject, the same at all visits after the operation.

    It fits into the body as it is when most height is lost again: what is hard does not shrink.
    """
    worst = max(v.kyphosis_deg for v in planned.visits if v.name != "pre")
    body = replace(broken, anterior=broken.anterior_of(worst), step=0.0)
    rng = np.random.default_rng([planned.seed, _STREAM, 77])
    return draw_cement(rng, body, planned.cement, planned.leak)


def _with_posture(rng: np.random.Generator, spine: SpineModel) -> SpineModel:
    """Bend each disc from T8 down by a little, the spine above following."""
    bodies = list(spine.bodies)
    for i in range(len(bodies) - 1, 0, -1):
        if LEVELS.index(bodies[i].level if bodies[i].level in LEVELS else "C7") < LEVELS.index(
            "T8"
        ):
            break
        angle = float(np.deg2rad(rng.normal(0.0, _POSTURE_DEG)))
        turn = rotation(angle, 0.0, 0.0)
        pivot = (bodies[i].centre + bodies[i - 1].centre) / 2
        for k in range(i):
            b = bodies[k]
            bodies[k] = replace(
                b,
                centre=pivot + turn @ (b.centre - pivot),
                angles=(b.angles[0] + angle, b.angles[1], b.angles[2]),
            )
    return replace(spine, bodies=tuple(bodies))


def _visit_rng(planned: PlannedSubject, visit: PlannedVisit) -> np.random.Generator:
    index = [v.name for v in planned.visits].index(visit.name)
    return np.random.default_rng([planned.seed, _STREAM, 1000 + index])


def _camera(
    rng: np.random.Generator, planned: PlannedSubject, spine: SpineModel, pixel_mm: float
) -> Camera:
    """New positioning and magnification; the injured body and its neighbours are on the film."""
    camera = draw_camera(rng, spine, "thoracolumbar", pixel_mm)
    for _ in range(50):
        near = (above(planned.level), planned.level, below(planned.level))
        bodies = [b for b in spine.bodies if b.level in near]
        if all(_inside(project_body(camera, b), *camera.shape) for b in bodies):
            break
        camera = draw_camera(rng, spine, "thoracolumbar", pixel_mm)
    return camera


def cohort_film(
    planned: PlannedSubject, visit: PlannedVisit, settings: SimulatorSettings = COHORT_SETTINGS
) -> AnnotatedFilm:
    """The film of a visit, called ``<subject>-<day>.dcm``."""
    subject = subject_at(planned, visit, settings)
    rng = _visit_rng(planned, visit)
    camera = _camera(rng, planned, subject.spine, settings.mm_per_pixel)
    look = draw_look(rng, settings.edge_enhanced, False)
    facing = "right" if planned.seed % 2 else "left"
    film = compose(rng, subject, camera, look, facing, settings.bits, planned.subject, dirt=False)  # type: ignore[arg-type]
    return replace(
        film,
        name=_film_name(planned, visit),
        attributes={
            "field_of_view": "thoracolumbar",
            **film.attributes,
            "study_date": visit.day.strftime("%Y%m%d"),
            "time_point": visit.name,
        },
    )


def visit_annotation(
    planned: PlannedSubject, visit: PlannedVisit, settings: SimulatorSettings = COHORT_SETTINGS
) -> FilmAnnotation:
    """The landmarks of `cohort_film` without making its image."""
    subject = subject_at(planned, visit, settings)
    rng = _visit_rng(planned, visit)
    camera = _camera(rng, planned, subject.spine, settings.mm_per_pixel)
    rows, columns = camera.shape
    left = planned.seed % 2 == 0
    seen = []
    for body in (*subject.spine.bodies, subject.spine.sacrum):
        if body.level not in LEVELS:
            continue
        points = project_body(camera, body)
        if left:
            points = points * [-1.0, 1.0] + [columns - 1.0, 0.0]
        if _inside(points, rows, columns):
            metal = body.level in subject.hardware.screw_levels
            cemented = body.cement is not None
            seen.append(Vertebra(body.level, points, hardware=metal, cement=cemented))
    return FilmAnnotation(
        file_name=_film_name(planned, visit),
        width=columns,
        height=rows,
        vertebrae=tuple(seen),
        facing="left" if left else "right",
        spacing_mm=(camera.pixel_mm, camera.pixel_mm),
        complete=True,
        subject=planned.subject,
        attributes={
            "position": visit.position,
            "study_date": visit.day.strftime("%Y%m%d"),
            "time_point": visit.name,
            "cement": cement_record(subject.spine),
        },
    )


def _inside(points: FloatArray, rows: int, columns: int) -> bool:
    known = points[np.isfinite(points[:, 0])]
    return bool(((known >= 0) & (known <= [columns - 1, rows - 1])).all())


def _film_name(planned: PlannedSubject, visit: PlannedVisit) -> str:
    return f"{planned.subject}-{visit.day:%Y%m%d}.dcm"


def write_cohort(folder: str | Path, cohort: Sequence[PlannedSubject], workers: int = 1) -> Path:
    """Write the films of a cohort as DICOM, with its clinical table and its truth.

    A run that was interrupted goes on where it stopped when it is called again in the same way.

    Parameters
    ----------
    folder : path
        Gets ``films/<subject>/<subject>-<day>.dcm``, ``clinical.csv``, ``truth.json`` (landmarks)
        and ``plan.csv`` (the planned kyphosis of each visit).
    cohort : sequence of PlannedSubject
    workers : int
        Processes that share the work.

    Returns
    -------
    Path
        Of the folder with the films.
    """
    folder = Path(folder)
    films = folder / "films"
    films.mkdir(parents=True, exist_ok=True)
    for planned in cohort:
        (films / planned.subject).mkdir(exist_ok=True)
    jobs = {
        f"{planned.subject}-{visit.day:%Y%m%d}": (planned, visit)
        for planned in cohort
        for visit in planned.visits
        if visit.seen
    }
    request = {"source": "cohort", "plan": hashlib.sha256(repr(list(cohort)).encode()).hexdigest()}
    one = partial(_write_visit, folder=films)
    write_set(folder, jobs, one, request, workers, annotations="truth.json")
    write_clinical(folder / "clinical.csv", cohort)
    _write_plan(folder / "plan.csv", cohort)
    return films


def _write_visit(job: tuple[PlannedSubject, PlannedVisit], folder: Path) -> FilmAnnotation:
    planned, visit = job
    film = cohort_film(planned, visit)
    path = folder / planned.subject / film.name
    write_dicom(film, path, patient_name=f"Simulated^{planned.subject}")
    return visit_annotation(planned, visit)


def write_clinical(path: str | Path, cohort: Sequence[PlannedSubject]) -> None:
    """Write the clinical table of `endplate cohort`."""
    names = [v.name.replace(" ", "_") for v in cohort[0].visits]
    head = ["subject", "operation_date", "age", "sex", "index_level", "fracture_type", "technique"]
    head += ["cement", "leak", *(f"vas_{n}" for n in names), *(f"autonomy_{n}" for n in names)]
    head += ["return_to_work", "dropout"]
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for s in cohort:
            works = {None: "", True: "yes", False: "no"}[s.return_to_work]
            writer.writerow(
                [
                    *(s.subject, s.operation.isoformat(), s.age, s.sex, s.level, s.fracture_type),
                    *(s.technique, s.cement, "yes" if s.leak else "no"),
                    *((v.pain if v.seen else "") for v in s.visits),
                    *((v.disability if v.seen else "") for v in s.visits),
                    *(works, s.dropout),
                ]
            )


def _write_plan(path: Path, cohort: Sequence[PlannedSubject]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "time_point", "date", "seen", "planned_kyphosis_deg"])
        for s in cohort:
            for v in s.visits:
                writer.writerow(
                    [
                        s.subject,
                        v.name,
                        v.day.isoformat(),
                        "yes" if v.seen else "no",
                        v.kyphosis_deg,
                    ]
                )
