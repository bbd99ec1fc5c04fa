"""Correction and its loss between the films of one patient.

Angles: correction C = K0 - K1, loss L = Kk - K1 (positive is bad), final gain G = K0 - Kk = C - L,
for the pre-operative film 0, the first post-operative film 1 and a later film k.

Heights: with r = H / H_pred of each film, restoration is (r1 - r0) / (1 - r0), gain r1 - r0 and
loss r1 - rk. As r is a ratio on one film, films of different magnification compare; millimetres of
two films are never subtracted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import check_level
from endplate.geometry.measurement import Measurement
from endplate.geometry.uncertainty import interval90, probability_above

__all__ = [
    "ANGLES",
    "DEFAULT_FOLLOWUP",
    "HEIGHTS",
    "Film",
    "FollowUpSettings",
    "angle_followup",
    "followup",
    "height_followup",
]

#: Angles that are followed, if both films have them.
ANGLES: Final = (
    "vertebral_kyphosis_deg",
    "regional_kyphosis_deg",
    "gardner_mono_above_deg",
    "mono_below_deg",
    "segment_inf_above_to_inf_deg",
    "adjacent_endplates_deg",
    "posterior_wall_deg",
    "ART_deg",
    "TVK_deg",
)

#: Heights that are followed.
HEIGHTS: Final = ("ant", "mid", "post")

_Z95: Final = 1.959963984540054


@dataclass(frozen=True, slots=True)
class FollowUpSettings:
    """Rules for when a ratio is undefined, and what is said of a loss.

    Parameters
    ----------
    min_correction_deg : float
        Least correction of which a loss is given as a percentage.
    min_loss_pct : float
        Least pre-operative height loss of which a restoration is given as a percentage.
    loss_thresholds_deg : tuple of float
        Losses of correction that get a flag and a probability each: 5 degrees is about the error
        of a human reader, 10 degrees a usual definition of failure.
    height_loss_threshold_pct : float
        Loss of height, in percent of the reference, that gets a flag.
    shared_se_deg, shared_se_pct : float
        Standard error of what all films of a patient have in common, such as the bias of one
        reader or one network, as part of the standard error of each. It cancels in differences.
        It counts at most as much as the smallest standard error among the films.
    """

    min_correction_deg: float = 5.0
    min_loss_pct: float = 5.0
    loss_thresholds_deg: tuple[float, ...] = (5.0, 10.0)
    height_loss_threshold_pct: float = 10.0
    shared_se_deg: float = 0.0
    shared_se_pct: float = 0.0

    def __post_init__(self) -> None:
        for name in ("min_correction_deg", "min_loss_pct", "shared_se_deg", "shared_se_pct"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise GeometryError(f"{name} {value}: expected a number of 0 or more")


DEFAULT_FOLLOWUP: Final = FollowUpSettings()


@dataclass(frozen=True, slots=True)
class Film:
    """Measurements of one film, with the patient's position where it is known."""

    measurements: Sequence[Measurement]
    position: str | None = None

    def at(self, level: str) -> Mapping[str, Measurement]:
        """Measurements of one level by name."""
        return {m.name: m for m in self.measurements if m.level == level}


def followup(
    level: str,
    pre: Film | None,
    post: Film | None,
    last: Film | None = None,
    settings: FollowUpSettings = DEFAULT_FOLLOWUP,
    *,
    covariances: Mapping[str, FloatArray] | None = None,
) -> tuple[Measurement, ...]:
    """Correction, loss and gain of every angle and height of `level`.

    Parameters
    ----------
    level : str
        The index level.
    pre, post, last : Film or None
        The pre-operative, first post-operative and follow-up films; what needs a film that is
        None is absent.
    covariances : mapping of (3, 3) arrays, optional
        By name of the measure: covariance of its values on the three films, where their errors
        are known together. Measures that are not named have independent errors but for the
        share that `settings` states.

    Returns
    -------
    tuple of Measurement
        In the order of `ANGLES`, then `HEIGHTS`. What the films have but what is undefined is
        NaN with a flag.

    Raises
    ------
    UnknownName
        If `level` is no level.
    """
    check_level(level)
    films = (pre, post, last)
    by_name: list[Mapping[str, Measurement]] = [
        {} if film is None else film.at(level) for film in films
    ]
    positions = tuple(None if film is None else film.position for film in films)
    together = covariances or {}
    out: list[Measurement] = []
    for name in ANGLES:
        before, after, late = (x.get(name) for x in by_name)
        joint = together.get(name)
        out += angle_followup(before, after, late, settings, positions=positions, covariance=joint)
    for key in HEIGHTS:
        name = f"loss_{key}_pct"
        before, after, late = (x.get(name) for x in by_name)
        joint = together.get(name)
        out += height_followup(
            key, before, after, late, settings, positions=positions, covariance=joint
        )
    return tuple(out)


