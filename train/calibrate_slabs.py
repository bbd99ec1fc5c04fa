"""Fit the error model of slabs: ``python -m endplate.train.calibrate_slabs --cts cts.json``.

Each CT of a list (``[{"name", "ct", "labels"}]``) is bent, turned, broken, cut and scanned again
with other voxels and noise, many times over; networks that learnt nothing made of that CT read
what comes of it as ``endplate score`` does, and their points are compared with those of the labels,
which moved with the voxels. The scales of one CT are judged on the variants of the others. Written
is ``slab_calibration.json``: the scales of each CT, of which the greatest are used.

``FOLD`` in ``--weights`` stands for the number of the fold whose networks saw nothing of a CT.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np

from endplate.datasets.ct_simulator.api import CtPair, read_pairs
from endplate.datasets.ct_simulator.variant import simulate_ct_volume
from endplate.datasets.splits import assign_folds
from endplate.errors import EndplateError, InputError
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.measure import measure
from endplate.geometry.uncertainty import Z90
from endplate.imaging.ct.column import find_column_line
from endplate.infer.ct_networks import lay_sheet, name_sheet, read_sheet, ribs_along
from endplate.infer.pipeline import CALIBRATION, SLAB_CALIBRATION, FilmReader, weights_folder
from endplate.infer.refine import Refined
from endplate.models.calibration import Calibrations, PointErrors
from endplate.models.slab_calibration import SlabCalibration, SlabScales
from endplate.train.calibrate import fit_point_sd
from endplate.train.calibrate_measures import covariance_of
from endplate.train.slab_names import TRUSTS, SlabNaming, fit_names, judge_names

__all__ = ["SlabBody", "SlabCase", "coverage", "fit_scales", "read_variant"]

#: Root of the 90 % quantile of the chi-square distribution with two degrees of freedom.
_ROOT90: Final = 4.605**0.5
#: A body is found if the middle of one that was marked lies within half its depth.
_NEAR: Final = 0.5
_HEIGHTS: Final = ("Ha_mm", "Hm_mm", "Hp_mm")
_ANGLE: Final = "vertebral_kyphosis_deg"
_FEWEST: Final = 30


@dataclass(frozen=True, eq=False)
class SlabBody:
    """A body of a variant: what was marked, and the points from the labels, pixels of the slab."""

    level: str
    named: str
    refined: Refined
    truth: FloatArray


@dataclass(frozen=True, eq=False)
class SlabCase:
    """One variant of a CT.

    Parameters
    ----------
    subject : str
        Name of the CT.
    spacing, voxel : float
        mm per pixel of the slab, and greatest side of a voxel.
    shown : int
        Bodies that it shows as a whole.
    bodies : tuple of SlabBody
        Those that were found.
    namings : mapping of float to SlabNaming
        What they are called, by how far the names are trusted.
    """

    subject: str
    spacing: float
    voxel: float
    shown: int
    bodies: tuple[SlabBody, ...]
    namings: Mapping[float, SlabNaming] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    options = _options(arguments)
    pairs = read_pairs(options.cts)
    names = [p.name for p in pairs]
    folds = assign_folds(names, options.folds)
    films = Path(options.films) if options.films else weights_folder() / CALIBRATION
    of_films = Calibrations.from_json(films.read_text(), str(films))
    jobs = [
        (pair, options.weights.replace("FOLD", str(folds[pair.name])), str(films), seed)
        for seed in range(options.seed, options.seed + options.variants)
        for pair in pairs
    ]
    spawn = get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=spawn) as pool:
        cases = [c for c in pool.map(read_variant, jobs) if c is not None]
    calibration = _fitted(cases, of_films, options, {n: f"fold {folds[n]}" for n in names})
    Path(options.out).write_text(calibration.to_json())
    print(json.dumps(calibration.provenance, indent=1))
    print(f"scales {calibration.chosen}; wrote {options.out}")
    return 0


def read_variant(job: tuple[CtPair, str, str, int]) -> SlabCase | None:
    """Make one variant and read it; None if no column is found in it.

    `job`: the CT, a folder of networks that saw nothing of it, the films' calibration, and a seed.
    """
    pair, weights, films, seed = job
    variant = simulate_ct_volume(pair, seed)
    reader = _reader(weights, films)
    try:
        sheet = lay_sheet(variant.volume, find_column_line(variant.volume), reader)
        result = read_sheet(variant.volume, sheet, reader).result
    except EndplateError:
        return None
    bodies = []
    for level, places in variant.points_mm.items():
        truth = sheet.to_pixels(np.nan_to_num(places))
        truth[np.isnan(places).any(axis=1)] = np.nan
        middle = _middle(truth)
        away = [float(np.hypot(*(v.centre - middle))) for v in result.vertebrae]
        nearest = int(np.argmin(away)) if away else 0
        if away and away[nearest] < _NEAR * float(np.hypot(*(truth[0] - truth[2]))):
            named = result.vertebrae[nearest].level
            bodies.append(SlabBody(level, named, result.refined[nearest], truth))
    voxel = float(variant.volume.spacing.max())
    namings, found, ribs = {}, result.found, ribs_along(variant.volume, sheet)
    for trust in TRUSTS:
        naming = replace(reader.calibrations.naming, trust=trust)
        column = name_sheet(found.candidates, sheet.pixels.shape, naming, ribs)
        if column is not None:
            namings[trust] = judge_names(column, [(b.level, _middle(b.truth)) for b in bodies])
    shown = len(variant.points_mm)
    return SlabCase(pair.name, sheet.spacing, voxel, shown, tuple(bodies), namings)


def _middle(points: FloatArray) -> FloatArray:
    middle: FloatArray = np.nanmean(points[[0, 2, 3, 5]], axis=0)
    return middle


def fit_scales(cases: Sequence[SlabCase], shape: PointErrors) -> SlabScales:
    """Scales by which 90 % of points, of vertebral kyphoses and of heights lie where they should.

    Bodies of one CT say little of how far errors of its points go together, so intervals of
    measures are never made shorter than follows from the points; and of the three heights, that
    which needs the widest intervals decides.

    Raises
    ------
    InputError
        If fewer than 30 bodies were found.
    """
    count = sum(len(c.bodies) for c in cases)
    if count < _FEWEST:
        raise InputError(f"only {count} bodies to calibrate on; at least {_FEWEST}")
    points = float(np.quantile(_point_scores(cases, shape), 0.9)) / _ROOT90
    scaled = _times(shape, points)
    angles, *heights = (
        float(np.quantile(np.abs(scores), 0.9)) / Z90
        for scores in _measure_scores(cases, scaled).values()
    )
    return SlabScales(
        points, max(angles, 1.0), max(*heights, 1.0), fit_names([c.namings for c in cases])
    )


def coverage(
    cases: Sequence[SlabCase], shape: PointErrors, scales: SlabScales
) -> dict[str, dict[str, float]]:
    """Share of points in their 90 % ellipses, and of measures in their 90 % intervals, with n."""
    scaled = _times(shape, scales.points)
    points = _point_scores(cases, scaled)
    out = {"points": {"held": _rounded((points < _ROOT90).mean()), "n": len(points)}}
    for name, scores in _measure_scores(cases, scaled).items():
        factor = scales.angles if name == _ANGLE else scales.heights
        held = np.abs(scores) < factor * Z90
        out[name] = {"held": _rounded(held.mean()), "n": len(scores)}
    return out


def _fitted(
    cases: Sequence[SlabCase],
    films: Calibrations,
    options: argparse.Namespace,
    networks: Mapping[str, str],
) -> SlabCalibration:
    shape = films.points
    by_ct = {name: [c for c in cases if c.subject == name] for name in networks}
    scales = {name: fit_scales(own, shape) for name, own in by_ct.items()}
    rough = SlabCalibration(shape, scales, 0.0)
    spreads = [b.refined.spread for c in cases for b in c.bodies]
    crosswise = {
        name: coverage(own, shape, rough.without(name).chosen)
        for name, own in by_ct.items()
        if len(by_ct) > 1
    }
    provenance = {
        "command": "python -m endplate.train.calibrate_slabs",
        "fitted_on": f"{len(cases)} variants of {len(by_ct)} CTs, read by networks that saw"
        " nothing made of the CT they read",
        "seeds": [options.seed, options.seed + options.variants - 1],
        "networks": dict(networks),
        "cts": {name: _told(own, rough.chosen.names) for name, own in by_ct.items()},
        "scales_of_the_other_cts_hold": crosswise,
        "scales_used_hold": {n: coverage(own, shape, rough.chosen) for n, own in by_ct.items()},
        "films_model_holds": {
            n: coverage(own, shape, SlabScales(1.0, 1.0, 1.0)) for n, own in by_ct.items()
        },
    }
    # what is doubtful enough to be told on a film is so on a slab
    point_sd = min(fit_point_sd(spreads, rough.errors), films.point_sd)
    return replace(rough, point_sd=point_sd, provenance=provenance)


def _told(cases: Sequence[SlabCase], trust: float) -> dict[str, Any]:
    """How many bodies of a CT's variants were found and rightly named, and how far points are."""
    names = [c.namings[trust] for c in cases if trust in c.namings]
    wrong = [n for n in names if n.right < n.found]
    right = [n for n in names if n.right == n.found]
    off = [np.hypot(*(b.refined.points - b.truth).T) * c.spacing for c in cases for b in c.bodies]
    errors = np.concatenate(off)
    errors = errors[np.isfinite(errors)]
    return {
        "variants": len(cases),
        "voxels_mm": sorted({round(c.voxel, 2) for c in cases}),
        "bodies": sum(c.shown for c in cases),
        "found": sum(len(c.bodies) for c in cases),
        "named_right": sum(n.right for n in names),
        "variants_named_right": len(right),
        "probability_of_right_names": _median([n.probability for n in right]),
        "probability_of_wrong_names": _median([n.probability for n in wrong]),
        "point_median_mm": _rounded(np.median(errors)),
        "point_p95_mm": _rounded(np.quantile(errors, 0.95)),
    }


