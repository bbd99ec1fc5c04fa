"""Fit the quality gate on a bench of images, and judge it on the half it was not fitted on."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np

from endplate.datasets.gatebench.specimen import Specimen
from endplate.datasets.splits import assign_folds
from endplate.errors import InputError
from endplate.geometry.calibration import UNCALIBRATED
from endplate.geometry.landmarks import FloatArray
from endplate.infer.evidence import FEATURES, evidence
from endplate.infer.filmlook import FilmLook, look_at
from endplate.infer.gate import LEANS, SURELY_FRONTAL, column_tilt, judge_quality, may_lean
from endplate.infer.pipeline import FilmReader, FilmResult
from endplate.models.calibration import Calibrations
from endplate.models.gatelimits import GateLimits
from endplate.study.reading import Quality

__all__ = ["Observed", "cross_judge", "curve", "fit_gate", "observe", "parts", "table"]

#: Parts of a bench, each judged by what the others fitted.
_PARTS: Final = 5
#: Kinds whose many subjects are split between the parts; other negatives are split by kind.
_BY_SUBJECT: Final = ("real frontal film",)
#: Limit, reason that it gives, side on which films are flagged.
_LIMITS: Final = (
    ("burnt", "overexposed", 1),
    ("white", "underexposed", 1),
    ("levels", "low_contrast", -1),
    ("noise", "noisy", 1),
    ("sharpness", "blurred", -1),
    ("blocks", "compressed", 1),
    ("tilt", "tilted", 1),
    ("hardware", "hardware", 1),
)
_METAL: Final = " with hardware"
#: Kinds that are clean but for what they are named after.
_SOUND: Final = ("real lateral film", "real lateral film with hardware", "mirrored", "collimated")
#: Kinds of laterals as they were taken or simulated.
_UNDAMAGED: Final = tuple(
    f"{source} lateral film{more}" for source in ("real", "simulated") for more in ("", _METAL)
)
_RIDGE: Final = 0.02
_STEPS: Final = 4000
_MAY_PASS: Final = 0.01
_MAY_FAIL: Final = 0.02
"""Shares of negatives let through and of laterals rejected that weigh the same."""
_MOST_WRONG: Final = 0.1
"""Share of sound films that a limit may flag; else the built-in one stays."""
_FALSE_FLAG: Final = 2.0
"""How much worse a wrong flag of a sound film is than a missed one of a damaged film."""
_LEAN_BELOW: Final = 5.0
"""Log odds above the limit in use beyond which no limit that may be fitted rejects an image."""


@dataclass(frozen=True, eq=False)
class Observed:
    """What the networks and the pixels say of one specimen, to be judged by any limits.

    `leaning` is what they say where the patient is taken to lean, as far as that may matter.
    """

    kind: str
    name: str
    subject: str
    negative: bool
    due: tuple[str, ...]
    result: FilmResult
    look: FilmLook
    size: tuple[int, int]
    leaning: tuple["Observed", ...] = ()

    @cached_property
    def features(self) -> dict[str, float]:
        """The evidence of the gate."""
        return evidence(self.result.found, self.look)

    def judge(self, calibrations: Calibrations) -> Quality:
        """Verdict of the gate, as `FilmReader.read` has it."""
        first = self._judge_alone(calibrations)
        if may_lean(self.result.found, first):
            for other in self.leaning:
                again = other.judge(calibrations)
                if again.status != "rejected":
                    return again
        return first

    def _judge_alone(self, calibrations: Calibrations) -> Quality:
        return judge_quality(
            self.result.found,
            self.result.vertebrae,
            self.result.level_probability,
            self.size,
            calibrations,
            None,
            look=self.look,
        )

    def value(self, limit: str) -> float:
        """What is compared with a limit of `GateLimits`; NaN if it cannot be told."""
        if limit == "tilt":
            return abs(column_tilt(self.result.vertebrae, self.result.found.upright))
        if limit == "hardware":
            return self.result.found.scores.hardware
        return float(getattr(self.look, limit))


def observe(
    specimens: Iterable[Specimen], reader: Callable[[int | None], FilmReader]
) -> Iterable[Observed]:
    """Read the specimens one by one; `reader` gives the networks for a fold."""
    for s in specimens:
        own = reader(s.fold)
        first = _observed(s, own.find(s.image, UNCALIBRATED))
        near = _margin(first, own.calibrations.gate) < _LEAN_BELOW
        if near and first.result.found.scores.frontal <= SURELY_FRONTAL:
            leaning = [_observed(s, own.find(s.image, UNCALIBRATED, lean=a)) for a in LEANS]
            first = replace(first, leaning=tuple(leaning))
        yield first


def _observed(s: Specimen, result: FilmResult) -> Observed:
    look = look_at(s.image, result.vertebrae, inverted=result.found.inverted)
    size = (s.image.shape[0], s.image.shape[1])
    return Observed(s.kind, s.name, s.subject, s.negative, s.reasons, result, look, size)


def parts(observed: Sequence[Observed]) -> list[int]:
    """Part of each specimen, from 0: laterals by subject, negatives by kind."""
    subjects = assign_folds((o.subject for o in observed if not _by_kind(o)), _PARTS)
    kinds = assign_folds((o.kind for o in observed if _by_kind(o)), _PARTS)
    return [kinds[o.kind] if _by_kind(o) else subjects[o.subject] for o in observed]


def _by_kind(o: Observed) -> bool:
    return o.negative and o.kind not in _BY_SUBJECT


def fit_gate(observed: Sequence[Observed]) -> GateLimits:
    """Weights of the evidence and all limits.

    Raises
    ------
    InputError
        If there are no laterals or no negatives.
    """
    seen = [o for o in observed if not o.look.blank]
    if not any(o.negative for o in seen) or all(o.negative for o in seen):
        raise InputError("the gate needs laterals and other images to be fitted on")
    limits = _fit_evidence(seen)
    for name, reason, side in _LIMITS:
        sound, damaged = _values(seen, name, reason)
        if len(sound) and len(damaged):
            limit = side * _between(side * sound, side * damaged, _FALSE_FLAG)
            caught = float((side * damaged > side * limit).mean())
            wrong = float((side * sound > side * limit).mean())
            if caught >= 0.5 and wrong <= _MOST_WRONG:
                limits = replace(limits, **{name: limit})  # type: ignore[arg-type]
    return limits


def _values(observed: Sequence[Observed], name: str, reason: str) -> tuple[FloatArray, FloatArray]:
    """Values of a limit on sound films and on those that should be flagged for it."""
    laterals = [o for o in observed if not o.negative]
    damaged = [o.value(name) for o in laterals if reason in o.due]
    sound = [
        o.value(name)
        for o in laterals
        if reason not in o.due and (o.kind in _SOUND or (name == "hardware" and not o.due))
    ]
    a, b = np.array(sound, dtype=np.float64), np.array(damaged, dtype=np.float64)
    return a[np.isfinite(a)], b[np.isfinite(b)]


def _between(low: FloatArray, high: FloatArray, price: float) -> float:
    """Limit above which few of `low` and most of `high` lie, in the middle of its leeway.

    The share of `low` above it counts `price` times the share of `high` below it.
    """
    places = np.unique(np.concatenate([low, high]))
    edges = np.concatenate([places[:1] - 1e-6, 0.5 * (places[1:] + places[:-1]), places[-1:]])
    cost = [price * (low > e).mean() + (high <= e).mean() for e in edges]
    best = np.flatnonzero(np.isclose(cost, min(cost)))
    # of several stretches as good, the widest
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    bounds = [(places[max(r[0] - 1, 0)], places[min(r[-1], len(places) - 1)]) for r in runs]
    a, b = max(bounds, key=lambda pair: float(pair[1] - pair[0]))
    return float(0.5 * (a + b))


def _fit_evidence(observed: Sequence[Observed]) -> GateLimits:
    """Ridge logistic regression with weights of 0 or more, every kind counting the same."""
    names = list(FEATURES)
    rows = [o.features for o in observed]
    x = np.array([[row[n] for n in names] for row in rows])
    lateral = np.array([not o.negative for o in observed])
    share = _balance([o.kind for o in observed], lateral)
    centre = (share[:, None] * x).sum(axis=0)
    scale = np.sqrt((share[:, None] * (x - centre) ** 2).sum(axis=0)) + 1e-6
    weights, bias = _descend((x - centre) / scale, lateral, share)
    weights = weights / scale
    bias -= float(weights @ centre)
    odds = x @ weights + bias
    # laterals must be above the limit: the negative of both turns the sides around
    price = _MAY_PASS / _MAY_FAIL
    limit = -_between(-odds[lateral], -odds[~lateral], price)
    kept = {n: float(w) for n, w in zip(names, weights, strict=True) if w > 1e-4}
    usual = np.median(x[lateral], axis=0)
    middle = {n: float(u) for n, u in zip(names, usual, strict=True) if n in kept}
    return GateLimits(weights=kept, usual=middle, bias=bias, evidence=limit)


def _balance(kinds: Sequence[str], lateral: Any) -> FloatArray:
    """Weights that add up to 1, half of it for each side, evenly over the kinds of a side."""
    count = Counter(kinds)
    weight = np.array([1.0 / count[k] for k in kinds])
    for side in (lateral, ~lateral):
        weight[side] *= 0.5 / weight[side].sum()
    return weight


def _descend(x: FloatArray, lateral: Any, share: FloatArray) -> tuple[FloatArray, float]:
    """Projected gradient descent of the logistic loss."""
    weights, bias = np.zeros(x.shape[1]), 0.0
    step = 1.0 / (0.25 * float((share[:, None] * x**2).sum()) + 0.25 + _RIDGE)
    target = lateral.astype(np.float64)
    for _ in range(_STEPS):
        p = 0.5 * (1 + np.tanh(0.5 * (x @ weights + bias)))
        slope = share * (p - target)
        weights = np.maximum(weights - step * (x.T @ slope + _RIDGE * weights), 0.0)
        bias -= step * float(slope.sum())
    return weights, bias


def cross_judge(
    observed: Sequence[Observed], calibrations: Calibrations
) -> tuple[list[Quality], list[float]]:
    """Verdict on each specimen, and its log odds less the limit, by what other parts fitted."""
    part = parts(observed)
    limits = {
        k: fit_gate([o for o, p in zip(observed, part, strict=True) if p != k]) for k in set(part)
    }
    verdicts, margins = [], []
    for o, p in zip(observed, part, strict=True):
        gate = limits[p]
        verdicts.append(o.judge(replace(calibrations, gate=gate)))
        margins.append(max(_margin(one, gate) for one in (o, *o.leaning)))
    return verdicts, margins


def _margin(o: Observed, gate: GateLimits) -> float:
    return -99.0 if o.look.blank else gate.score(o.features) - gate.evidence


def table(observed: Sequence[Observed], verdicts: Sequence[Quality]) -> dict[str, Any]:
    """Figures of each kind of negative and of each kind of lateral."""
    rows: dict[bool, dict[str, list[tuple[Observed, Quality]]]] = {True: {}, False: {}}
    for o, v in zip(observed, verdicts, strict=True):
        rows[o.negative].setdefault(o.kind, []).append((o, v))
    negatives, positives = [], []
    for kind, pairs in rows[True].items():
        rejected = [v for _, v in pairs if v.status == "rejected"]
        reasons = Counter(r.code for v in rejected for r in v.reasons)
        negatives.append(
            {"kind": kind, "n": len(pairs), "rejected": len(rejected), "reasons": dict(reasons)}
        )
    for kind, pairs in rows[False].items():
        due = [(o, v) for o, v in pairs if o.due]
        right = [v for o, v in due if set(o.due) & {r.code for r in v.reasons}]
        flags = Counter(r.code for _, v in pairs for r in v.reasons)
        positives.append(
            {
                "kind": kind,
                "n": len(pairs),
                "undamaged": kind in _UNDAMAGED,
                "rejected": sum(v.status == "rejected" for _, v in pairs),
                "flagged": sum(v.status == "flagged" for _, v in pairs),
                "right_reason": len(right) if due else None,
                "due": sorted({code for o, _ in due for code in o.due}),
                "reasons": dict(flags.most_common()),
            }
        )
    return {"negatives": negatives, "positives": positives}


def curve(observed: Sequence[Observed], margins: Sequence[float]) -> list[Mapping[str, float]]:
    """Shares of negatives and of laterals rejected, as the limit moves by this many log odds."""
    values = np.array(margins)
    negative = np.array([o.negative for o in observed])
    return [
        {
            "moved": round(float(t), 2),
            "negatives_rejected": round(float((values[negative] < t).mean()), 4),
            "laterals_rejected": round(float((values[~negative] < t).mean()), 4),
        }
        for t in np.linspace(-8, 8, 65)
    ]
