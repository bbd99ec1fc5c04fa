"""The fit behind a joint estimate: Gauss-Newton steps, weights of the points, misread bodies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from endplate.errors import GeometryError
from endplate.geometry.landmarks import FloatArray
from endplate.study.body_shape import MODES, fit_pose, rotation, shape_modes
from endplate.study.joint_films import Films

__all__ = ["JointEstimateSettings", "JointFit"]

_K: Final = len(MODES)
#: Prior of what the films tell anyway, in depths and radians: it only fixes the frame of a shape.
_LOOSE: Final = 1.0
_SCALE_SD: Final = 0.5
#: Least share of the variance of a residual that is left where other films predict a direction.
_LEAST_PREDICTED: Final = 0.02
_SIX: Final = np.arange(6)
#: Slope of the points by the place of their body.
_MOVED: Final = np.tile(np.eye(2), (6, 1))


@dataclass(frozen=True, slots=True)
class JointEstimateSettings:
    """What is assumed of bodies and of errors.

    Parameters
    ----------
    outline_sd : float
        What the points of a body that keeps its shape differ by from film to film, over its depth:
        it is never seen from quite the same side. True outlines of simulated patients, positioned
        anew for each film, differ by 0.0013.
    wedge_sd_deg, height_sd, concavity_sd, depth_sd, shear_sd : float
        Standard deviation of a change over one step: wedge in degrees, height as a share of the
        posterior height, the others of the depth. Published losses of correction are 1 to 6
        degrees with deviations of 1 to 4 over a year, which is about three such steps; the wedge
        is given twice that, for a narrower walk understates great losses and says so too rarely.
    operation : float
        By how much wider the step across the operation is.
    tails : float
        Degrees of freedom of the distributions of errors and of steps.
    misread : float
        Probability that the points of a changing body are nowhere near it.
    misread_width : float
        How many times wider the errors then are.
    wedge_shown : float
        Share of a change of wedge that shows in the points of a network, which draws an odd
        outline towards a usual one (`benchmarks/wedge_shown.py`). People's readings show all.
    wedge_shown_sd : float
        What that share differs by from body to body: a great change is less sure than a small one.
    prior_points : float
        How many free coordinates the prior of the factor of the errors counts for.
    changing_factor, changing_points : float
        Factor of changing bodies over that of the others before any film, and how many free
        coordinates it counts for: their own films tell little of it, for each has a shape of its
        own. It is below 1 because a broken body misleads in the same way on all its films.
    rounds : int
    """

    outline_sd: float = 0.002
    wedge_sd_deg: float = 6.0
    height_sd: float = 0.04
    concavity_sd: float = 0.02
    depth_sd: float = 0.015
    shear_sd: float = 0.015
    operation: float = 4.0
    tails: float = 4.0
    misread: float = 0.03
    misread_width: float = 30.0
    wedge_shown: float = 0.91
    wedge_shown_sd: float = 0.05
    prior_points: float = 1.0
    changing_factor: float = 0.65
    changing_points: float = 24.0
    rounds: int = 10

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise GeometryError(f"joint estimate: {name} is {value}, expected a number above 0")

    @property
    def step_sd(self) -> FloatArray:
        """(7,) standard deviations of `MODES` from one visit to the next."""
        dent, depth = self.concavity_sd, self.depth_sd
        wedge = math.radians(self.wedge_sd_deg)
        return np.array([wedge, self.height_sd, dent, dent, depth, depth, self.shear_sd])


class JointFit:
    """Parameters in one vector: shapes (12 each), poses (3 each), changes (7 each), scales."""

    def __init__(
        self, films: Films, steps: Sequence[float], settings: JointEstimateSettings
    ) -> None:
        self.films, self.settings = films, settings
        self.shown = np.ones((len(films.points), _K))
        self.shown[films.network, 0] = settings.wedge_shown
        self.seen = [
            (t, j) for t, j in np.argwhere(np.isfinite(films.points).all(axis=(2, 3))).tolist()
        ]
        self.group = np.array([int(films.changing[j]) for _, j in self.seen])
        self.y = np.array([films.points[k].ravel() for k in self.seen])
        self.stated = np.array([films.covariance[k] for k in self.seen])
        self.weight = np.ones((len(self.seen), 6))
        self.factor = np.ones(2)
        self.gated = np.zeros(len(self.seen), bool)
        self._lay_out()
        self._begin()
        self._set_prior(steps)

    def _lay_out(self) -> None:
        bodies = len(self.films.levels)
        self.shape_at = 12 * np.arange(bodies)
        self.pose_at = 12 * bodies + 3 * np.arange(len(self.seen))
        end = 12 * bodies + 3 * len(self.seen)
        films = len(self.films.points)
        self.change_at: dict[tuple[int, int], int] = {}
        for j in np.flatnonzero(self.films.changing).tolist():
            # The shape is that of the first film, which has no change.
            for t in range(1, films):
                self.change_at[t, j] = end
                end += _K
        self.scale_at = end
        self.size = end + films

    def _begin(self) -> None:
        """Shapes of the films that fit the others best, laid on each film."""
        self.z = np.zeros(self.size)
        self.modes: dict[int, FloatArray] = {}
        for j, at in enumerate(self.shape_at.tolist()):
            own = [self.films.points[t, j] for t, k in self.seen if k == j]
            shape = _typical(own)
            self.z[at : at + 12] = shape.ravel()
            self.modes[j] = shape_modes(shape)
        for i, (t, j) in enumerate(self.seen):
            angle, place = fit_pose(self._shape(j), self.films.points[t, j])
            self.z[self.pose_at[i] : self.pose_at[i] + 3] = [angle, *place]

    def _shape(self, j: int) -> FloatArray:
        at = self.shape_at[j]
        out: FloatArray = self.z[at : at + 12].reshape(6, 2)
        return out

    def _set_prior(self, steps: Sequence[float]) -> None:
        self.centre = self.z.copy()
        self.loose = np.zeros((self.size, self.size))
        frame = np.arange(self.scale_at)
        self.loose[frame, frame] = _LOOSE**-2
        own = np.arange(self.scale_at, self.size)
        self.loose[own, own] += _SCALE_SD**-2
        # Magnification is relative: the mean scale is that of the shapes.
        self.loose[np.ix_(own, own)] += 100.0
        self.step_precision = {
            (t, j): (self.settings.step_sd * math.sqrt(steps[t])) ** -2 for t, j in self.change_at
        }
        self.step_weight = {key: np.ones(_K) for key in self.change_at}

    def _prior(self) -> FloatArray:
        """Precision of the parameters before any film: loose, but for the walk of the changes."""
        prior = self.loose.copy()
        for (t, j), at in self.change_at.items():
            precise = np.diag(self.step_precision[t, j] * self.step_weight[t, j])
            now = slice(at, at + _K)
            prior[now, now] += precise
            if t > 1:
                before = slice(self.change_at[t - 1, j], self.change_at[t - 1, j] + _K)
                prior[before, before] += precise
                prior[now, before] -= precise
                prior[before, now] -= precise
        return prior

    def _weigh_steps(self) -> None:
        """A step far beyond its spread is held back less: a body may collapse."""
        for (t, j), at in self.change_at.items():
            slope = np.zeros((_K, self.size))
            slope[:, at : at + _K] = np.eye(_K)
            if t > 1:
                slope[:, self.change_at[t - 1, j] : self.change_at[t - 1, j] + _K] = -np.eye(_K)
            square = (slope @ self.z) ** 2 + ((slope @ self.spread) * slope).sum(axis=1)
            distance = square * self.step_precision[t, j]
            tails = self.settings.tails
            self.step_weight[t, j] = (tails + 1.0) / (tails + distance)

    def model(self, i: int, *, as_read: bool = True) -> tuple[FloatArray, FloatArray, np.ndarray]:
        """(12,) points of one body on one film, their slopes, and the parameters these are of.

        As its reader is expected to put them, or where they are.
        """
        t, j = self.seen[i]
        shape = self._shape(j)
        at = self.change_at.get((t, j))
        if at is not None:
            modes = self.modes[j] * (self.shown[t] if as_read else 1.0)
            shape = shape + (modes @ self.z[at : at + _K]).reshape(6, 2)
        pose = self.pose_at[i]
        size = math.exp(self.z[self.scale_at + t])
        turn = size * rotation(self.z[pose])
        laid = shape @ turn.T
        spread = np.zeros((12, 12))
        spread.reshape(6, 2, 6, 2)[_SIX, :, _SIX, :] = turn
        turned = (laid @ rotation(math.pi / 2).T).ravel()
        parts = [spread, turned[:, None], _MOVED, laid.reshape(12, 1)]
        start = self.shape_at[j]
        columns = [*range(start, start + 12), *range(pose, pose + 3), self.scale_at + t]
        if at is not None:
            parts.append(spread @ modes)
            columns += range(at, at + _K)
        return (laid + self.z[pose + 1 : pose + 3]).ravel(), np.hstack(parts), np.array(columns)

    def _error(self, i: int) -> FloatArray:
        """(12, 12) covariance of the errors of one body on one film."""
        width = np.repeat(self.weight[i], 2) ** -0.5
        own = self.factor[self.group[i]] * self.stated[i] * np.outer(width, width)
        own = own + np.eye(12) * self.settings.outline_sd**2
        wide = self.settings.misread_width**2 if self.gated[i] else 1.0
        out: FloatArray = np.asarray(own * wide)
        return out

    def run(self) -> None:
        """Give up what is far off, by the errors as stated; then solve and weigh by turns."""
        self._solve()
        self._solve()
        while self._gate():
            self._solve()
        for _ in range(self.settings.rounds):
            before = self.factor.copy()
            self._weigh()
            self._weigh_steps()
            self._solve()
            if np.abs(self.factor / before - 1).max() < 0.02:
                break
        self._doubt_wedges()

    def _doubt_wedges(self) -> None:
        """Widen by how little is known of the share of a wedge that a network shows."""
        settings = self.settings
        for j in {j for _, j in self.change_at}:
            at = [at for (t, k), at in self.change_at.items() if k == j and self.films.network[t]]
            doubt = self.z[at] * settings.wedge_shown_sd / settings.wedge_shown
            self.spread[np.ix_(at, at)] += np.outer(doubt, doubt)

    def _solve(self) -> None:
        left = self._prior()
        right = left @ (self.centre - self.z)
        for i, y in enumerate(self.y):
            points, slopes, columns = self.model(i)
            gain = slopes.T @ np.linalg.inv(self._error(i))
            left[np.ix_(columns, columns)] += gain @ slopes
            right[columns] += gain @ (y - points)
        self.spread: FloatArray = np.asarray(np.linalg.inv(left))
        self.z = self.z + self.spread @ right

    def _weigh(self) -> None:
        """Weights of the points by their distance, then the factors of the errors.

        A residual is smaller than the error, by what the point itself drew the estimate to it. A
        factor is therefore the sum of squares over what is left free (as in restricted maximum
        likelihood): the expected sum over all coordinates has the same fixed point, but hardly
        moves for a changing body, whose every film has its own shape.
        """
        total, free = np.zeros(2), np.zeros(2)
        tails = self.settings.tails
        for i, y in enumerate(self.y):
            if self.gated[i]:
                continue
            points, slopes, columns = self.model(i)
            group = self.group[i]
            off = y - points
            known = _blocks(slopes @ self.spread[np.ix_(columns, columns)] @ slopes.T)
            error = self.factor[group] * _blocks(self.stated[i])
            error = error + np.eye(2) * self.settings.outline_sd**2
            residual = _traces(error, _blocks(np.outer(off, off)))
            drawn = _traces(error, known)
            # The expected square counts what is not known of the parameters too.
            self.weight[i] = (tails + 2.0) / (tails + residual + drawn)
            total[group] += float(self.weight[i] @ residual) * self.factor[group]
            free[group] += max(12.0 - float(self.weight[i] @ drawn), 0.0)
        prior, close = self.settings.prior_points, self.settings.changing_points
        steady = (total[0] + prior) / (free[0] + prior)
        apart = close * steady * self.settings.changing_factor
        self.factor = np.array([steady, (total[1] + apart) / (free[1] + close)])

    def _gate(self) -> bool:
        """Give up the changing body of the film that fits its other films worst, if it is far off.

        Of less than three films nobody can say which is wrong.
        """
        excess = {}
        for i in np.flatnonzero((self.group == 1) & ~self.gated).tolist():
            body = self.seen[i][1]
            trusted = [k for k, (_, j) in enumerate(self.seen) if j == body and not self.gated[k]]
            if len(trusted) >= 3:
                excess[i] = self._excess(i)
        worst = max(excess, key=excess.__getitem__, default=-1)
        if worst < 0 or excess[worst] <= 0:
            return False
        self.gated[worst] = True
        return True

    def _excess(self, i: int) -> float:
        """Log odds that the points of one body are misread, from what the other films predict.

        Of the residual only those directions count that the other films predict at all; the pose,
        for one, they do not.
        """
        points, slopes, columns = self.model(i)
        root = np.linalg.cholesky(self._error(i))
        known = slopes @ self.spread[np.ix_(columns, columns)] @ slopes.T
        inner = np.linalg.solve(root, np.linalg.solve(root, known).T)
        values, vectors = np.linalg.eigh(np.eye(12) - inner)
        kept = values > _LEAST_PREDICTED
        along = vectors[:, kept].T @ np.linalg.solve(root, self.y[i] - points)
        # The residual of a film that was used is smaller than its distance from the prediction.
        distance = float((along**2 / values[kept]).sum())
        wide = self.settings.misread_width
        odds = math.log((1 - self.settings.misread) / self.settings.misread)
        return distance / 2 * (1 - wide**-2) - int(kept.sum()) * math.log(wide) - odds


def _typical(outlines: Sequence[FloatArray]) -> FloatArray:
    """The (6, 2) outline that the others fit best, about its centre."""
    best, least = outlines[0], math.inf
    for outline in outlines:
        total = 0.0
        for other in outlines:
            angle, place = fit_pose(outline, other)
            total += float(np.linalg.norm(outline @ rotation(angle).T + place - other))
        if total < least:
            best, least = outline, total
    out: FloatArray = np.asarray(best - best.mean(axis=0))
    return out


def _traces(error: FloatArray, square: FloatArray) -> FloatArray:
    """(6,) traces of (6, 2, 2) squares in units of the errors: expected 2 each."""
    out: FloatArray = np.trace(np.linalg.solve(error, square), axis1=1, axis2=2)
    return out


def _blocks(square: FloatArray) -> FloatArray:
    """(6, 2, 2) blocks of the points of a (12, 12) matrix."""
    out: FloatArray = square.reshape(6, 2, 6, 2)[_SIX, :, _SIX, :]
    return out