def angle_followup(
    pre: Measurement | None,
    post: Measurement | None,
    last: Measurement | None = None,
    settings: FollowUpSettings = DEFAULT_FOLLOWUP,
    *,
    positions: Sequence[str | None] = (None, None, None),
    covariance: FloatArray | None = None,
) -> tuple[Measurement, ...]:
    """Follow one angle over two or three films.

    Names, for ``vertebral_kyphosis_deg``: ``correction_vertebral_kyphosis_deg``,
    ``loss_of_correction_vertebral_kyphosis_deg`` with the flags ``over_5_deg``, ``over_10_deg``
    and ``over_mdc95``, ``mdc95_vertebral_kyphosis_deg`` (the loss that exceeds error with 95 %
    confidence), ``probability_loss_over_5_deg_vertebral_kyphosis`` and 10,
    ``final_gain_vertebral_kyphosis_deg``, ``loss_of_correction_pct_vertebral_kyphosis``
    (undefined, flag ``undefined_small_correction``, below the least correction).
    """
    films = _Films((pre, post, last), positions, settings.shared_se_deg, covariance)
    if not films.some:
        return ()
    stem = films.some.name.removesuffix("_deg")
    out: list[Measurement] = []
    if pre and post:
        out.append(films.combined(f"correction_{stem}_deg", "deg", (1.0, -1.0, 0.0)))
    if post and last:
        loss = films.combined(f"loss_of_correction_{stem}_deg", "deg", (0.0, -1.0, 1.0))
        out += _judged_loss(loss, stem, settings)
    if pre and last:
        out.append(films.combined(f"final_gain_{stem}_deg", "deg", (1.0, 0.0, -1.0)))
    if pre and post and last:
        out.append(_relative_loss(films, stem, settings))
    return tuple(out)


def height_followup(
    key: str,
    pre: Measurement | None,
    post: Measurement | None,
    last: Measurement | None = None,
    settings: FollowUpSettings = DEFAULT_FOLLOWUP,
    *,
    positions: Sequence[str | None] = (None, None, None),
    covariance: FloatArray | None = None,
) -> tuple[Measurement, ...]:
    """Follow one height, given as its loss in percent of the predicted height on each film.

    Names, for ``ant``: ``height_restoration_pct_ant`` (percent of the lost height that came back;
    undefined, flag ``undefined_small_loss``, if little was lost),
    ``height_gain_pct_of_reference_ant`` and ``height_loss_post_to_fu_pct_of_reference_ant`` (flag
    ``over_10_pct``).
    """
    films = _Films((pre, post, last), positions, settings.shared_se_pct, covariance)
    out: list[Measurement] = []
    if pre and post:
        out.append(_restoration(films, key, settings))
        name = f"height_gain_pct_of_reference_{key}"
        out.append(films.combined(name, "%", (1.0, -1.0, 0.0)))
    if post and last:
        name = f"height_loss_post_to_fu_pct_of_reference_{key}"
        loss = films.combined(name, "%", (0.0, -1.0, 1.0))
        threshold = settings.height_loss_threshold_pct
        over = (f"over_{threshold:g}_pct",) if loss.value > threshold else ()
        out.append(_with_flags(loss, over))
    return tuple(out)