def _point_scores(cases: Sequence[SlabCase], errors: PointErrors) -> FloatArray:
    """Errors of points over what their covariances say, as Mahalanobis lengths."""
    out = []
    for case in cases:
        for body in case.bodies:
            covariance = covariance_of(body.refined, errors)
            for i, off in enumerate(body.refined.points - body.truth):
                block = covariance[2 * i : 2 * i + 2, 2 * i : 2 * i + 2]
                if np.isfinite(off).all() and np.isfinite(block).all():
                    out.append(float(np.sqrt(off @ np.linalg.solve(block, off))))
    return np.array(out)


def _measure_scores(cases: Sequence[SlabCase], errors: PointErrors) -> dict[str, FloatArray]:
    """Errors of measures of single bodies over their standard errors: the angle, then heights."""
    out: dict[str, list[float]] = {name: [] for name in (_ANGLE, *_HEIGHTS)}
    for case in cases:
        calibration = Calibration((case.spacing, case.spacing), "ct")
        for body in case.bodies:
            seen = Vertebra(body.level, body.refined.points, covariance_of(body.refined, errors))
            true = {
                m.name: m.value for m in measure([Vertebra(body.level, body.truth)], calibration)
            }
            for m in measure([seen], calibration):
                if m.name in out and m.name in true and m.se > 0:
                    out[m.name].append((m.value - true[m.name]) / m.se)
    return {name: np.array([x for x in own if np.isfinite(x)]) for name, own in out.items()}


@lru_cache(maxsize=3)
def _reader(weights: str, films: str) -> FilmReader:
    calibrations = Calibrations.from_json(Path(films).read_text(), films)
    return FilmReader(Path(weights), calibrations=calibrations, threads=1)


def _times(shape: PointErrors, scale: float) -> PointErrors:
    return PointErrors(shape.floor * scale, shape.power, shape.correlation)


def _median(values: Sequence[float]) -> float | None:
    return _rounded(np.median(values)) if values else None


def _rounded(value: np.floating[Any]) -> float:
    return round(float(value), 3)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fit the error model of slabs of CT.")
    parser.add_argument("--cts", required=True)
    parser.add_argument("--weights", default="runs/folds/FOLD")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--films", default="", help="calibration.json whose form is kept")
    parser.add_argument("--variants", type=int, default=60, help="of each CT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", default=SLAB_CALIBRATION)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EndplateError as error:
        print(f"calibrate_slabs: {error}", file=sys.stderr)
        sys.exit(2)
