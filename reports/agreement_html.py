"""Agreement of readers as a page, with the plots of Bland and Altman."""

import math
from collections.abc import Sequence
from typing import Final

from endplate.geometry.catalogue import CATALOGUE
from endplate.reports.page_plain import safe, section, table, whole_page
from endplate.reports.svg_chart import SvgChart
from endplate.study.agreement import Agreement, MeasureAgreement, PairAgreement

__all__ = ["agreement_page", "bland_altman_svg", "limits_rows", "reliability_rows"]

_DIGITS: Final = {"deg": 2, "mm": 2, "ratio": 3, "%": 1}
_INK: Final = "#1d232b"
_BLUE: Final = "#0072b2"
_RED: Final = "#d55e00"

RELIABILITY_HEAD: Final = (
    "Measure",
    "n (subjects)",
    "ICC(A,1)",
    "ICC(C,1)",
    "SEM agreement",
    "SEM consistency",
    "MDC95",
    "Mean (SD)",
)
LIMITS_HEAD: Final = (
    "Measure",
    "Readers",
    "n (subjects)",
    "Bias",
    "SD",
    "Lower limit",
    "Upper limit",
    "Slope (p)",
)


def agreement_page(agreement: Agreement) -> str:
    """The text of the page."""
    percent = f"{100 * agreement.confidence:g} %"
    parts = [
        f'<p class="say">{safe(" against ".join(agreement.readers))}</p>',
        section(
            "Reliability",
            table(list(RELIABILITY_HEAD), reliability_rows(agreement))
            + f'<p class="why">{safe(_reliability_note(percent))}</p>',
        ),
        section(
            "Bias and limits of agreement",
            table(list(LIMITS_HEAD), limits_rows(agreement), texts=2)
            + f'<p class="why">Brackets: {percent} intervals. Slope: of the difference on the mean,'
            " with the probability of it if there is no proportional bias.</p>",
        ),
        section("Plots", f'<div class="grid">{_plots(agreement)}</div>'),
    ]
    if agreement.points:
        parts.append(section("Distances between the same points", _points(agreement)))
    return whole_page("Agreement of readers", "".join(parts))


def _reliability_note(percent: str) -> str:
    return (
        f"Brackets: {percent} intervals, McGraw and Wong's by F, or by jackknife over subjects"
        " where subjects have several vertebrae. SEM agreement holds the differences between the"
        " readers' means, SEM consistency does not. MDC95 is 1.96 √2 SEM agreement: the smallest"
        " change between two readings that exceeds error."
    )


def reliability_rows(agreement: Agreement) -> list[list[str]]:
    """Cells under `RELIABILITY_HEAD`."""
    rows = []
    for m in agreement.measures:
        r = m.reliability
        if r is None:
            continue
        d = _DIGITS.get(m.unit, 2)
        rows.append(
            [
                _label(m),
                f"{r.n} ({r.clusters})",
                *(_with_interval(x.value, x.interval, 3) for x in (r.absolute, r.consistency)),
                *(f"{x:.{d}f}" for x in (r.sem_agreement, r.sem_consistency, r.mdc95_agreement)),
                f"{r.mean:.{d}f} ({r.sd:.{d}f})",
            ]
        )
    return rows


def limits_rows(agreement: Agreement) -> list[list[str]]:
    """Cells under `LIMITS_HEAD`."""
    rows = []
    for m in agreement.measures:
        d = _DIGITS.get(m.unit, 2)
        for p in m.pairs:
            x = p.limits
            rows.append(
                [
                    _label(m),
                    f"{p.first} − {p.second}",
                    f"{x.n} ({x.clusters})",
                    _with_interval(x.bias, x.bias_interval, d),
                    f"{x.sd:.{d}f}",
                    _with_interval(x.lower, x.lower_interval, d),
                    _with_interval(x.upper, x.upper_interval, d),
                    f"{x.slope:.2f} ({x.slope_p:.2g})",
                ]
            )
    return rows


def bland_altman_svg(measure: MeasureAgreement, pair: PairAgreement) -> str:
    """The plot of one pair of readers: bands are the intervals of bias and limits."""
    x = pair.limits
    low = min(x.lower, float(x.differences.min()), _finite(x.lower_interval[0], x.lower))
    high = max(x.upper, float(x.differences.max()), _finite(x.upper_interval[1], x.upper))
    room = 0.06 * (high - low) or 1.0
    left, right = float(x.means.min()), float(x.means.max())
    wide = 0.06 * (right - left) or 1.0
    chart = SvgChart(
        (left - wide, right + 3 * wide),
        (low - room, high + room),
        f"{_label(measure)}: {pair.first} − {pair.second}",
        f"mean of both readers ({measure.unit})",
        f"difference ({measure.unit})",
        width=430,
        height=300,
    )
    for value, interval, colour, dash in (
        (x.bias, x.bias_interval, _BLUE, ""),
        (x.lower, x.lower_interval, _RED, "6 4"),
        (x.upper, x.upper_interval, _RED, "6 4"),
    ):
        ends = chart.x_range
        if all(map(math.isfinite, interval)):
            chart.band(
                [(e, interval[0]) for e in ends], [(e, interval[1]) for e in ends], colour, 0.12
            )
        chart.across(value, colour, dash, f"{value:.{_DIGITS.get(measure.unit, 2)}f}")
    chart.dots(list(zip(x.means.tolist(), x.differences.tolist(), strict=True)), _INK, 2.6)
    return chart.svg()


def _plots(agreement: Agreement) -> str:
    return "".join(
        f"<div>{bland_altman_svg(m, p)}</div>" for m in agreement.measures for p in m.pairs
    )


def _points(agreement: Agreement) -> str:
    head = ["Readers", "Point", "n", "Median mm", "Mean mm", "95 % mm"]
    head += ["Median %", "Mean %", "95 % %"]
    rows = [
        [
            f"{p.first} − {p.second}",
            p.point.replace("_", " "),
            str(p.n),
            *_numbers((p.median_mm, p.mean_mm, p.p95_mm), 2),
            *_numbers((p.median_percent, p.mean_percent, p.p95_percent), 1),
        ]
        for p in agreement.points
    ]
    note = "Percent are of the superior depth of the vertebra; 95 %: the 95th percentile."
    elsewhere = {(p.first, p.second): p.named_otherwise for p in agreement.points}
    for (first, second), count in elsewhere.items():
        if count:
            note += (
                f" {safe(first)} and {safe(second)} gave the same name to different bodies"
                f" {count} times; these points are left out."
            )
    return table(head, rows, texts=2) + f'<p class="why">{note}</p>'


def _numbers(values: Sequence[float], digits: int) -> list[str]:
    return [f"{v:.{digits}f}" if math.isfinite(v) else "–" for v in values]


def _label(measure: MeasureAgreement) -> str:
    info = CATALOGUE.get(measure.name)
    label = info.label if info else measure.name.replace("_", " ")
    return f"{label} ({measure.unit})" if measure.unit not in ("", "ratio") else label


def _with_interval(value: float, interval: tuple[float, float], digits: int) -> str:
    if not math.isfinite(value):
        return "–"
    if not all(map(math.isfinite, interval)):
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} ({interval[0]:.{digits}f} to {interval[1]:.{digits}f})"


def _finite(value: float, other: float) -> float:
    return value if math.isfinite(value) else other