class _Films:
    """One measure on up to three films: values, their covariance, and what to say of them."""

    def __init__(
        self,
        measurements: Sequence[Measurement | None],
        positions: Sequence[str | None],
        shared_se: float,
        covariance: FloatArray | None = None,
    ) -> None:
        self.measurements = tuple(measurements)
        self.positions = tuple(positions)
        self.values = np.array([m.value if m else np.nan for m in self.measurements])
        self.se = np.array([m.se if m else np.nan for m in self.measurements])
        self.shared_se = shared_se
        self.covariance = covariance
        seen = {(m.name, m.level) for m in self.measurements if m}
        if len(seen) > 1:
            raise GeometryError(
                f"follow-up of different measures {sorted(seen)}: expected the same name and"
                " level on each film"
            )

    @property
    def some(self) -> Measurement | None:
        """Any of the measurements: they share name and level."""
        return next((m for m in self.measurements if m), None)

    def combined(
        self,
        name: str,
        unit: str,
        weights: Sequence[float],
        value: float | None = None,
        flags: Sequence[str] = (),
    ) -> Measurement:
        """Weighted sum of the films, or `value` with the weights as its gradient."""
        gradient = np.asarray(weights)
        used = np.flatnonzero(gradient)
        if value is None:
            value = float(gradient[used] @ self.values[used])
        se = self._standard_error(gradient, used) if np.isfinite(value) else np.nan
        first = next(m for m in self.measurements if m)
        return Measurement(
            name,
            first.level,
            first.between,
            value,
            unit,
            se,
            interval90(value, se),
            tuple(dict.fromkeys((*self._flags(used), *flags))),
        )

    def _standard_error(self, gradient: np.ndarray, used: np.ndarray) -> float:
        """Delta method: by the covariance, else films independent but for what they share."""
        if self.covariance is not None:
            known = self.covariance[np.ix_(used, used)]
            return float(np.sqrt(max(float(gradient[used] @ known @ gradient[used]), 0.0)))
        se = self.se[used]
        shared = min(self.shared_se, float(se.min()))
        covariance = np.full((len(used), len(used)), shared**2)
        np.fill_diagonal(covariance, se**2)
        variance = float(gradient[used] @ covariance @ gradient[used])
        return float(np.sqrt(max(variance, 0.0)))

    def _flags(self, used: Sequence[int] | np.ndarray) -> list[str]:
        """What the films say of themselves, and of being compared."""
        measured = [m for i in used if (m := self.measurements[i])]
        flags = [f for m in measured for f in m.flags]
        if len({m.between for m in measured}) > 1:
            flags.append("landmarks_differ")
        positions = {self.positions[i] for i in used}
        if len(positions - {None}) > 1:
            flags.append("positions_differ")
        elif None in positions:
            flags.append("position_unknown")
        return flags


def _judged_loss(loss: Measurement, stem: str, settings: FollowUpSettings) -> list[Measurement]:
    """The loss with its flags, the loss that error alone would explain, and probabilities."""
    bound = _Z95 * loss.se
    over = [f"over_{t:g}_deg" for t in settings.loss_thresholds_deg if loss.value > t]
    if abs(loss.value) > bound:
        over.append("over_mdc95")
    out = [_with_flags(loss, over)]
    out.append(
        Measurement(f"mdc95_{stem}_deg", loss.level, loss.between, bound, "deg", flags=loss.flags)
    )
    for threshold in settings.loss_thresholds_deg:
        out.append(
            Measurement(
                f"probability_loss_over_{threshold:g}_deg_{stem}",
                loss.level,
                loss.between,
                probability_above(loss.value, loss.se, threshold),
                "ratio",
                flags=loss.flags,
            )
        )
    return out


def _relative_loss(films: _Films, stem: str, settings: FollowUpSettings) -> Measurement:
    """100 L / C, undefined unless enough was corrected."""
    before, after, late = films.values.tolist()
    correction, loss = before - after, late - after
    value, flags = np.nan, ["undefined_small_correction"]
    weights = (np.nan, np.nan, np.nan)
    if np.isnan(correction) or np.isnan(loss):
        flags = []
    elif correction >= settings.min_correction_deg:
        value, flags = 100.0 * loss / correction, []
        share = loss / correction
        weights = tuple(100.0 / correction * x for x in (-share, share - 1.0, 1.0))
    name = f"loss_of_correction_pct_{stem}"
    return films.combined(name, "%", weights, value, flags)


def _restoration(films: _Films, key: str, settings: FollowUpSettings) -> Measurement:
    """100 (r1 - r0) / (1 - r0) = 100 (1 - loss1 / loss0), undefined if too little was lost."""
    before, after, _ = films.values.tolist()
    value, flags = np.nan, ["undefined_small_loss"]
    weights = (np.nan, np.nan, 0.0)
    if np.isnan(before) or np.isnan(after):
        flags = []
    elif before >= settings.min_loss_pct:
        value, flags = 100.0 * (1.0 - after / before), []
        weights = (100.0 * after / before**2, -100.0 / before, 0.0)
    return films.combined(f"height_restoration_pct_{key}", "%", weights, value, flags)


def _with_flags(measured: Measurement, more: Sequence[str]) -> Measurement:
    return Measurement(
        measured.name,
        measured.level,
        measured.between,
        measured.value,
        measured.unit,
        measured.se,
        measured.interval90,
        (*measured.flags, *more),
    )
