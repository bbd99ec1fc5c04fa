"""What the refiner learns: upright crops of one vertebra, and the places of its six points."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray, endplate_angle_deg
from endplate.models.frames import S1_DROP, across, body_frame, vertebra_window
from endplate.models.refiner import REFINER_STRIDE, Refiner, RefinerConfig
from endplate.models.resample import apply_affine, invert_affine, normalise
from endplate.train.augment import AugmentConfig, GreyAugmenter
from endplate.train.films import Body, TrainFilm

__all__ = ["WEDGED_DEG", "RefinerTask", "RefinerTaskConfig", "soft_argmax"]

#: Degrees between the endplates of a body that is wedged more than whole ones usually are.
WEDGED_DEG: Final = 11.0


@dataclass
class RefinerTaskConfig:
    """Jitter of the crops, as the detector's errors would cause it, and the loss.

    `shift` in depths, `turn` in degrees, `scale`, `aspect` as deviations of a logarithm;
    `wedge` is the largest wedge warp y' = y (1 + k x); `sigma` in cells of the heat map. A body
    that is wedged by more than `WEDGED_DEG` degrees, or bears cement or metal, is drawn
    `trauma_weight` times as often as another: those are measured, and few.
    """

    shift: float = 0.09
    turn: float = 9.0
    scale: float = 0.11
    aspect: float = 0.12
    shear: float = 0.05
    wedge: float = 0.25
    wedge_share: float = 0.5
    mirror: float = 0.15
    sigma: float = 1.3
    distance_weight: float = 10.0
    marks_weight: float = 0.3
    coarse_weight: float = 0.25
    trauma_weight: float = 1.0
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(invert=0.1, noise=0.5, overlay=0.35)
    )


class RefinerTask:
    """Draws crops and computes the loss of the refiner.

    Parameters
    ----------
    films : sequence of TrainFilm
    weights : sequence of float
        How often each *film* is drawn; its bodies are equally likely.

    Raises
    ------
    InputError
        If no film has a body.
    """

    name = "refiner"

    def __init__(
        self,
        films: Sequence[TrainFilm],
        weights: Sequence[float],
        config: RefinerTaskConfig,
        model: RefinerConfig,
    ) -> None:
        self.config = config
        self.model_config = model
        self.grey = GreyAugmenter(config.augment)
        self.items: list[tuple[TrainFilm, Body, FloatArray]] = []
        chances: list[float] = []
        for film, weight in zip(films, weights, strict=True):
            downs = _downward(film)
            # a film with many readable bodies tells more than one with a single body
            share = [_share(b, config) for b in film.bodies]
            usable = [b.level != -2 for b in film.bodies]
            for body, down, s, ok in zip(film.bodies, downs, share, usable, strict=True):
                if ok:
                    self.items.append((film, body, down))
                    chances.append(weight * s / max(len(film.bodies), 1) ** 0.5)
        if not chances:
            raise InputError(
                "no vertebra to train the refiner on: choose a dataset with annotations"
            )
        self.cumulative = np.cumsum(np.asarray(chances, dtype=np.float64))
        self.cumulative /= self.cumulative[-1]

    def build_model(self) -> nn.Module:
        """A new network with random weights."""
        return Refiner(self.model_config)

    def sample(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """One crop with the places of its points in cells of the heat map."""
        film, body, down = self.items[
            int(np.searchsorted(self.cumulative, rng.random(), side="right"))
        ]
        c = self.config
        size = self.model_config.crop
        window = self._window(body, down, rng)
        image = film.pyramid.warp(window, (size, size))
        points = apply_affine(invert_affine(window), body.points)
        if rng.random() < c.wedge_share:
            image, points = _wedge(image, points, float(rng.uniform(-c.wedge, c.wedge)))
        overlaid = bool(rng.random() < c.augment.overlay)
        image = self.grey(image, rng, overlay=overlaid)
        if rng.random() < c.augment.invert:
            image = -image
        cells = (points - (REFINER_STRIDE - 1) / 2) / REFINER_STRIDE
        side = size // REFINER_STRIDE
        with np.errstate(invalid="ignore"):
            seen = np.asarray(((cells > 0.5) & (cells < side - 1.5)).all(axis=1))
        weight = seen.astype(np.float32) * (1.0 if body.exact else 0.5)
        return {
            "image": normalise(image)[None],
            "cells": np.where(seen[:, None], cells, 0).astype(np.float32),
            "weight": weight,
            # the overlay may look like the metal or cement that the body does not bear
            "marks": np.asarray([np.nan, np.nan] if overlaid else body.marks, dtype=np.float32),
        }

    def _window(self, body: Body, down: FloatArray, rng: np.random.Generator) -> FloatArray:
        c = self.config
        size = self.model_config.crop
        centre, anterior, depth = body_frame(body.points)
        if body.is_sacrum:
            centre = centre + S1_DROP * depth * across(anterior, down)
        noise = np.clip(rng.normal(0, 1, 7), -2.5, 2.5)
        centre = centre + c.shift * depth * noise[:2]
        angle = np.deg2rad(c.turn * noise[2])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if rng.random() < c.mirror:
            anterior = -anterior
        window = vertebra_window(
            centre,
            turn @ anterior,
            depth * float(np.exp(c.scale * noise[3])),
            downward=down,
            crop=size,
            extent=self.model_config.extent,
        )
        stretch = float(np.exp(c.aspect * noise[4]))
        distort = np.array([[1.0, c.shear * noise[5]], [c.shear * noise[6] * 0.3, stretch]])
        linear = window[:, :2] @ distort
        middle = np.full(2, (size - 1) / 2)
        origin = window[:, :2] @ middle + window[:, 2] - linear @ middle
        return np.column_stack([linear, origin])

    def loss(
        self, outputs: tuple[Tensor, Tensor], batch: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy to a Gaussian around each point, distance of the soft-argmax, marks."""
        logits = outputs[0].float()
        h, w = logits.shape[2:]
        weight = batch["weight"]
        xs = torch.arange(w, device=logits.device, dtype=torch.float32)
        ys = torch.arange(h, device=logits.device, dtype=torch.float32)
        cells = batch["cells"]
        gx = torch.exp(-((xs - cells[..., :1]) ** 2) / (2 * self.config.sigma**2))
        gy = torch.exp(-((ys - cells[..., 1:]) ** 2) / (2 * self.config.sigma**2))
        gx, gy = (g / g.sum(dim=-1, keepdim=True).clamp_min(1e-6) for g in (gx, gy))
        target = (gy[..., :, None] * gx[..., None, :]).flatten(2)
        logp = functional.log_softmax(logits.flatten(2), dim=-1)
        cross = -(target * logp).sum(dim=-1)
        found = soft_argmax(logits)
        distance = (found - cells).square().sum(dim=-1).add(1e-4).sqrt()
        total_weight = weight.sum().clamp_min(1.0)
        parts = {
            "cross": (cross * weight).sum() / total_weight,
            "distance": (distance * weight).sum() / total_weight,
            "marks": _marks_loss(outputs[1].float(), batch["marks"]),
        }
        total = parts["cross"] + self.config.distance_weight / h * parts["distance"]
        return total + self.config.marks_weight * parts["marks"], parts


