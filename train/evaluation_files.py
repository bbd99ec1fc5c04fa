"""What an evaluation leaves to look at: a row a film, plots, overlays of best and worst."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.imaging.radiograph import GreyImage
from endplate.imaging.read import read_radiograph
from endplate.reports.overlay import draw_overlay
from endplate.reports.reading_json import write_reading
from endplate.study.identity import without_identity
from endplate.train.accuracy import JUDGED_LEVELS, FilmResult
from endplate.train.evaluate import Evaluation

_COLUMNS: Final = (
    *("group", "film", "status", "reasons", "found", "bodies", "unmatched"),
    *("mean_error_pct", "named_right", "level_probability", "quality", "hardware"),
)

__all__ = ["overlay_of", "write_films", "write_overlays", "write_plots", "write_readings"]


def write_films(evaluation: Evaluation, path: Path) -> None:
    """One row a film."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        for group, results in evaluation.films.items():
            for r in results:
                judged = [b for b in r.bodies if b.level in JUDGED_LEVELS]
                quality = r.reading.quality
                sure = min((v.level_probability for v in r.reading.vertebrae), default=math.nan)
                writer.writerow(
                    [
                        group,
                        r.truth.name,
                        quality.status,
                        " ".join(reason.code for reason in quality.reasons),
                        sum(b.found for b in judged),
                        len(judged),
                        r.unmatched,
                        f"{r.mean_error:.2f}",
                        r.named_right,
                        f"{sure:.3f}",
                        r.truth.quality,
                        r.truth.hardware,
                    ]
                )
        for group, readings in evaluation.negatives.items():
            for reading in readings:
                codes = " ".join(reason.code for reason in reading.quality.reasons)
                name = Path(reading.source.path).name
                writer.writerow([group, name, reading.quality.status, codes])


def write_readings(evaluation: Evaluation, folder: Path) -> None:
    """The reading of every annotated film, as ``endplate score`` writes it."""
    for group, results in evaluation.films.items():
        (folder / group).mkdir(parents=True, exist_ok=True)
        for r in results:
            path = folder / group / f"{Path(r.truth.name).stem}.json"
            write_reading(path, without_identity(r.reading))


def write_overlays(evaluation: Evaluation, folder: Path, count: int) -> None:
    """Overlays of the best, the middle and the worst films of each group, truth in white."""
    if count <= 0:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for group, results in evaluation.films.items():
        ranked = sorted(
            (r for r in results if not math.isnan(r.mean_error)), key=lambda r: r.mean_error
        )
        middle = len(ranked) // 2
        chosen = {
            "best": ranked[:count],
            "middle": ranked[middle : middle + count],
            "worst": ranked[-count:],
        }
        for place, films in chosen.items():
            for i, film in enumerate(films):
                image = overlay_of(film, read_radiograph(evaluation.images[film.truth.name]).pixels)
                stem = Path(film.truth.name).stem
                cv2.imwrite(str(folder / f"{group}-{place}-{i}-{stem}.png"), image)


def overlay_of(film: FilmResult, pixels: GreyImage, long_side: int = 1600) -> Any:
    """The reading with the annotation drawn on the film beneath it, as small white crosses."""
    image: Any = np.array(pixels)
    white = int(image.max())
    size = max(3, min(image.shape) // 200)
    for vertebra in film.truth.exact.values():
        for x, y in vertebra.points[~np.isnan(vertebra.points).any(axis=1)]:
            place = (round(float(x)), round(float(y)))
            cv2.drawMarker(
                image, place, white, cv2.MARKER_TILTED_CROSS, 2 * size, max(1, size // 3)
            )
    return draw_overlay(image, film.reading, long_side=long_side)


def write_plots(evaluation: Evaluation, out: Path) -> None:
    """Distribution of point errors, Bland-Altman of kyphosis, coverage of the intervals."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for group, results in evaluation.films.items():
        errors = np.concatenate([b.errors for r in results for b in r.bodies] or [np.array([])])
        errors = np.sort(errors[~np.isnan(errors)])
        if errors.size:
            axes[0].plot(errors, np.arange(1, errors.size + 1) / errors.size, label=group)
        rows = _kyphosis(results)
        if len(rows):
            axes[1].plot(rows[:, :2].mean(axis=1), rows[:, 0] - rows[:, 1], ".", label=group)
            axes[2].plot(*_coverage(rows), label=group)
    axes[0].set(xlabel="point error, % of depth", ylabel="share of points", xlim=(0, 12))
    axes[1].axhline(0, color="grey", linewidth=0.8)
    axes[1].set(
        xlabel="vertebral kyphosis, mean of both, degrees", ylabel="reading - annotation, degrees"
    )
    axes[2].plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes[2].set(xlabel="nominal coverage", ylabel="coverage of vertebral kyphosis")
    for axis in axes:
        if axis.has_data() and axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(out / "accuracy.png", dpi=110)
    plt.close(figure)


def _kyphosis(results: Sequence[FilmResult]) -> FloatArray:
    """(N, 4): read, annotated, low and high of the 90 % interval."""
    rows = [
        b.measures["vertebral_kyphosis_deg"]
        for r in results
        for b in r.bodies
        if "vertebral_kyphosis_deg" in b.measures
    ]
    array = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return array[~np.isnan(array).any(axis=1)]


def _coverage(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Nominal coverages and the share of annotated values inside, normal intervals."""
    from statistics import NormalDist

    se = (rows[:, 3] - rows[:, 2]) / (2 * 1.6449)
    z = np.abs(rows[:, 0] - rows[:, 1]) / se
    nominal = np.linspace(0.05, 0.95, 19)
    limits = np.array([NormalDist().inv_cdf(0.5 + p / 2) for p in nominal])
    return nominal, np.array([(z <= limit).mean() for limit in limits])
