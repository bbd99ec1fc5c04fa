"""Figures of a cohort for a paper, with Matplotlib (extra ``stats``)."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from endplate.study.cohort import LABELS, Cohort, flow_of
from endplate.study.cohort_tests import CohortTests
from endplate.study.distributions import t_quantile
from endplate.study.optional import optional

__all__ = ["write_figures"]

_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MAIN: Final = "vertebral_kyphosis_deg"


def write_figures(folder: Path, cohort: Cohort, tests: CohortTests) -> list[Path]:
    """Write each figure as PNG (for the page) and PDF (for the paper); returns the PNG files.

    Raises
    ------
    MissingDependency
        Without Matplotlib.
    """
    figures = optional("matplotlib.figure", "stats", "the figures of a cohort")
    folder.mkdir(parents=True, exist_ok=True)
    made: list[tuple[str, tuple[float, float], Callable[[Any], None]]] = [
        ("flow", (6.6, 2.0), lambda f: _flow(f, cohort)),
    ]
    for measure in (_MAIN, "regional_kyphosis_deg", "loss_ant_pct", "vas"):
        if measure in cohort.values:
            draw = partial(_course, cohort=cohort, measure=measure)
            made.append((f"course-{measure}", (6.6, 3.4), draw))
    if _MAIN in cohort.values:
        made.append(("box", (6.6, 3.2), lambda f: _box(f, cohort)))
    if tests.contrasts:
        made.append(("forest", (6.6, 3.6), lambda f: _forest(f, cohort, tests)))
    if len({s.cement for s in cohort.subjects} - {""}) > 1:
        made.append(("age-by-cement", (4.2, 2.8), lambda f: _ages(f, cohort)))
    out = []
    for name, size, paint in made:
        figure = figures.Figure(figsize=size, layout="constrained")
        paint(figure)
        out.append(folder / f"{name}.png")
        figure.savefig(out[-1], dpi=150)
        figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    return out


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", lw=0.4, color="#dde2e8")
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)


def _colour(cohort: Cohort, group: str) -> str:
    return _COLOURS[cohort.groups.index(group) % len(_COLOURS)]


def _course(figure: Any, cohort: Cohort, measure: str) -> None:
    """Spaghetti of the subjects by group, and the means with their 95 % intervals."""
    left, right = figure.subplots(1, 2, sharey=True)
    xs = np.arange(len(cohort.visits))
    values = cohort.values[measure]
    for i, subject in enumerate(cohort.subjects):
        known = np.isfinite(values[i])
        left.plot(
            xs[known], values[i][known], lw=0.6, alpha=0.5, color=_colour(cohort, subject.group)
        )
    for k, group in enumerate(cohort.groups):
        own = values[cohort.members(group)]
        means, halves = zip(*(_mean_half(own[:, j]) for j in range(len(xs))), strict=True)
        right.errorbar(
            xs + 0.06 * (k - (len(cohort.groups) - 1) / 2),
            means,
            yerr=halves,
            marker="o",
            ms=3.5,
            lw=1.5,
            capsize=2.5,
            color=_colour(cohort, group),
            label=f"{group} (n = {len(own)})",
        )
    for axes, title in ((left, "each subject"), (right, "mean and 95 % interval")):
        _plain(axes)
        axes.set_xticks(xs, cohort.visits, fontsize=7)
        axes.set_title(title, fontsize=8, loc="left")
    left.set_ylabel(LABELS[measure], fontsize=8)
    right.legend(fontsize=6.5, frameon=False)


def _mean_half(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    n = len(known)
    if n == 0:
        return math.nan, math.nan
    if n < 2:
        return float(known.mean()), math.nan
    return float(known.mean()), t_quantile(0.975, n - 1.0) * float(known.std(ddof=1)) / n**0.5


def _box(figure: Any, cohort: Cohort) -> None:
    axes = figure.subplots()
    groups = cohort.groups
    width = 0.8 / len(groups)
    for k, group in enumerate(groups):
        members = cohort.members(group)
        data = [cohort.column(_MAIN, v)[members] for v in cohort.visits]
        shown = axes.boxplot(
            [d[np.isfinite(d)] for d in data],
            positions=np.arange(len(data)) + (k - (len(groups) - 1) / 2) * width,
            widths=0.85 * width,
            patch_artist=True,
            flierprops={"markersize": 2.5},
            medianprops={"color": "#1d232b"},
        )
        for box in shown["boxes"]:
            box.set_facecolor(_colour(cohort, group))
            box.set_alpha(0.55)
        shown["boxes"][0].set_label(group)
    _plain(axes)
    axes.set_xticks(range(len(cohort.visits)), cohort.visits, fontsize=8)
    axes.set_ylabel(LABELS[_MAIN], fontsize=8)
    axes.legend(fontsize=6.5, frameon=False)


def _forest(figure: Any, cohort: Cohort, tests: CohortTests) -> None:
    """Loss of kyphosis by group, and differences from the reference group."""
    chosen = [c for c in tests.contrasts if c.measure == _MAIN]
    rows = list(dict.fromkeys((c.kind, c.group, c.reference) for c in chosen))
    axes = figure.subplots()
    for adjusted, colour, shift in ((False, "#1d232b", -0.13), (True, "#0072b2", 0.13)):
        own = [c for c in chosen if c.adjusted == adjusted]
        ys = [rows.index((c.kind, c.group, c.reference)) + shift for c in own]
        axes.errorbar(
            [c.estimate for c in own],
            ys,
            xerr=[(c.interval[1] - c.interval[0]) / 2 for c in own],
            fmt="s",
            ms=4,
            capsize=2.5,
            lw=1.2,
            color=colour,
            label="adjusted for age, sex, level" if adjusted else "unadjusted",
        )
    names = [f"loss: {g}" if kind == "loss" else f"{g}\n− {ref}" for kind, g, ref in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=6.5)
    axes.invert_yaxis()
    axes.axvline(0.0, color="#8a94a0", lw=0.8)
    _plain(axes)
    axes.set_xlabel(
        f"Vertebral kyphosis, {tests.start} to {tests.end} (deg, 95 % CI); right: lost", fontsize=8
    )
    axes.legend(fontsize=6.5, frameon=False, loc="best")


def _flow(figure: Any, cohort: Cohort) -> None:
    """Subjects at each visit, as the flow of a cohort study."""
    axes = figure.subplots()
    axes.set_axis_off()
    steps = flow_of(cohort)
    axes.set_xlim(0, len(steps) + 1)
    axes.set_ylim(0.1, 2.8)
    style = {"boxstyle": "round,pad=0.5", "fc": "#f4f6f8", "ec": "#5c6672"}
    side = {"boxstyle": "round,pad=0.4", "fc": "white", "ec": "#c9d0d8"}
    axes.text(
        0.5, 2.2, f"Subjects\nn = {len(cohort.subjects)}", ha="center", fontsize=8, bbox=style
    )
    for i, step in enumerate(steps):
        x = i + 1.5
        axes.text(x, 2.2, f"{step.visit}\nn = {step.seen}", ha="center", fontsize=8, bbox=style)
        axes.annotate(
            "", (x - 0.36, 2.3), (x - 0.64, 2.3), arrowprops={"arrowstyle": "->", "lw": 0.8}
        )
        lost = [f"no film {step.missed}"] if step.missed else []
        lost += [f"dropped out {step.dropped_out}"] if step.dropped_out else []
        if lost:
            axes.text(x, 1.1, "\n".join(lost), ha="center", fontsize=7, bbox=side)
            axes.plot([x, x], [1.45, 2.0], color="#8a94a0", lw=0.8)
    reasons = sorted({s.dropout for s in cohort.subjects if s.dropout})
    if reasons:
        axes.text(0.2, 0.3, "Dropped out: " + ", ".join(reasons), fontsize=7)


def _ages(figure: Any, cohort: Cohort) -> None:
    """Age by cement: the confounder of every comparison of cements."""
    axes = figure.subplots()
    rng = np.random.default_rng(0)
    cements = sorted({s.cement for s in cohort.subjects} - {""})
    for k, cement in enumerate(cements):
        ages = [s.age for s in cohort.subjects if s.cement == cement]
        axes.plot(
            k + rng.uniform(-0.12, 0.12, len(ages)), ages, "o", ms=3, color=_COLOURS[k], alpha=0.7
        )
    axes.set_xticks(range(len(cements)), [c.replace("_", " ") for c in cements], fontsize=8)
    axes.set_ylabel("Age (years)", fontsize=8)
    axes.set_xlim(-0.5, len(cements) - 0.5)
    axes.set_title("Cement was chosen by age", fontsize=8, loc="left")
    _plain(axes)
