"""Networks on CT against points from the labels: ``python -P benchmarks/ct.py --cts cts.json``.

Reads each CT of a list (``[{"name", "ct", "labels"}]``) without its labels, as ``endplate score``
does, with the networks of the fold that saw nothing made of that CT, in the calibration of slabs
that was fitted on the other CTs, and compares the points with those that the labels give. ``FOLD``
in ``--weights`` stands for the number of that fold; a CT that is in no training set is read by the
networks of fold 0. With ``--parts`` each CT is read again cut to parts of its length, as if less
had been scanned.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from endplate.datasets.ct_simulator.api import CtPair, read_pairs
from endplate.datasets.splits import assign_folds
from endplate.errors import EndplateError
from endplate.geometry.landmarks import Vertebra, endplate_angle_deg
from endplate.imaging.ct.labels import read_labels
from endplate.imaging.ct.read import read_ct
from endplate.imaging.ct.volume import Volume
from endplate.infer.ct import CtReading, read_ct_labels, read_ct_slab
from endplate.infer.pipeline import CALIBRATION, SLAB_CALIBRATION, FilmReader, weights_folder
from endplate.models.calibration import Calibrations
from endplate.models.slab_calibration import SlabCalibration

#: Parts of the length, from the foot, that are read on their own.
PARTS = ((0.0, 0.6), (0.0, 0.8), (0.2, 0.8), (0.25, 1.0), (0.4, 1.0))
#: 90 % quantile of the chi-square distribution with two degrees of freedom.
ELLIPSE90 = 4.605
#: How bodies stand, by the line that was found against by the labels.
IN_SPACE = ("coronal_tilt_deg", "sagittal_tilt_deg", "axial_rotation_deg")
#: Measures whose 90 % intervals are held against the values of the labels.
MEASURES = ("vertebral_kyphosis_deg", "Ha_mm", "Hm_mm", "Hp_mm")
#: A body is found if the middle of one that was marked lies within half its depth.
NEAR = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cts", type=Path, required=True)
    parser.add_argument("--weights", default="runs/folds/FOLD")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--trained-on", nargs="*", default=None, help="names; default: all listed")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--result", type=Path, default=Path("docs/accuracy/ct.json"))
    options = parser.parse_args()
    pairs = read_pairs(options.cts)
    trained = options.trained_on
    names = [p.name for p in pairs] if trained is None else trained
    where = assign_folds(names, options.folds) if names else {}
    parts = (None, *PARTS) if options.parts else (None,)
    rows = []
    for pair, part in product(pairs, parts):
        rows.append(judge(pair, options.weights, where.get(pair.name, 0), part))
        print(", ".join(f"{k}: {v}" for k, v in rows[-1].items()), flush=True)
    options.result.parent.mkdir(parents=True, exist_ok=True)
    options.result.write_text(json.dumps({"cts": rows}, indent=1) + "\n")


def judge(
    pair: CtPair, weights: str, fold: int, part: tuple[float, float] | None = None
) -> dict[str, Any]:
    """One CT: what was found, named and how far the points are off."""
    ct, labels = read_ct(pair.ct), read_labels(pair.labels)
    row: dict[str, Any] = {"name": pair.name, "fold": fold}
    if part is not None:
        row["part"] = list(part)
        ct, labels = cut(ct, part), replace(labels, volume=cut(labels.volume, part))
    row["voxel_mm"] = [round(float(s), 2) for s in ct.spacing]
    try:
        truth = read_ct_labels(ct, labels)
    except EndplateError as error:
        return {**row, "no truth": str(error).replace(str(pair.labels), "labels")}
    # folds come without a calibration
    networks = Path(weights.replace("FOLD", str(fold)))
    reader = FilmReader(networks, calibrations=shipped(), slabs=fitted_on_others(pair.name))
    start = time.monotonic()
    row["bodies"] = len(truth.reading.vertebrae)
    try:
        seen = read_ct_slab(ct, reader)
    except EndplateError as error:
        return {**row, "refused": str(error).replace(str(pair.ct), pair.name)}
    row["seconds"] = round(time.monotonic() - start, 1)
    return {**row, "status": seen.reading.quality.status, **compare(truth, seen)}


def shipped() -> Calibrations:
    """The calibration of the package."""
    path = weights_folder() / CALIBRATION
    return Calibrations.from_json(path.read_text(), str(path))


def fitted_on_others(name: str) -> SlabCalibration:
    """The calibration of slabs of the package, without what one CT told of it."""
    path = weights_folder() / SLAB_CALIBRATION
    return SlabCalibration.from_json(path.read_text(), str(path)).without(name)


def cut(volume: Volume, part: tuple[float, float]) -> Volume:
    """A part of the slices of a volume whose slices run from foot to head."""
    low, high = np.zeros(3), np.array(volume.size, dtype=float)
    low[2], high[2] = (round(p * volume.size[2]) for p in part)
    return volume.crop(low, high)


def compare(truth: CtReading, seen: CtReading) -> dict[str, Any]:
    """Errors within the sheet that the networks saw, mm."""
    spacing = seen.slab.spacing
    found: list[str] = []
    right: list[str] = []
    errors: list[float] = []
    held: list[bool] = []
    tilts: list[float] = []
    for vertebra in truth.reading.vertebrae:
        assert vertebra.points_mm is not None
        points = seen.slab.to_pixels(np.nan_to_num(vertebra.points_mm))
        points[np.isnan(vertebra.points_mm).any(axis=1)] = np.nan
        depth = float(np.hypot(*(points[0] - points[2])))
        centre = np.nanmean(points[[0, 2, 3, 5]], axis=0)
        near = [v for v in seen.reading.vertebrae if _away(v.centre, centre) < NEAR * depth]
        if not near:
            continue
        other = min(near, key=lambda v: _away(v.centre, centre))
        found.append(vertebra.level)
        if other.level == vertebra.level:
            right.append(vertebra.level)
        away = np.hypot(*(other.points - points).T) * spacing
        errors += [float(a) for a in away if np.isfinite(a)]
        held += _in_ellipses(other, points)
        if np.isfinite(points).all() and np.isfinite(other.points).all():
            tilts.append(abs(endplate_angle_deg(other.points) - endplate_angle_deg(points)))
    return {
        "found": len(found),
        "missed": [v.level for v in truth.reading.vertebrae if v.level not in found],
        "levels_right": len(right),
        "n_points": len(errors),
        "point_median_mm": _rounded(np.median(errors)) if errors else None,
        "point_p95_mm": _rounded(np.quantile(errors, 0.95)) if errors else None,
        "points_in_90": _rounded(np.mean(held)) if held else None,
        "measures_in_90": _held(truth, seen, right),
        "vk_mae_deg": _rounded(np.mean(tilts)) if tilts else None,
        **{f"{name}_rms": _apart(truth, seen, right, name) for name in IN_SPACE},
        "flags": [r.code for r in seen.reading.quality.reasons],
    }


def _in_ellipses(vertebra: Vertebra, points: np.ndarray) -> list[bool]:
    """Whether true points lie in the 90 % ellipses of those that were marked."""
    out = []
    for i, off in enumerate(vertebra.points - points):
        if vertebra.covariance is not None and np.isfinite(off).all():
            part = vertebra.covariance[2 * i : 2 * i + 2, 2 * i : 2 * i + 2]
            out.append(bool(off @ np.linalg.solve(part, off) < ELLIPSE90))
    return out


def _held(truth: CtReading, seen: CtReading, levels: Sequence[str]) -> dict[str, str]:
    """In how many 90 % intervals of each measure the value of the labels lies, and of how many."""
    one = {(m.level, m.name): m.value for m in truth.reading.measurements}
    out = {}
    for name in MEASURES:
        mine = [m for m in seen.reading.measurements if m.name == name and m.level in levels]
        pairs = [(m.interval90, one[m.level, name]) for m in mine if (m.level, name) in one]
        held = sum(low <= value <= high for (low, high), value in pairs)
        out[name] = f"{held} of {len(pairs)}"
    return out


def _apart(truth: CtReading, seen: CtReading, levels: Sequence[str], name: str) -> float | None:
    """Root mean square difference of a measure over levels, degrees."""
    one, other = (
        {m.level: m.value for m in r.reading.measurements if m.name == name} for r in (truth, seen)
    )
    off = [other[x] - one[x] for x in levels if x in one and x in other]
    return _rounded(np.sqrt(np.mean(np.square(off)))) if off else None


def _away(one: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    return float(np.hypot(*(np.asarray(one) - np.asarray(other))))


def _rounded(value: np.floating[Any]) -> float:
    return round(float(value), 2)


if __name__ == "__main__":
    main()
