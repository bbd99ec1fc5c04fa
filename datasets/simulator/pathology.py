"""Fractures: the shape of a broken body, and the kyphosis that it brings."""

from dataclasses import replace
from typing import Final

import numpy as np

from endplate.datasets.simulator.anatomy import Body, SpineModel, rotation

__all__ = ["FRACTURES", "break_body", "draw_fracture", "with_body"]

#: Types of fracture that are drawn.
FRACTURES: Final[tuple[str, ...]] = ("wedge", "biconcave", "crush", "burst")

_LEVELS: Final[dict[str, float]] = {
    "T10": 0.07, "T11": 0.11, "T12": 0.25, "L1": 0.34, "L2": 0.13, "L3": 0.06, "L4": 0.04,
}  # fmt: skip


#: Parts of the anterior height that a severe fracture loses: wedges of some 17 to 25 degrees.
_SEVERE: Final = (0.45, 0.68)


def draw_fracture(rng: np.random.Generator, spine: SpineModel, severe: float = 0.0) -> SpineModel:
    """Break one body, in one case of six a second one.

    Parameters
    ----------
    severe : float
        Share of the wedge and burst fractures that lose about half of the anterior height or more.
    """
    for _ in range(1 + int(rng.random() < 0.17)):
        names = [b.level for b in spine.bodies if b.level in _LEVELS and not b.fracture]
        weights = np.array([_LEVELS[n] for n in names])
        level = str(rng.choice(names, p=weights / weights.sum()))
        kind = str(rng.choice(FRACTURES, p=(0.45, 0.2, 0.12, 0.23)))
        lost = None
        if kind in ("wedge", "burst") and severe > 0 and rng.random() < severe:
            lost = float(rng.uniform(*_SEVERE))
        spine = break_body(rng, spine, level, kind, lost)
    return spine


def break_body(
    rng: np.random.Generator,
    spine: SpineModel,
    level: str,
    kind: str,
    anterior_loss: float | None = None,
    posterior_loss: float | None = None,
) -> SpineModel:
    """Break the body `level`; losses are fractions of the intact heights, None to draw them."""
    body = next(b for b in spine.bodies if b.level == level)
    usual = (
        {"wedge": (0.15, 0.5), "biconcave": (0.02, 0.2), "crush": (0.2, 0.45), "burst": (0.2, 0.5)}
    )[kind]
    lost = {
        "wedge": (0.0, 0.08),
        "biconcave": (0.0, 0.08),
        "crush": (0.15, 0.4),
        "burst": (0.04, 0.22),
    }
    ha = rng.uniform(*usual) if anterior_loss is None else anterior_loss
    hp = rng.uniform(*lost[kind]) if posterior_loss is None else posterior_loss
    deep = rng.uniform(0.0, 2.5, 2)
    if kind == "biconcave":
        deep = rng.uniform(0.07, 0.2, 2) * body.posterior
    swell = 1 + rng.uniform(0.0, 0.06)
    fresh = rng.random() < 0.7
    low_part = 1.0 if rng.random() < 0.75 else rng.uniform(0.5, 1.0)
    broken = replace(
        body,
        anterior=body.anterior * (1 - ha),
        posterior=body.posterior * (1 - hp),
        depth_superior=body.depth_superior * swell,
        concavity_superior=body.concavity_superior + float(deep[0]),
        concavity_inferior=body.concavity_inferior + float(deep[1]) * (kind == "biconcave"),
        waist_anterior=max(body.waist_anterior * (1 - ha) - 2.0 * ha * low_part, -1.5),
        bulge=float(rng.uniform(1.5, 6.0)) if kind == "burst" else 0.0,
        step=float(rng.uniform(0.5, 2.5)) if fresh and kind != "biconcave" else 0.0,
        crease=float(rng.uniform(0.3, 1.6)) if fresh else 0.0,
        spurs=body.spurs if fresh else (float(rng.uniform(1, 6)), 0.0, 0.0, 0.0),
        fracture=kind,
    )
    return with_body(spine, broken, share=float(rng.uniform(0.55, 0.95)))


def with_body(spine: SpineModel, new: Body, share: float = 1.0) -> SpineModel:
    """Put `new` in the place of the body of its level and let the spine above follow.

    Parameters
    ----------
    spine, new
        The spine and the changed body.
    share : float
        How much of the change of wedge tips the spine above forwards; the rest opens the disc.
    """
    names = [b.level for b in spine.bodies]
    i = names.index(new.level)
    old = spine.bodies[i]
    more = np.deg2rad(new.wedge_deg - old.wedge_deg)
    drop = (old.anterior + old.posterior - new.anterior - new.posterior) / 2
    up = rotation(*old.angles) @ np.array([0.0, -1.0, 0.0])
    placed = replace(
        new,
        centre=old.centre - up * drop / 2,
        angles=(old.angles[0] + more / 2, old.angles[1], old.angles[2]),
    )
    old_top = old.centre + up * (old.anterior + old.posterior) / 4
    new_up = rotation(*placed.angles) @ np.array([0.0, -1.0, 0.0])
    new_top = placed.centre + new_up * (new.anterior + new.posterior) / 4
    turn = rotation(more * share, 0.0, 0.0)
    above = [
        replace(
            b,
            centre=new_top + turn @ (b.centre - old_top),
            angles=(b.angles[0] + more * share, b.angles[1], b.angles[2]),
        )
        for b in spine.bodies[:i]
    ]
    return replace(spine, bodies=(*above, placed, *spine.bodies[i + 1 :]))
