"""Metal: pedicle screws with rods, plates, cages, balloon tamps. Cement is added to its map."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from endplate.datasets.simulator.anatomy import Body, SpineModel
from endplate.datasets.simulator.cement_draw import render_cement
from endplate.datasets.simulator.projection import Camera, Map, as_map
from endplate.geometry.landmarks import FloatArray

__all__ = ["Hardware", "draw_hardware", "metal_map"]

#: Share of each kind where any may be drawn: mostly that of fractures, which this is about.
_KINDS: Final = {"screws": 0.52, "fusion": 0.16, "long": 0.16, "plate": 0.07, "balloon": 0.09}

#: Radius without the thread, mm; with it the screws are 5 to 7.5 mm thick.
_CORE: Final = (1.7, 2.6)


@dataclass(frozen=True, eq=False)
class Hardware:
    """Implants of one subject.

    Parameters
    ----------
    kind : str
        ``""``, ``screws`` (about a fracture), ``fusion`` (of the lowest levels, with cages),
        ``long`` (of a deformity, over most of the spine), ``plate`` or ``balloon``.
    screw_levels : tuple of str
        Bodies that hold pedicle screws.
    rods : tuple of (N, 3) arrays
        Centre lines, mm.
    screws : tuple of (2, 3) arrays
        Head and tip, mm.
    cages : tuple of (4, 3) arrays
        Corners of interbody cages, mm.
    plates : tuple of (4, 3) arrays
        Corners of plates along the side or the front of the bodies, mm.
    balloons : tuple of (3, 3) arrays
        Handle, neck and middle of balloon tamps in a broken body, mm.
    """

    kind: str = ""
    screw_levels: tuple[str, ...] = ()
    rods: tuple[FloatArray, ...] = ()
    screws: tuple[FloatArray, ...] = ()
    cages: tuple[FloatArray, ...] = ()
    plates: tuple[FloatArray, ...] = ()
    balloons: tuple[FloatArray, ...] = ()


def _index_level(spine: SpineModel, rng: np.random.Generator) -> int:
    broken = [i for i, b in enumerate(spine.bodies) if b.fracture]
    if broken:
        return broken[0]
    names = [b.level for b in spine.bodies]
    low, high = names.index("T9"), len(names) - 1
    return int(rng.integers(low, high))


def draw_hardware(
    rng: np.random.Generator, spine: SpineModel, wanted: str = "any", cages: bool = True
) -> Hardware:
    """Screws and rods, a plate, or balloon tamps inside the broken body.

    Parameters
    ----------
    wanted : str
        The kind of `Hardware`; ``any`` to draw it.
    cages : bool
        Whether a cage may stand beside the screws (not after percutaneous fixation).
    """
    at = _index_level(spine, rng)
    # drawn in any case: what comes after it does not depend on what was wanted
    drawn = str(rng.choice(list(_KINDS), p=list(_KINDS.values())))
    kind = drawn if wanted == "any" else wanted
    if kind == "plate":
        return _plate(rng, spine, at)
    if kind == "balloon":
        body = spine.bodies[at]
        tamps = tuple(_balloon(rng, body, side) for side in (-1, 1))
        return Hardware("balloon", (body.level,), balloons=tamps)
    if kind == "fusion":
        return _fusion(rng, spine)
    if kind == "long":
        return _long(rng, spine)
    reach = int(rng.choice([1, 2, 4], p=(0.65, 0.25, 0.1)))
    low, high = max(6, at - reach), min(len(spine.bodies) - 1, at + reach)
    chosen = [i for i in range(low, high + 1) if i != at or rng.random() < 0.3]
    held = [spine.bodies[i] for i in chosen]
    rods, screws = [], []
    for side in (-1, 1):
        rod, own = _row(rng, held, side)
        rods.append(rod)
        screws += own
    between: tuple[FloatArray, ...] = ()
    if cages and rng.random() < 0.15:
        between = (_cage(spine.bodies, min(at, len(spine.bodies) - 2)),)
    return Hardware(kind, tuple(b.level for b in held), tuple(rods), tuple(screws), between)


def _fusion(rng: np.random.Generator, spine: SpineModel) -> Hardware:
    """Two to four of the lowest levels, the sacrum often one of them, with cages in the discs."""
    column = (*spine.bodies, spine.sacrum)
    last = len(column) - 1 - int(rng.choice([0, 1, 2], p=(0.5, 0.35, 0.15)))
    first = last - int(rng.choice([1, 2, 3], p=(0.5, 0.35, 0.15)))
    held = column[first : last + 1]
    rows = [_row(rng, held, side) for side in (-1, 1)]
    cages = tuple(_cage(column, i) for i in range(first, last) if rng.random() < 0.8)
    levels = tuple(b.level for b in held)
    return Hardware(
        "fusion", levels, tuple(r for r, _ in rows), tuple(s for _, own in rows for s in own), cages
    )


def _long(rng: np.random.Generator, spine: SpineModel) -> Hardware:
    """From the upper or middle thoracic spine to the lumbar one, most pedicles held."""
    column = (*spine.bodies, spine.sacrum)
    names = [b.level for b in column]
    lumbar = names.index("L1")  # eleven or thirteen thoracic vertebrae may be above it
    first = int(rng.integers(names.index("T2"), lumbar - 1))
    last = int(rng.integers(max(lumbar - 1, first + 5), len(column)))
    share = rng.uniform(0.5, 1.0)
    levels: set[str] = set()
    rods, screws = [], []
    for side in (-1, 1):
        held = [
            body
            for i, body in enumerate(column[first : last + 1], first)
            if i in (first, last) or rng.random() < share
        ]
        levels |= {b.level for b in held}
        rod, own = _row(rng, held, side)
        rods.append(rod)
        screws += own
    chosen = tuple(name for name in names if name in levels)
    return Hardware("long", chosen, tuple(rods), tuple(screws))


def _row(
    rng: np.random.Generator, held: Sequence[Body], side: int
) -> tuple[FloatArray, list[FloatArray]]:
    """Screws of one side, and the rod through their heads."""
    screws = [np.array(_screw(body, side, rng)) for body in held]
    line = np.array([head for head, _ in screws])
    run = line[-1] - line[0]
    run /= np.linalg.norm(run)
    above, below = rng.uniform(5, 14), rng.uniform(5, 14)
    return np.vstack([line[0] - run * above, line, line[-1] + run * below]), screws


def _screw(body: Body, side: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    back = -body.depth_superior / 2
    y = -body.posterior / 2 + 0.3 * body.posterior + rng.normal(0, 1.0)
    z = side * 0.34 * body.width
    head = np.array([back - 20 * body.size, y + rng.normal(0, 1.5), z * 1.25])
    tip = np.array(
        [back + rng.uniform(0.6, 0.9) * body.depth_superior, y + rng.normal(0, 1.5), z * 0.6]
    )
    return body.to_subject(head), body.to_subject(tip)


def _plate(rng: np.random.Generator, spine: SpineModel, at: int) -> Hardware:
    """A plate along the side of two or more bodies, its screws seen nearly end on, with cages."""
    last = min(at + int(rng.integers(1, 3)), len(spine.bodies) - 1)
    first = max(last - int(rng.integers(1, 3)), 0)
    upper, lower = spine.bodies[first], spine.bodies[last]
    side = float(rng.choice([-1, 1]))
    # from the middle of the side to the front of the body
    forward = rng.uniform(-0.1, 0.4)
    ends, screws = [], []
    for body, where in ((upper, -0.15), (lower, 0.15)):
        x = forward * body.depth_superior
        z = side * 0.55 * body.width
        y = where * body.posterior
        pair = np.array([[x - 5.0, y, z], [x + 5.0, y, z]])
        ends.append(body.to_subject(pair))
        for head in pair:
            tip = [head[0] + rng.normal(0, 3), y + rng.normal(0, 2), -side * 0.3 * body.width]
            screws.append(body.to_subject(np.array([head, tip])))
    outline = np.vstack([ends[0], ends[1][::-1]])
    levels = tuple(spine.bodies[i].level for i in range(first, last + 1))
    cages = tuple(_cage(spine.bodies, i) for i in range(first, last) if rng.random() < 0.4)
    return Hardware("plate", levels, screws=tuple(screws), cages=cages, plates=(outline,))


def _balloon(rng: np.random.Generator, body: Body, side: int) -> FloatArray:
    """A balloon filled with contrast at the end of a cannula through the pedicle."""
    back = -body.depth_superior / 2
    z = side * 0.33 * body.width
    handle = [back - 120.0, -0.5 * body.posterior + rng.normal(0, 4), 1.9 * z]
    neck = [back + 0.25 * body.depth_superior, 0.0, 0.8 * z]
    middle = [back + 0.6 * body.depth_superior, rng.normal(0, 1.5), 0.5 * z]
    return body.to_subject(np.array([handle, neck, middle]))


def _cage(column: Sequence[Body], i: int) -> FloatArray:
    upper, lower = column[i], column[i + 1]
    a = upper.to_subject(
        np.array([[-0.25, 0.5, 0], [0.35, 0.5, 0]])
        * [upper.depth_inferior, (upper.anterior + upper.posterior) / 2 * 1.02, 0]
    )
    b = lower.to_subject(
        np.array([[0.35, -0.5, 0], [-0.25, -0.5, 0]])
        * [lower.depth_superior, (lower.anterior + lower.posterior) / 2 * 1.02, 0]
    )
    return np.vstack([a, b])


def metal_map(
    camera: Camera, spine: SpineModel, hardware: Hardware, rng: np.random.Generator
) -> Map | None:
    """(rows, columns) attenuation of metal and cement, None if there is none."""
    cemented = [b for b in spine.bodies if b.cement is not None]
    if not hardware.kind and not cemented:
        return None
    out = np.zeros(camera.shape, np.float32)
    for body in cemented:
        render_cement(camera, body, out)
    for line in hardware.rods:
        _bar(camera, line, 2.9, 1.4, out)
    for head, tip in hardware.screws:
        _bar(camera, np.array([head, tip]), rng.uniform(*_CORE), 1.1, out, thread=True)
        toward = (tip - head) / np.linalg.norm(tip - head)
        _bar(camera, np.array([head - 4 * toward, head + 9 * toward]), 5.5, 1.5, out)
    for handle, neck, middle in hardware.balloons:
        _bar(camera, np.array([handle, neck]), 2.0, 1.0, out)
        _bulb(camera, middle, neck, rng, out)
    for cage in (*hardware.cages, *hardware.plates):
        mask = np.zeros(camera.shape, np.float32)
        corners = camera.project(cage)
        cv2.fillPoly(mask, [np.round(corners * 16).astype(np.int32)], 0.5, cv2.LINE_8, 4)
        out += mask
    return as_map(cv2.GaussianBlur(out, (0, 0), 0.6))


def _bar(
    camera: Camera, line: FloatArray, radius: float, strength: float, out: Map, thread: bool = False
) -> None:
    mask = np.zeros(camera.shape, np.uint8)
    points = camera.project(line)
    width = max(1, round(2 * radius / camera.pixel_mm))
    cv2.polylines(mask, [np.round(points * 16).astype(np.int32)], False, 255, width, cv2.LINE_AA, 4)
    if thread and camera.pixel_mm < 1.0:
        length = float(np.linalg.norm(line[-1] - line[0]))
        turns = np.linspace(0.35, 1.0, max(2, int(length * 0.65 / 2.8)))
        across = np.array([-(points[-1] - points[0])[1], (points[-1] - points[0])[0]])
        across = across / max(float(np.linalg.norm(across)), 1e-6) * width * 0.72
        for f in turns:
            at = points[0] + f * (points[-1] - points[0])
            ends = np.round(np.stack([at - across, at + across]) * 16).astype(np.int32)
            cv2.polylines(mask, [ends], False, 255, max(1, width // 4), cv2.LINE_AA, 4)
    np.add(out, mask.astype(np.float32) * np.float32(strength / 255), out=out)


def _bulb(
    camera: Camera, middle: FloatArray, neck: FloatArray, rng: np.random.Generator, out: Map
) -> None:
    """Ellipse of a filled balloon."""
    at, start = camera.project(middle), camera.project(neck)
    angle = float(np.rad2deg(np.arctan2(*(at - start)[::-1])))
    size = rng.uniform([7.0, 4.0], [11.0, 7.5]) / camera.pixel_mm
    mask = np.zeros(camera.shape, np.float32)
    box = (tuple(map(float, at)), tuple(map(float, 2 * size)), angle)
    cv2.ellipse(mask, box, float(rng.uniform(0.5, 1.2)), -1)
    np.add(out, mask, out=out)
