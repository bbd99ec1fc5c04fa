"""The follow-up of a subject: all films named together, measured alike, and compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from endplate.geometry.followup import DEFAULT_FOLLOWUP, Film, FollowUpSettings, followup
from endplate.geometry.levels import above, below
from endplate.geometry.measure import measure
from endplate.geometry.measurement import Measurement
from endplate.geometry.physiology import DEFAULT, Physiology
from endplate.geometry.settings import DEFAULT_SETTINGS, MeasureSettings
from endplate.study.index_level import IndexLevel, find_index_level
from endplate.study.joint_estimate import JointEstimateSettings
from endplate.study.joint_measures import MeasuredFilms, measure_films
from endplate.study.joint_naming import JointNamingSettings, name_jointly
from endplate.study.new_findings import (
    JunctionAngle,
    NewFracture,
    junction_angles,
    new_fractures,
    treated_range,
)
from endplate.study.pairing import SubjectFilms, Visit
from endplate.study.reading import Reading

__all__ = ["FOLLOWED", "FollowUp", "FollowUpOptions", "VisitResult", "follow_subject"]

#: Measures of each film that a follow-up shows and a cohort describes.
FOLLOWED: Final = (
    "vertebral_kyphosis_deg",
    "regional_kyphosis_deg",
    "gardner_mono_above_deg",
    "ART_deg",
    "TVK_deg",
    "loss_ant_pct",
    "loss_mid_pct",
    "loss_post_pct",
    "Ha_Hp",
    "Hm_Hp",
    "Ha_mm",
    "Hm_mm",
    "Hp_mm",
)
#: Time points before the operation.
PRE: Final = "pre"


@dataclass(frozen=True, slots=True)
class FollowUpOptions:
    """How a subject is followed.

    Parameters
    ----------
    joint_naming : bool
        Whether films are named together.
    naming : JointNamingSettings
    estimate : str
        ``joint``: measures come from points of all films estimated together
        (`endplate.study.joint_estimate`); ``films``: from each film alone; ``auto``: joint where a
        model read all films, for what a person measured stays as it is.
    joint : JointEstimateSettings
    measure : MeasureSettings
        Rules for fractured neighbours.
    physiology : Physiology
        Table of normal values for ART and TVK.
    settings : FollowUpSettings
        Thresholds, and what films of one reader share.
    """

    joint_naming: bool = True
    naming: JointNamingSettings = field(default_factory=JointNamingSettings)
    estimate: str = "auto"
    joint: JointEstimateSettings = field(default_factory=JointEstimateSettings)
    measure: MeasureSettings = DEFAULT_SETTINGS
    physiology: Physiology = DEFAULT
    settings: FollowUpSettings = DEFAULT_FOLLOWUP


@dataclass(frozen=True, eq=False)
class VisitResult:
    """One time point: the film, its measures of the index level, and the change so far.

    Parameters
    ----------
    visit : Visit
        With the reading as named together with the others.
    shift : int
        Levels by which the reading's own names were moved.
    values : tuple of Measurement
        `FOLLOWED`, as far as the film has them, from the films together or from this one alone.
    own_values : tuple of Measurement
        The same from this film alone.
    changes : tuple of Measurement
        Of `endplate.geometry.followup.followup`, from the films before and just after the
        operation to this one; for the first post-operative film the correction alone.
    flags : tuple of str
        What to doubt about comparing this film.
    """

    visit: Visit
    shift: int
    values: tuple[Measurement, ...]
    changes: tuple[Measurement, ...]
    flags: tuple[str, ...]
    own_values: tuple[Measurement, ...] = ()

    def value(self, name: str) -> Measurement | None:
        """A measure of this film."""
        return next((m for m in self.values if m.name == name), None)

    def change(self, name: str) -> Measurement | None:
        """A change up to this film."""
        return next((m for m in self.changes if m.name == name), None)


@dataclass(frozen=True, eq=False)
class FollowUp:
    """The follow-up of one subject.

    Parameters
    ----------
    subject : str
    operation : date or None
    index : IndexLevel
        The treated level with its probability; empty: it could not be told, and nothing is
        compared.
    visits : tuple of VisitResult
        In the order of time.
    fractures : tuple of NewFracture
    junctions : tuple of JunctionAngle
    left_out : tuple of (Reading, str)
        Films that belong to no time point, with the reason.
    naming_margin : float
        Nats between the joint naming and the second best; infinite for one film.
    estimate : str
        ``joint`` or ``films``: where the measures come from.
    noise : (steady, changing) or None
        With a joint estimate: the errors of the points over what the readings state, for bodies
        that keep their shape and for others.
    """

    subject: str
    operation: date | None
    index: IndexLevel
    visits: tuple[VisitResult, ...]
    fractures: tuple[NewFracture, ...] = ()
    junctions: tuple[JunctionAngle, ...] = ()
    left_out: tuple[tuple[Reading, str], ...] = ()
    naming_margin: float = float("inf")
    estimate: str = "films"
    noise: tuple[float, float] | None = None

    @property
    def index_level(self) -> str:
        """The treated level, or ``""``."""
        return self.index.level

    @property
    def before(self) -> VisitResult | None:
        """The pre-operative visit."""
        return next((v for v in self.visits if v.visit.name == PRE), None)

    @property
    def after(self) -> VisitResult | None:
        """The first visit after the operation."""
        return next((v for v in self.visits if v.visit.name != PRE), None)

    @property
    def last(self) -> VisitResult | None:
        """The last visit, if it is later than the first after the operation."""
        later = [v for v in self.visits if v.visit.name != PRE][1:]
        return later[-1] if later else None


def follow_subject(
    films: SubjectFilms, index_level: str = "", options: FollowUpOptions | None = None
) -> FollowUp:
    """Follow one subject.

    Parameters
    ----------
    films : SubjectFilms
        As `pair_films` sorts them.
    index_level : str
        Empty: it is told from the films.
    options : FollowUpOptions, optional

    Raises
    ------
    UnknownName
        If `index_level` is no level.
    """
    chosen = options or FollowUpOptions()
    readings = [v.reading for v in films.visits]
    shifts, margin, off = (0,) * len(readings), float("inf"), None
    operated = [v.name != PRE for v in films.visits]
    if chosen.joint_naming:
        named = name_jointly(readings, chosen.naming, index_level=index_level, operated=operated)
        readings, shifts, margin = list(named.readings), named.shifts, named.margin
        off = named.off
    index = find_index_level(readings, index_level, operated, off)
    level = index.level
    broken = _fractured_elsewhere(readings, level, chosen) if level else ()
    settings = replace(chosen.measure, fractured=(*chosen.measure.fractured, *broken))
    alone = measure_films(
        readings,
        level,
        (),
        operated,
        estimate="films",
        physiology=chosen.physiology,
        settings=settings,
    )
    visits = [replace(v, reading=r) for v, r in zip(films.visits, readings, strict=True)]
    post = [(v.name, r) for v, r in zip(visits, readings, strict=True) if v.name != PRE]
    treated = treated_range([r for _, r in post], level) if level else ("", "")
    # What breaks or moves elsewhere is looked for on each film: an estimate that takes bodies for
    # unchanged would not see it.
    by_visit = list(zip((v.name for v in visits), alone.measurements, strict=True))
    fractures = new_fractures(by_visit, level, treated) if level else ()
    changing = {level, *broken, *(f.level for f in fractures), *_cemented(readings)} - {""}
    together = measure_films(
        readings,
        level,
        changing,
        operated,
        estimate=chosen.estimate,
        physiology=chosen.physiology,
        settings=settings,
        joint=chosen.joint,
        days=[v.days for v in visits],
    )
    return FollowUp(
        films.subject,
        films.operation,
        index,
        _results(visits, shifts, alone, together, level, chosen),
        fractures,
        junction_angles(post, treated) if level else (),
        films.left_out,
        margin,
        "films" if together.joint is None else "joint",
        None if together.joint is None else together.joint.noise,
    )


def _cemented(readings: Sequence[Reading]) -> set[str]:
    return {v.level for r in readings for v in r.vertebrae if v.cement}


def _fractured_elsewhere(
    readings: Sequence[Reading], index_level: str, options: FollowUpOptions
) -> tuple[str, ...]:
    """Other bodies with a Genant-type grade of 2 or more on the first film: no normal height."""
    if not readings:
        return ()
    first = readings[0]
    graded = measure(
        first.vertebrae, first.calibration, index_level=index_level, settings=options.measure
    )
    return tuple(
        m.level
        for m in graded
        if m.name == "genant_grade_from_max_loss" and m.value >= 2 and m.level != index_level
    )


def _results(
    visits: Sequence[Visit],
    shifts: Sequence[int],
    alone: MeasuredFilms,
    together: MeasuredFilms,
    level: str,
    options: FollowUpOptions,
) -> tuple[VisitResult, ...]:
    films = [
        Film(m, v.reading.source.position)
        for v, m in zip(visits, together.measurements, strict=True)
    ]
    pre = next((i for i, v in enumerate(visits) if v.name == PRE), None)
    first = next((i for i, v in enumerate(visits) if v.name != PRE), None)
    out = []
    for i, (visit, shift) in enumerate(zip(visits, shifts, strict=True)):
        changes: tuple[Measurement, ...] = ()
        if level and visit.name != PRE:
            last = i if i != first else None
            before, after, late = (None if k is None else films[k] for k in (pre, first, last))
            changes = followup(
                level,
                before,
                after,
                late,
                options.settings,
                covariances=together.covariances(level, (pre, first, last)),
            )
        flags = _visit_flags(visit, None if first is None else visits[first], shift, level)
        if together.joint is not None and level in together.joint.misread[i]:
            flags = (*flags, "points_misread")
        out.append(
            VisitResult(
                visit,
                shift,
                _followed(together.measurements[i], level),
                changes,
                flags,
                _followed(alone.measurements[i], level),
            )
        )
    return tuple(out)


def _followed(measurements: Sequence[Measurement], level: str) -> tuple[Measurement, ...]:
    of_level = {m.name: m for m in measurements if m.level == level}
    return tuple(of_level[n] for n in FOLLOWED if n in of_level)


def _visit_flags(visit: Visit, reference: Visit | None, shift: int, level: str) -> tuple[str, ...]:
    reading = visit.reading
    flags = []
    if shift:
        flags.append("levels_renamed")
    if reading.quality.status == "flagged":
        flags += [f"film_{r.code}" for r in reading.quality.reasons if r.code != "renamed_jointly"]
    if not reading.calibration.is_metric:
        flags.append("uncalibrated")
    elif reading.calibration.source in ("detector", "unknown"):
        flags.append("millimetres_magnified")
    shown = {v.level for v in reading.vertebrae}
    if level and level not in shown:
        flags.append("index_level_not_on_film")
    elif level and not {above(level), below(level)} <= shown:
        flags.append("neighbour_not_on_film")
    if reference is not None:
        other = reference.reading
        if (reading.source.modality == "CT") != (other.source.modality == "CT"):
            flags.append("ct_against_film")
        positions = {reading.source.position, other.source.position} - {None}
        if len(positions) > 1:
            flags.append("positions_differ")
    return tuple(flags)
