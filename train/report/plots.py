"""The plots of the page, as small SVG files that are the same for the same figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from endplate.geometry.landmarks import FloatArray
from endplate.train.accuracy import FilmResult
from endplate.train.report.ablations import curves
from endplate.train.report.pairs import THRESHOLD_DEG, Pair
from endplate.train.report.real import COVERED
from endplate.train.report.statistics import Piece, coverage_of, mean, measure_rows, pieces, scores

__all__ = ["plot_ablations", "plot_films", "plot_pairs"]

_AGREED: Final = (
    ("vertebral_kyphosis_deg", "vertebral kyphosis, degrees"),
    ("regional_kyphosis_deg", "regional kyphosis, degrees"),
    ("Ha_Hp", "Ha/Hp"),
    ("max_height_loss_pct", "largest height loss, points"),
)
_COLOURS: Final = ("#1f5fa8", "#c8641b", "#3a8a4d", "#7a4fa3", "#8a8a2b")
_GREY: Final = "#888888"


def _figure(columns: int, width: float = 4.0, height: float = 3.4) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    # text as text, and nothing in the file that changes from run to run
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "endplate", "font.size": 9})
    figure, axes = plt.subplots(
        1, columns, figsize=(width * columns, height), layout="constrained", squeeze=False
    )
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_prop_cycle(color=_COLOURS)
    return figure, axes[0]


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    for axis in figure.axes:
        if axis.get_legend_handles_labels()[0]:
            axis.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None}, dpi=100)
    plt.close(figure)


def plot_films(
    groups: Mapping[str, Sequence[FilmResult]],
    naming: Sequence[Mapping[str, Any]],
    folder: Path,
    prefix: str = "",
) -> None:
    """Point errors, agreement, coverage and naming of some sets of films, as four files."""
    own = {g.replace("_", " "): pieces(r) for g, r in groups.items()}
    _plot_points(own, folder / f"{prefix}points.svg")
    _plot_agreement(own, folder / f"{prefix}agreement.svg")
    _plot_coverage(own, folder / f"{prefix}coverage.svg")
    _plot_naming(naming, folder / f"{prefix}naming.svg")


def _plot_points(groups: Mapping[str, Sequence[Piece]], path: Path) -> None:
    figure, (left, right) = _figure(2)
    names = ("SA", "SM", "SP", "IP", "IM", "IA")
    for k, (group, own) in enumerate(groups.items()):
        errors = np.array([b.errors for p in own for b in p.bodies]).reshape(-1, 6)
        seen = np.sort(errors[~np.isnan(errors)])
        if not seen.size:
            continue
        thin = np.linspace(0, seen.size - 1, min(seen.size, 300)).astype(int)
        left.plot(seen[thin], (thin + 1) / seen.size, label=group)
        medians = [np.median(c[~np.isnan(c)]) if (~np.isnan(c)).any() else 0 for c in errors.T]
        right.bar(np.arange(6) + 0.38 * k - 0.19, medians, 0.36, label=group)
    left.axhline(0.5, color=_GREY, linewidth=0.6)
    left.axhline(0.95, color=_GREY, linewidth=0.6)
    left.set(xlabel="point error, % of depth", ylabel="share of points", xlim=(0, 12))
    right.set_xticks(range(6), names)
    right.set(ylabel="median error, % of depth", xlabel="point (S, I; anterior, middle, posterior)")
    _save(figure, path)


def _plot_agreement(groups: Mapping[str, Sequence[Piece]], path: Path) -> None:
    figure, axes = _figure(len(_AGREED), 3.4)
    for axis, (name, label) in zip(axes, _AGREED, strict=True):
        joined = []
        for group, own in groups.items():
            rows = _rows(own, name)
            axis.plot(
                rows[:, :2].mean(axis=1), rows[:, 0] - rows[:, 1], ".", markersize=3, label=group,
                rasterized=len(rows) > 400, alpha=0.8,
            )  # fmt: skip
            joined.append(rows[:, 0] - rows[:, 1])
        difference = np.concatenate(joined)
        axis.axhline(0, color=_GREY, linewidth=0.8)
        if difference.size > 2:
            bias, spread = difference.mean(), 1.96 * difference.std(ddof=1)
            for y, style in ((bias, "-"), (bias - spread, "--"), (bias + spread, "--")):
                axis.axhline(y, color="black", linewidth=0.8, linestyle=style)
        axis.set(xlabel=f"mean of both: {label}", ylabel="reading - annotation")
    _save(figure, path)


def _rows(own: Sequence[Piece], name: str) -> FloatArray:
    return np.concatenate([measure_rows(p, name) for p in own] or [np.empty((0, 4))])


def _plot_coverage(groups: Mapping[str, Sequence[Piece]], path: Path) -> None:
    """Observed against nominal coverage of intervals of every width."""
    together = [p for own in groups.values() for p in own]
    shown = ("points", "vertebral_kyphosis_deg", "regional_kyphosis_deg", "Ha_Hp",
             "max_height_loss_pct")  # fmt: skip
    figure, (left, right) = _figure(2)
    nominal = np.linspace(0.05, 0.98, 32)
    limits = np.array([NormalDist().inv_cdf(0.5 + p / 2) for p in nominal])
    for name in shown:
        sizes = np.abs(np.concatenate([scores(p, name) for p in together] or [np.empty(0)]))
        if sizes.size:
            left.plot(nominal, [(sizes <= x).mean() for x in limits], label=COVERED[name])
    left.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    left.set(xlabel="nominal coverage", ylabel="observed coverage")
    for k, (group, own) in enumerate(groups.items()):
        at90 = []
        for name in COVERED:
            inside = coverage_of(name, "").values
            covered = np.concatenate([inside(p) for p in own] or [np.empty(0)])
            at90.append(mean(covered) if covered.size else np.nan)
        right.plot(at90, np.arange(len(COVERED)) + 0.15 * k, "o", markersize=4, label=group)
    right.axvspan(88, 92, color="#dddddd")
    right.set_yticks(range(len(COVERED)), COVERED.values())
    right.invert_yaxis()
    right.set(xlabel="90 % intervals that hold, %", xlim=(70, 100))
    _save(figure, path)


def _plot_naming(bins: Sequence[Mapping[str, Any]], path: Path) -> None:
    figure, (axis,) = _figure(1)
    stated = [b["stated"] for b in bins]
    right = [b["right"] / b["films"] for b in bins]
    axis.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    axis.plot(stated, right, "o-", markersize=5)
    for x, y, b in zip(stated, right, bins, strict=True):
        axis.annotate(f"n={b['films']}", (x, y), (4, -10), textcoords="offset points", fontsize=7)
    axis.set(
        xlabel="stated probability of the naming",
        ylabel="share of films named right",
        xlim=(0, 1.02),
        ylim=(0, 1.05),
    )
    _save(figure, path)


def plot_pairs(sets: Mapping[str, Sequence[Pair]], folder: Path) -> None:
    """Measured against true loss, and the curve of found losses against false alarms."""
    figure, axes = _figure(3)
    for axis, (angle, label) in zip(axes, _AGREED[:2], strict=False):
        for name, pairs in sets.items():
            own = [p for p in pairs if p.angle == angle and np.isfinite(p.measured)]
            axis.plot([p.true for p in own], [p.measured for p in own], ".", label=name)
        axis.axline((0, 0), slope=1, color=_GREY, linewidth=0.8)
        axis.set(
            xlabel=f"true loss of {label}", ylabel="measured loss", xlim=(-4, 16), ylim=(-8, 20)
        )
    for angle, label in _AGREED[:2]:
        own = [p for p in sets["spread"] if p.angle == angle and np.isfinite(p.probability)]
        rows = np.array([(p.probability, p.true > THRESHOLD_DEG) for p in own]).reshape(-1, 2)
        cuts = [np.inf, *np.sort(rows[:, 0])[::-1]]
        over, under = rows[rows[:, 1] > 0, 0], rows[rows[:, 1] == 0, 0]
        if over.size and under.size:
            axes[2].plot(
                [(under >= c).mean() for c in cuts],
                [(over >= c).mean() for c in cuts],
                label=label.removesuffix(", degrees"),
            )
    axes[2].plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    axes[2].set(xlabel="false alarms", ylabel="losses over 5 degrees found (spread)")
    _save(figure, folder / "follow-up.svg")


def plot_ablations(values: Mapping[str, Any], folder: Path, films: int | None = None) -> None:
    """Point error against the number of real films and against compute, where there are curves."""
    found = {axis: own for axis, own in curves(values, films).items() if own}
    if not found:
        return
    labels = {
        "films": "real films trained on, besides simulated ones",
        "minutes": "minutes of training, networks of three widths",
    }
    figure, axes = _figure(len(found))
    for axis, (name, places) in zip(axes, found.items(), strict=True):
        axis.plot([at for at, _ in places], [np.mean(m) for _, m in places], "o-")
        for at, medians in places:
            axis.plot([at] * len(medians), medians, "_", color=_GREY)
        axis.set(xlabel=labels[name], ylabel="point error, median, % of depth")
    _save(figure, folder / "ablations.svg")
