"""What the detector learns: windows of films, target maps and the loss."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from endplate.geometry.landmarks import FloatArray
from endplate.geometry.levels import LEVELS
from endplate.models.decode import OFFSET_UNIT
from endplate.models.detector import DETECTOR_STRIDE, Detector, DetectorConfig
from endplate.models.resample import apply_affine, detector_input, invert_affine
from endplate.train.augment import AugmentConfig, GreyAugmenter, random_affine
from endplate.train.films import CERVICAL, UNNAMED, Body, TrainFilm

__all__ = ["OFFSET_UNIT", "DetectorTask", "DetectorTaskConfig"]

_SIGMA = 0.18
"""Width of a body's bump in the centre map, in depths."""
_LARGE = 10.0
_VIEWS = ("lateral", "frontal", "other")
_LEVEL_CLASSES = len(LEVELS) + 1  # the last class: a body above C7


@dataclass
class DetectorTaskConfig:
    """Sampling of windows and weights of the losses.

    `depths` are the body depths, in pixels of the window, between which close windows are
    drawn; `whole` is the share of windows that show the whole film.
    """

    rows: int = 512
    columns: int = 256
    whole: float = 0.35
    depths: tuple[float, float] = (20.0, 58.0)
    centre_weight: float = 1.0
    offset_weight: float = 1.0
    level_weight: float = 0.35
    film_weight: float = 0.25
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(grey=0.7, overlay=0.2, noise=0.4, invert=0.12)
    )


