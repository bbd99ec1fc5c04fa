"""Agreement of readers: what `endplate agree` reports of each measure and of the points."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import POINTS
from endplate.study.bland_altman import BlandAltman, bland_altman
from endplate.study.icc import Icc, Reliability, reliability
from endplate.study.plain import plain_number
from endplate.study.reading_sets import MatchedMeasure, PointDistances

__all__ = [
    "AGREEMENT_SCHEMA",
    "DEFAULT_MEASURES",
    "Agreement",
    "MeasureAgreement",
    "PairAgreement",
    "PointAgreement",
    "agree",
    "agreement_to_dict",
]

AGREEMENT_SCHEMA: Final = "endplate/agreement/1"

#: What is compared unless other measures are asked for.
DEFAULT_MEASURES: Final = (
    "vertebral_kyphosis_deg",
    "regional_kyphosis_deg",
    "gardner_mono_above_deg",
    "Ha_Hp",
    "Hm_Hp",
    "loss_ant_pct",
    "loss_mid_pct",
    "loss_post_pct",
    "Ha_mm",
    "Hm_mm",
    "Hp_mm",
    "thoracic_kyphosis_T4_T12_deg",
    "thoracolumbar_T10_L2_deg",
    "lordosis_L1_S1_deg",
    "sacral_slope_deg",
)


@dataclass(frozen=True, eq=False)
class PairAgreement:
    """Two readers on one measure."""

    first: str
    second: str
    limits: BlandAltman


@dataclass(frozen=True, eq=False)
class MeasureAgreement:
    """One measure: reliability over all readers, and limits for each pair.

    Parameters
    ----------
    reliability : Reliability or None
        None where fewer than two targets were read by all readers; `left_out` counts the targets
        that some reader lacks.
    """

    name: str
    unit: str
    readers: tuple[str, ...]
    reliability: Reliability | None
    left_out: int
    pairs: tuple[PairAgreement, ...]


@dataclass(frozen=True, slots=True)
class PointAgreement:
    """Distances of one point, or of all, between two readers.

    Quantiles are of the distance; mm are NaN without a common calibration, percent are of the
    superior depth of the vertebra. `named_otherwise` counts vertebrae that are left out because
    the readers gave their name to different bodies.
    """

    first: str
    second: str
    point: str
    n: int
    median_mm: float
    mean_mm: float
    p95_mm: float
    median_percent: float
    mean_percent: float
    p95_percent: float
    named_otherwise: int


@dataclass(frozen=True, eq=False)
class Agreement:
    """All of an agreement study."""

    readers: tuple[str, ...]
    confidence: float
    measures: tuple[MeasureAgreement, ...]
    points: tuple[PointAgreement, ...]


def agree(
    matched: Sequence[MatchedMeasure],
    points: Sequence[PointDistances] = (),
    confidence: float = 0.95,
) -> Agreement:
    """Judge the agreement of readers.

    Parameters
    ----------
    matched : sequence of MatchedMeasure
        Measures with fewer than three pairs of readings are left out.
    points : sequence of PointDistances
    confidence : float
        Of all intervals.
    """
    measures = tuple(m for x in matched if (m := _measure(x, confidence)) is not None)
    readers = tuple(dict.fromkeys(r for x in matched for r in x.readers))
    return Agreement(readers, confidence, measures, tuple(q for d in points for q in _points(d)))


def _measure(matched: MatchedMeasure, confidence: float) -> MeasureAgreement | None:
    values = matched.values
    pairs = []
    for i, j in combinations(range(len(matched.readers)), 2):
        try:
            limits = bland_altman(values[:, i], values[:, j], matched.subjects, confidence)
        except GeometryError:  # too few pairs
            continue
        pairs.append(PairAgreement(matched.readers[i], matched.readers[j], limits))
    if not pairs:
        return None
    complete = int((~np.isnan(values).any(axis=1)).sum())
    whole = reliability(values, matched.subjects, confidence) if complete >= 2 else None
    return MeasureAgreement(
        matched.name, matched.unit, matched.readers, whole, len(values) - complete, tuple(pairs)
    )


def _points(distances: PointDistances) -> list[PointAgreement]:
    names = np.array(distances.points)
    out = []
    for point in ("all", *POINTS):
        chosen = np.ones(len(names), bool) if point == "all" else names == point
        if not chosen.any():
            continue
        mm = _summary(distances.mm[chosen])
        percent = _summary(distances.percent[chosen])
        out.append(
            PointAgreement(
                distances.first,
                distances.second,
                point,
                int(chosen.sum()),
                median_mm=mm[0],
                mean_mm=mm[1],
                p95_mm=mm[2],
                median_percent=percent[0],
                mean_percent=percent[1],
                p95_percent=percent[2],
                named_otherwise=distances.named_otherwise,
            )
        )
    return out


def _summary(values: FloatArray) -> tuple[float, float, float]:
    """Median, mean and 95th percentile of what is known."""
    known = values[np.isfinite(values)]
    if not len(known):
        return (np.nan, np.nan, np.nan)
    return (float(np.median(known)), float(known.mean()), float(np.quantile(known, 0.95)))


def agreement_to_dict(agreement: Agreement) -> dict[str, Any]:
    """Plain values for JSON; missing is null."""
    return {
        "schema": AGREEMENT_SCHEMA,
        "readers": list(agreement.readers),
        "confidence": agreement.confidence,
        "measures": [_measure_to_dict(m) for m in agreement.measures],
        "points": [
            {
                name: getattr(p, name)
                if isinstance(getattr(p, name), str | int)
                else plain_number(getattr(p, name))
                for name in PointAgreement.__slots__
            }
            for p in agreement.points
        ],
    }


def _measure_to_dict(measure: MeasureAgreement) -> dict[str, Any]:
    r = measure.reliability
    return {
        "name": measure.name,
        "unit": measure.unit,
        "readers": list(measure.readers),
        "targets_not_read_by_all": measure.left_out,
        "reliability": None
        if r is None
        else {
            "n": r.n,
            "readers": r.k,
            "subjects": r.clusters,
            "icc_a1": _icc_to_dict(r.absolute),
            "icc_c1": _icc_to_dict(r.consistency),
            **{
                name: plain_number(getattr(r, name))
                for name in (
                    "sem_agreement",
                    "sem_consistency",
                    "mdc95_agreement",
                    "mdc95_consistency",
                    "sd",
                    "mean",
                )
            },
        },
        "pairs": [
            {"first": p.first, "second": p.second, **_limits_to_dict(p.limits)}
            for p in measure.pairs
        ],
    }


def _icc_to_dict(icc: Icc) -> dict[str, Any]:
    return {
        "value": plain_number(icc.value),
        "interval": [plain_number(x) for x in icc.interval],
        "interval_method": icc.method,
    }


def _limits_to_dict(limits: BlandAltman) -> dict[str, Any]:
    numbers = ("bias", "sd", "lower", "upper", "slope", "slope_p")
    intervals = ("bias_interval", "lower_interval", "upper_interval")
    return {
        "n": limits.n,
        "subjects": limits.clusters,
        **{name: plain_number(getattr(limits, name)) for name in numbers},
        **{name: [plain_number(x) for x in getattr(limits, name)] for name in intervals},
    }