def _share(body: Body, config: RefinerTaskConfig) -> float:
    """How often a body is to be drawn, relative to a whole one with exact points."""
    share = 1.0 if body.exact else config.coarse_weight
    return share * (config.trauma_weight if _is_injured(body) else 1.0)


def _is_injured(body: Body) -> bool:
    """Whether a body bears cement or metal, or its endplates lie at more than `WEDGED_DEG`."""
    if 1.0 in body.marks:
        return True
    return abs(endplate_angle_deg(body.points)) > WEDGED_DEG  # NaN on a sacrum: no


def _marks_loss(logits: Tensor, marks: Tensor) -> Tensor:
    """Binary cross-entropy of the marks that are known."""
    known = ~marks.isnan()
    each = functional.binary_cross_entropy_with_logits(
        logits, torch.where(known, marks, 0.0), reduction="none"
    )
    return (each * known).sum() / known.sum().clamp_min(1)


def soft_argmax(logits: Tensor) -> Tensor:
    """Expected place under the softmax of each map, (B, K, h, w) -> (B, K, 2) as x, y."""
    b, k, h, w = logits.shape
    p = logits.flatten(2).softmax(dim=-1).view(b, k, h, w)
    xs = torch.arange(w, device=logits.device, dtype=p.dtype)
    ys = torch.arange(h, device=logits.device, dtype=p.dtype)
    return torch.stack([(p.sum(dim=2) * xs).sum(-1), (p.sum(dim=3) * ys).sum(-1)], dim=-1)


def _downward(film: TrainFilm) -> list[FloatArray]:
    """For each body, the direction from head to foot."""
    n = len(film.bodies)
    out = []
    for i in range(n):
        above, below = film.anchors[max(i - 1, 0), :2], film.anchors[min(i + 1, n - 1), :2]
        out.append(below - above if n > 1 else np.array([0.0, 1.0]))
    return out


def _wedge(image: np.ndarray, points: FloatArray, k: float) -> tuple[np.ndarray, FloatArray]:
    """Wedge a crop: heights about its middle grow by 1 + k x, x from -1 to 1."""
    h, w = image.shape
    middle_x, middle_y = (w - 1) / 2, (h - 1) / 2
    x = (np.arange(w, dtype=np.float32) - middle_x) / middle_x
    factor = 1 + k * x
    rows = np.arange(h, dtype=np.float32)[:, None] - middle_y
    map_y = (rows / factor[None] + middle_y).astype(np.float32)
    map_x = np.broadcast_to(np.arange(w, dtype=np.float32), (h, w)).copy()
    out = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = points.copy()
    moved[:, 1] = middle_y + (points[:, 1] - middle_y) * (
        1 + k * (points[:, 0] - middle_x) / middle_x
    )
    return out, moved