class DetectorTask:
    """Draws training windows and computes the loss of the detector.

    Parameters
    ----------
    films : sequence of TrainFilm
    weights : sequence of float
        How often each film is drawn, relative to the others.
    """

    name = "detector"

    def __init__(
        self,
        films: Sequence[TrainFilm],
        weights: Sequence[float],
        config: DetectorTaskConfig,
        model: DetectorConfig,
    ) -> None:
        self.films = list(films)
        self.cumulative = np.cumsum(np.asarray(weights, dtype=np.float64))
        self.cumulative /= self.cumulative[-1]
        self.config = config
        self.model_config = model
        self.grey = GreyAugmenter(config.augment)

    def build_model(self) -> nn.Module:
        """A new network with random weights."""
        return Detector(self.model_config)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """One window with its targets; the same generator state gives the same window."""
        film = self.films[int(np.searchsorted(self.cumulative, rng.random(), side="right"))]
        window_to_film, mirrored, turned = self._window(film, rng)
        size = (self.config.rows, self.config.columns)
        border = None if rng.random() < 0.4 else float(rng.choice([0.0, 0.0, 1.0, 0.5]))
        if border is not None:
            coarse = film.pyramid.warp(_shrink(film, 64), (64, 64))
            low, high = float(coarse.min()), float(coarse.max())
            border = low + border * (high - low)
        image = self.grey(film.pyramid.warp(window_to_film, size, border=border), rng)
        inverted = rng.random() < self.config.augment.invert
        if inverted:
            image = -image
        targets = self._targets(film, window_to_film, size)
        targets["image"] = detector_input(image)
        targets["film"] = self._film_target(film, mirrored, turned, inverted)
        if turned:
            targets["known"][:] = 0.0
            targets["inside"][:] = 0.0
            targets["level"][:] = -1
        return targets

    def _window(self, film: TrainFilm, rng: np.random.Generator) -> tuple[FloatArray, bool, bool]:
        """(2, 3) map from window to film, whether it mirrors, whether it lies on its side."""
        rows, columns = self.config.rows, self.config.columns
        height, width = film.pyramid.shape
        whole = rng.random() < self.config.whole or len(film.bodies) == 0
        if whole:
            scale = min(rows / height, columns / width) * float(np.exp(rng.uniform(-0.12, 0.3)))
            centre = np.array([width, height]) / 2
            slack = np.maximum(np.abs([columns / scale - width, rows / scale - height]) / 2, 1)
            centre = centre + rng.uniform(-1, 1, 2) * slack
        else:
            x, y, depth = film.anchors[int(rng.integers(len(film.anchors)))]
            low, high = np.log(self.config.depths)
            scale = float(np.exp(rng.uniform(low, high))) / depth
            half = np.array([columns, rows]) / (2 * scale)
            centre = np.array([x, y]) + rng.uniform(-1, 1, 2) * half * (0.7, 0.85)
            # windows may look past the edge of the film, but not mostly
            low_edge = np.minimum(0.6 * half, np.array([width, height]) / 2)
            centre = np.clip(centre, low_edge, np.array([width, height]) - low_edge)
        matrix = random_affine(self.config.augment, rng) / scale
        mirrored = bool(rng.random() < self.config.augment.flip)
        if mirrored:
            matrix = matrix @ np.diag([-1.0, 1.0])
        turned = bool(film.view == "lateral" and rng.random() < 0.04)
        if turned:
            quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
            matrix = matrix @ np.linalg.matrix_power(quarter, int(rng.integers(1, 4)))
        middle = np.array([(columns - 1) / 2, (rows - 1) / 2])
        return np.column_stack([matrix, centre - matrix @ middle]), mirrored, turned

    def _film_target(
        self, film: TrainFilm, mirrored: bool, turned: bool, inverted: bool
    ) -> np.ndarray:
        """View class, facing right, inverted, metal; -1 where unknown."""
        view = 2 if turned else _VIEWS.index(film.view)
        right = -1.0
        if film.facing is not None and not turned and film.view == "lateral":
            right = float((film.facing == "right") != mirrored)
        metal = -1.0 if film.hardware is None else float(film.hardware)
        return np.array([view, right, float(inverted), metal], dtype=np.float32)

    def _targets(
        self, film: TrainFilm, window_to_film: FloatArray, size: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        rows, columns = size[0] // DETECTOR_STRIDE, size[1] // DETECTOR_STRIDE
        heat = np.zeros((2, rows, columns), np.float32)
        offsets = np.zeros((12, rows, columns), np.float32)
        gain = np.ones_like(heat)
        seen = np.zeros((6, rows, columns), bool)
        inside = np.zeros((rows, columns), np.float32)
        level = np.full((rows, columns), -1, np.int64)
        film_to_window = invert_affine(window_to_film)
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        cells = np.stack([x, y]) * DETECTOR_STRIDE + (DETECTOR_STRIDE - 1) / 2
        scale = float(np.sqrt(abs(np.linalg.det(film_to_window[:, :2]))))
        for body, (cx, cy, depth) in zip(film.bodies, film.anchors, strict=True):
            c = apply_affine(film_to_window, np.array([cx, cy]))
            sigma = max(_SIGMA * depth * scale, 2.5)
            if not (-sigma < c[0] < size[1] + sigma and -sigma < c[1] < size[0] + sigma):
                continue
            d2 = ((cells - c[:, None, None].astype(np.float32)) ** 2).sum(axis=0)
            bump = np.exp(-d2 / (2 * sigma**2))
            channel = 1 if body.is_sacrum else 0
            np.maximum(heat[channel], bump, out=heat[channel])
            # a small body has few cells: let it count as much as a large one
            share = min(max((_LARGE / sigma) ** 2, 1.0), 9.0)
            np.maximum(gain[channel], np.where(bump > 0.05, share, 1.0), out=gain[channel])
            mine = (bump > 0.25) & (bump > inside)
            inside[mine] = bump[mine]
            self._write_body(body, film_to_window, cells, mine, offsets, seen, level)
        known = _known_cells(film, film_to_window, cells, heat)
        return {
            "heat": heat,
            "known": known * gain,
            "offsets": offsets,
            "seen": seen,
            "inside": inside,
            "level": level,
        }

    @staticmethod
    def _write_body(
        body: Body,
        film_to_window: FloatArray,
        cells: np.ndarray,
        mine: np.ndarray,
        offsets: np.ndarray,
        seen: np.ndarray,
        level: np.ndarray,
    ) -> None:
        points = apply_affine(film_to_window, body.points)
        for k in range(6):
            ok = not np.isnan(points[k]).any()
            seen[k][mine] = ok
            if ok:
                for axis in (0, 1):
                    offsets[2 * k + axis][mine] = (
                        points[k, axis] - cells[axis][mine]
                    ) / OFFSET_UNIT
        if body.level == CERVICAL:
            level[mine] = _LEVEL_CLASSES - 1
        elif body.level != UNNAMED:
            level[mine] = body.level

    def loss(
        self, outputs: tuple[Tensor, Tensor], batch: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum of the losses, and each of them."""
        maps, film = outputs[0].float(), outputs[1].float()
        parts = {
            "centre": _centre_loss(maps[:, :2], batch["heat"], batch["known"]),
            "offset": _offset_loss(maps[:, 2:14], batch),
            "level": _level_loss(maps[:, 14:], batch),
            "film": _film_loss(film, batch["film"]),
        }
        c = self.config
        total = (
            c.centre_weight * parts["centre"]
            + c.offset_weight * parts["offset"]
            + c.level_weight * parts["level"]
            + c.film_weight * parts["film"]
        )
        return total, parts


def _shrink(film: TrainFilm, side: int) -> FloatArray:
    h, w = film.pyramid.shape
    return np.array([[w / side, 0.0, 0.0], [0.0, h / side, 0.0]])


def _known_cells(
    film: TrainFilm, film_to_window: FloatArray, cells: np.ndarray, heat: np.ndarray
) -> np.ndarray:
    """(2, rows, columns): 1 where absence of a body, or of the sacrum, is certain.

    On films where only some bodies could be read, the column beyond the marked ones, and gaps
    between them, may hold bodies too: nothing is taught there.
    """
    known = np.ones_like(heat)
    scale = float(np.sqrt(abs(np.linalg.det(film_to_window[:, :2]))))
    for x, y, depth in film.ignored:
        centre = apply_affine(film_to_window, np.array([x, y])).astype(np.float32)
        near = ((cells - centre[:, None, None]) ** 2).sum(axis=0) < (0.75 * depth * scale) ** 2
        known[:, near & (heat.max(axis=0) < 0.05)] = 0.0
    if film.view != "lateral" or film.complete or len(film.anchors) == 0:
        return known
    anchors = film.anchors.copy()
    anchors[:, :2] = apply_affine(film_to_window, anchors[:, :2])
    anchors[:, 2] *= scale
    doubtful = np.zeros(heat.shape[1:], bool)
    has_sacrum = film.bodies[-1].is_sacrum
    if len(anchors) == 1:
        x, y, d = anchors[0]
        doubtful |= np.abs(cells[0] - x) < 1.2 * d + 0.6 * np.abs(cells[1] - y)
    else:
        doubtful |= _cone(anchors[0], anchors[1], cells)
        if not has_sacrum:
            doubtful |= _cone(anchors[-1], anchors[-2], cells)
        for upper, lower in pairwise(anchors):
            if np.hypot(*(lower[:2] - upper[:2])) > 1.45 * max(upper[2], lower[2]):
                doubtful |= _between(upper, lower, cells)
    if film.bodies[0].is_sacrum and len(film.bodies) == 1:
        doubtful[:] = True
    known[0][doubtful] = 0.0
    if not has_sacrum:
        known[1][doubtful] = 0.0
    # a marked body is taught whatever lies around it
    known[heat > 0.05] = 1.0
    return known


def _cone(end: np.ndarray, inner: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Cells beyond the last marked body, in a widening strip along the column."""
    along = end[:2] - inner[:2]
    along = along / max(float(np.hypot(*along)), 1e-6)
    relative = cells - end[:2, None, None]
    ahead = relative[0] * along[0] + relative[1] * along[1]
    aside = np.abs(relative[0] * along[1] - relative[1] * along[0])
    out: np.ndarray = (ahead > 0.2 * end[2]) & (aside < 1.2 * end[2] + 0.75 * ahead)
    return out


def _between(upper: np.ndarray, lower: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Cells in the gap between two marked bodies that are not neighbours."""
    along = lower[:2] - upper[:2]
    length = float(np.hypot(*along))
    along = along / length
    relative = cells - upper[:2, None, None]
    ahead = relative[0] * along[0] + relative[1] * along[1]
    aside = np.abs(relative[0] * along[1] - relative[1] * along[0])
    depth = max(upper[2], lower[2])
    out: np.ndarray = (ahead > 0.3 * depth) & (ahead < length - 0.3 * depth) & (aside < 1.2 * depth)
    return out


def _centre_loss(logits: Tensor, heat: Tensor, known: Tensor) -> Tensor:
    """Quality focal loss: cross-entropy to a soft target, weighted by how far it is missed."""
    miss = (heat - logits.sigmoid()).detach().abs()
    cross = functional.binary_cross_entropy_with_logits(logits, heat, reduction="none")
    # background is plenty and easy: square its miss; bodies are few: do not
    focus = torch.where(heat > 0.05, miss, miss.square())
    weight = torch.tensor([1.0, 1.5], device=logits.device).view(1, 2, 1, 1)
    return (focus * cross * known * weight).sum() / (heat * known).sum().clamp_min(20.0) * 4.0


def _offset_loss(offsets: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Smooth L1 of the six vectors on the cells of the bodies, relative to 32 pixels."""
    weight = batch["inside"][:, None] * batch["seen"]
    weight = weight.repeat_interleave(2, dim=1)
    distance = functional.smooth_l1_loss(offsets, batch["offsets"], beta=0.05, reduction="none")
    return (distance * weight).sum() / weight.sum().clamp_min(8.0) * 6.0


def _level_loss(logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
    cross = functional.cross_entropy(logits, batch["level"], ignore_index=-1, reduction="none")
    weight = batch["inside"] * (batch["level"] >= 0)
    return (cross * weight).sum() / weight.sum().clamp_min(8.0)


def _film_loss(film: Tensor, target: Tensor) -> Tensor:
    view = functional.cross_entropy(film[:, :3], target[:, 0].long(), label_smoothing=0.03)
    flags = functional.binary_cross_entropy_with_logits(
        film[:, 3:], target[:, 1:].clamp_min(0), reduction="none"
    )
    known = (target[:, 1:] >= 0).float()
    return view + (flags * known).sum() / known.sum().clamp_min(1.0)
