"""Naming the films of a subject together against film by film, on simulated landmarks.

``python benchmarks/joint_naming.py [SUBJECTS]`` prints a table. Each subject has up to five films
of new positioning and magnification; points carry an error, and a share of the films is miscounted
by one (rarely two) with a level probability that is as unsure as that of right films is not.
Films that show the sacrum are never miscounted.
"""

import sys

import numpy as np

from endplate.datasets.simulator.cohort import visit_annotation
from endplate.datasets.simulator.cohort_plan import PlannedSubject, plan_cohort
from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import Vertebra
from endplate.study.joint_naming import name_jointly, shift_level
from endplate.study.reading import Quality, Reader, Reading, Source


def miscounted(
    rng: np.random.Generator, subject: PlannedSubject, share: float, error_mm: float, crop: int
) -> tuple[list[Reading], list[int]]:
    """Readings of a subject's films without calibration, and by how much each is miscounted."""
    readings, shifts = [], []
    for visit in subject.visits:
        if not visit.seen:
            continue
        film = visit_annotation(subject, visit)
        bodies = list(film.vertebrae)
        if crop and len(bodies) > crop:
            start = int(rng.integers(0, len(bodies) - crop + 1))
            bodies = bodies[start : start + crop]
        shift = 0
        if bodies[-1].level != "S1" and rng.random() < share:
            shift = int(rng.choice([-2, -1, 1, 2], p=[0.06, 0.44, 0.44, 0.06]))
        levels = [shift_level(v.level, shift) for v in bodies]
        if None in levels or "S1" in levels[:-1] or (shift and "S1" in levels):
            shift, levels = 0, [v.level for v in bodies]
        right = float(rng.beta(9, 1.2) if not shift else rng.beta(4, 2.5))
        assert film.spacing_mm is not None  # simulated films have one
        sigma = error_mm / film.spacing_mm[0]
        noisy = tuple(
            Vertebra(
                str(level),
                v.points + rng.normal(0, sigma, (6, 2)),
                level_probability=right,
            )
            for v, level in zip(bodies, levels, strict=True)
        )
        source = Source(film.file_name, film.file_name, film.height, film.width)
        readings.append(
            Reading(
                film.file_name,
                "2026-01-01T00:00:00+00:00",
                Reader("model", "simulated"),
                source,
                UNCALIBRATED,
                Quality("accepted"),
                noisy,
                (),
            )
        )
        shifts.append(shift)
    return readings, shifts


def compare(
    subjects: int, share: float, error_mm: float, crop: int, seed: int = 1
) -> tuple[float, float, float, float]:
    """Shares of subjects with a shift between visits and of films named wrong: before, after."""
    rng = np.random.default_rng(seed)
    before = after = films = wrong = still = 0
    for subject in plan_cohort(subjects, seed):
        readings, shifts = miscounted(rng, subject, share, error_mm, crop)
        named = name_jointly(readings)
        left = [a + b for a, b in zip(shifts, named.shifts, strict=True)]
        before += len(set(shifts)) > 1
        after += len(set(left)) > 1
        films += len(shifts)
        wrong += sum(s != 0 for s in shifts)
        still += sum(s != 0 for s in left)
    return before / subjects, after / subjects, wrong / films, still / films


def main(arguments: list[str]) -> None:
    """Print the table."""
    subjects = int(arguments[0]) if arguments else 30
    print("error mm  bodies  miscounted | subjects with a level shift | films named wrong")
    for error_mm in (0.5, 1.0):
        for crop in (0, 6, 5):
            for share in (0.0, 0.15):
                a, b, c, d = compare(subjects, share, error_mm, crop)
                shown = str(crop) if crop else "all"
                print(
                    f"{error_mm:8.1f}  {shown:>6}  {share:9.0%}  |"
                    f" {a:10.1%} -> {b:6.1%}       | {c:6.1%} -> {d:6.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:])
