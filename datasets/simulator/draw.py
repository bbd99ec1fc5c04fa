"""Drawing the intact, perhaps worn, spine of one subject.

The means and spreads of the table are approximate: they make plausible spines and are no norms.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from endplate.datasets.simulator.anatomy import Body, SpineModel, rotation
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.geometry.landmarks import FloatArray

__all__ = ["draw_spine"]

# level: posterior height, superior depth, inferior depth, body wedge (deg), its SD,
# disc below: height, SD, wedge (deg), SD; lateral width
_TABLE: Final[dict[str, tuple[float, ...]]] = {
    "C3": (13.5, 15.5, 16.0, 0.0, 2.0, 5.0, 0.6, -6.0, 2.0, 19.0),
    "C4": (13.3, 15.8, 16.2, 0.0, 2.0, 5.0, 0.6, -6.0, 2.0, 20.0),
    "C5": (13.0, 16.0, 16.5, 0.5, 2.0, 5.0, 0.6, -6.0, 2.0, 21.0),
    "C6": (13.2, 16.2, 17.0, 0.5, 2.0, 5.0, 0.6, -6.0, 2.0, 23.0),
    "C7": (14.4, 16.8, 17.8, 1.0, 2.0, 4.8, 0.7, -5.0, 2.0, 26.0),
    "T1": (15.5, 18.5, 19.7, 2.0, 2.0, 4.0, 0.8, 1.0, 1.5, 28.0),
    "T2": (16.8, 19.6, 21.6, 2.5, 2.0, 3.8, 0.8, 1.0, 1.5, 27.5),
    "T3": (17.2, 22.7, 23.3, 3.0, 2.0, 3.7, 0.8, 1.2, 1.5, 27.0),
    "T4": (17.6, 23.3, 24.5, 3.3, 2.0, 3.7, 0.8, 1.5, 1.5, 27.0),
    "T5": (18.0, 24.3, 25.8, 3.5, 2.0, 4.0, 0.8, 1.7, 1.5, 27.5),
    "T6": (18.8, 26.0, 26.9, 3.7, 2.0, 4.4, 0.8, 1.7, 1.5, 28.5),
    "T7": (19.4, 27.4, 28.5, 3.7, 2.0, 4.7, 0.8, 1.5, 1.5, 29.5),
    "T8": (20.0, 27.9, 29.4, 3.5, 2.0, 5.0, 0.8, 1.2, 1.5, 31.0),
    "T9": (20.7, 29.3, 31.0, 3.0, 2.0, 5.4, 0.8, 0.8, 1.5, 33.0),
    "T10": (21.9, 30.5, 31.6, 2.3, 2.3, 6.0, 0.9, 0.5, 1.5, 35.0),
    "T11": (23.2, 31.9, 31.8, 2.5, 2.6, 6.7, 1.0, -0.3, 1.8, 38.0),
    "T12": (24.8, 32.8, 33.4, 2.9, 2.8, 7.6, 1.1, -1.8, 2.2, 40.0),
    "L1": (26.3, 34.1, 35.3, 2.3, 2.8, 8.6, 1.21, -5.0, 2.5, 41.5),
    "L2": (26.8, 34.6, 34.9, 0.6, 2.5, 9.5, 1.3, -7.5, 2.8, 43.0),
    "L3": (26.6, 35.2, 34.8, -0.8, 2.5, 10.4, 1.5, -9.0, 3.0, 45.0),
    "L4": (26.0, 35.5, 33.9, -2.7, 2.8, 11.2, 1.74, -12.0, 3.5, 48.0),
    "L5": (23.8, 34.7, 33.2, -8.0, 3.0, 10.1, 1.53, -14.5, 4.0, 51.0),
}


def _level_names(rng: np.random.Generator, variant: float) -> list[tuple[str, str]]:
    """(name, row of the table) of each vertebra, head to foot, with transitional variants."""
    names = [(x, x) for x in _TABLE]
    if rng.random() < variant:
        kind = rng.integers(3)
        if kind == 0:
            names.insert(names.index(("L1", "L1")), ("T13", "T12"))
        elif kind == 1:
            i = names.index(("L5", "L5"))
            names[i : i + 1] = [("L5", "L4"), ("L6", "L5")]
        else:
            names.remove(("T12", "T12"))
    return names


def draw_spine(rng: np.random.Generator, settings: SimulatorSettings) -> SpineModel:
    """Draw the intact (perhaps worn) spine of one subject."""
    size = float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.16))
    standing = bool(rng.random() < 0.6)
    degenerative = rng.random() < settings.degenerative
    names = _level_names(rng, settings.variant)
    bodies = [_draw_body(rng, name, row, size) for name, row in names]
    if degenerative:
        wear = rng.uniform(0.3, 1.0)
        bodies = [_wear(rng, b, wear) for b in bodies]
    discs = [_draw_disc(rng, row, size, degenerative) for _, row in names]
    slips = _draw_slips(rng, bodies, settings.listhesis)
    sacrum = _draw_sacrum(rng, bodies[-1], size)
    placed = _stack(rng, bodies, sacrum, discs, slips, standing)
    placed = _bend_sideways(rng, placed, settings.scoliosis)
    vacuum = tuple(
        bool(d[0] < 6.5 and n[0][0] == "L" and rng.random() < 0.3)
        for d, n in zip(discs, names, strict=True)
    )
    return SpineModel(
        tuple(placed[:-1]),
        placed[-1],
        tuple(d[0] for d in discs),
        vacuum,
        float(rng.normal(0.22, 0.07)),
        standing,
        size,
    )


def _draw_body(rng: np.random.Generator, name: str, row: str, size: float) -> Body:
    hp, dsup, dinf, wedge, wedge_sd, *_, width = _TABLE[row]
    if row in ("T12", "L1"):
        # The sources disagree about the intact wedge here, so each subject has its own mean.
        wedge, wedge_sd = rng.uniform(2.0, 5.0), 1.5
    wedge = rng.normal(wedge, 0.8 * wedge_sd)
    noise = rng.normal(1.0, 0.03, 3)
    hp = hp * size * noise[0]
    dsup, dinf = dsup * size * noise[1], dinf * size * noise[1] * rng.normal(1.0, 0.02)
    ha = hp - (dsup + dinf) * np.tan(np.deg2rad(wedge) / 2)
    lumbar = row[0] == "L"
    depth = 0.95 * size * (1.3 if lumbar else 0.85)
    return Body(
        name,
        float(ha),
        hp,
        dsup,
        dinf,
        width * size * noise[2],
        float(np.clip(rng.normal(depth, 0.4), 0.1, 3.0)),
        float(np.clip(rng.normal(1.35 * depth, 0.5), 0.2, 3.5)),
        float(np.clip(rng.normal(1.5 if lumbar else 1.0, 0.5), 0.1, 3.0)) * size,
        float(np.clip(rng.normal(1.0 if lumbar else 0.6, 0.4), 0.0, 2.2)) * size,
        _radii(rng),
        np.zeros(3),
        (0.0, 0.0, 0.0),
        density=float(rng.normal(1.0, 0.06)),
        cortex=float(rng.uniform(0.7, 1.25)),
        ripple=_ripple(rng),
    )


def _radii(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Rounding of the four corners, in mm; more in front."""
    sa, sp, ip, ia = np.clip(rng.gamma(2.0, [0.6, 0.45, 0.4, 0.5]), 0.25, 2.4)
    return float(sa), float(sp), float(ip), float(ia)


def _ripple(rng: np.random.Generator) -> tuple[float, float, float, float]:
    amplitude, phase = rng.gamma(2.0, 0.07, 2), rng.uniform(0, 2 * np.pi, 2)
    return float(amplitude[0]), float(phase[0]), float(amplitude[1]), float(phase[1])


def _draw_nodes(rng: np.random.Generator) -> tuple[tuple[bool, float, float], ...]:
    """Schmorl's nodes: few, beside the middle of an endplate."""
    out = []
    for superior in (True, False):
        if rng.random() < 0.1:
            place = float(rng.choice([-1, 1]) * rng.uniform(0.3, 0.55))
            out.append((superior, place, float(rng.uniform(1.0, 4.0))))
    return tuple(out)


def _draw_sacrum(rng: np.random.Generator, last: Body, size: float) -> Body:
    depth = 33.0 * size * rng.normal(1.0, 0.04)
    return replace(
        last,
        level="S1",
        anterior=30.0 * size,
        posterior=25.0 * size,
        depth_superior=depth,
        depth_inferior=0.68 * depth,
        width=52.0 * size,
        concavity_superior=float(np.clip(rng.normal(0.6, 0.7), -1.5, 2.0)),
        concavity_inferior=0.3,
        waist_anterior=1.5 * size,
        waist_posterior=1.0 * size,
    )


def _wear(rng: np.random.Generator, body: Body, wear: float) -> Body:
    """Spurs and denser endplates, more of them lower down and in front."""
    low = 1.0 if body.level[0] in "LS" else 0.5
    front = rng.gamma(1.2, 2.2 * wear * low, 2) * (rng.random(2) < 0.6)
    back = rng.gamma(1.0, 0.9 * wear * low, 2) * (rng.random(2) < 0.3)
    spurs = np.minimum([front[0], back[0], back[1], front[1]], 9.0)
    sclerosis = rng.gamma(1.0, 0.35 * wear, 2)
    return replace(
        body,
        spurs=(float(spurs[0]), float(spurs[1]), float(spurs[2]), float(spurs[3])),
        sclerosis=(float(sclerosis[0]), float(sclerosis[1])),
        nodes=_draw_nodes(rng) if body.level[0] in "TL" else (),
    )


def _draw_disc(
    rng: np.random.Generator, row: str, size: float, degenerative: bool
) -> tuple[float, float]:
    """Mid-height in mm and wedge in degrees of the disc below."""
    height, sd, wedge, wedge_sd = _TABLE[row][5:9]
    height = float(np.clip(rng.normal(height, sd), 0.6 * height, 1.4 * height)) * size
    wedge = rng.normal(wedge, wedge_sd)
    if degenerative and rng.random() < (0.3 if row[0] == "L" else 0.15):
        narrow = rng.uniform(0.3, 0.8)
        height, wedge = height * narrow, wedge * (0.4 + 0.6 * narrow)
    # Keeps the endplates apart at both ends.
    depth = _TABLE[row][2] * size
    limit = np.rad2deg(2 * np.arctan(0.8 * height / depth))
    return height, float(np.clip(wedge, -limit, limit))


def _draw_slips(rng: np.random.Generator, bodies: list[Body], fraction: float) -> list[float]:
    """Forward slip in mm of each body over the one below."""
    slips = list(rng.normal(0.0, 0.5, len(bodies)))
    if rng.random() < fraction:
        last = len(bodies) - 1
        i = last - int(rng.choice(3, p=(0.35, 0.5, 0.15)))
        sign = 1.0 if rng.random() < 0.85 else -0.5
        slips[i] += sign * rng.uniform(0.08, 0.4) * bodies[i].depth_inferior
    return slips


def _up(angle: float) -> FloatArray:
    """(2,) direction to the head across an endplate flexed by `angle`."""
    return np.array([np.sin(angle), -np.cos(angle)])


def _stack(
    rng: np.random.Generator,
    bodies: list[Body],
    sacrum: Body,
    discs: list[tuple[float, float]],
    slips: list[float],
    standing: bool,
) -> list[Body]:
    """Pile the bodies on the sacrum, then lean the pile so that the head is over the pelvis."""
    slope = np.deg2rad(np.clip(rng.normal(40.0 if standing else 37.0, 8.0), 15, 65))
    lordosis = rng.normal(1.08 if standing else 0.92, 0.18)
    kyphosis = rng.normal(1.0, 0.2)
    wedge = np.deg2rad(sacrum.wedge_deg)
    angle = slope - wedge / 2
    sacrum = replace(sacrum, angles=(float(angle), 0.0, 0.0))
    point = -_up(angle) * 0.0
    top = point + _up(angle) * (sacrum.anterior + sacrum.posterior) / 4
    sacrum = replace(sacrum, centre=np.array([*point, 0.0]))
    angle = slope
    out = [sacrum]
    for body, (height, disc), slip in zip(
        reversed(bodies), reversed(discs), reversed(slips), strict=True
    ):
        disc = disc * (lordosis if body.level[0] == "L" else kyphosis)
        # Room between the endplates at both ends, whatever the factor.
        limit = np.rad2deg(2 * np.arctan(0.85 * height / body.depth_inferior))
        delta = np.deg2rad(np.clip(disc, -limit, limit))
        across = _up(angle + delta / 2)
        along = np.array([-across[1], across[0]])
        wedge = np.deg2rad(body.wedge_deg)
        bottom = top + across * height + along * slip
        middle = angle + delta + wedge / 2
        tall = (body.anterior + body.posterior) / 2
        centre = bottom + _up(middle) * tall / 2
        top = bottom + _up(middle) * tall
        out.append(replace(body, centre=np.array([*centre, 0.0]), angles=(float(middle), 0.0, 0.0)))
        angle = angle + delta + wedge
    out.reverse()
    return _lean(rng, out)


def _lean(rng: np.random.Generator, bodies: list[Body]) -> list[Body]:
    """Turn the whole spine about the sacrum to a usual balance."""
    by_name = {b.level: b for b in bodies}
    span = by_name["T1"].centre - bodies[-1].centre
    lean = np.arctan2(span[0], -span[1])
    turn = float(np.clip(np.deg2rad(rng.normal(-2.0, 3.5)) - lean, -0.35, 0.35))
    matrix = rotation(turn, 0.0, 0.0)
    return [
        replace(b, centre=matrix @ b.centre, angles=(b.angles[0] + turn, 0.0, 0.0)) for b in bodies
    ]


def _bend_sideways(rng: np.random.Generator, bodies: list[Body], scoliosis: float) -> list[Body]:
    """Lateral offset, tilt and axial rotation from one or two smooth curves."""
    y = np.array([b.centre[1] for b in bodies])
    length = rng.uniform(220, 420)
    amplitude = rng.normal(0.0, 2.5)
    if rng.random() < scoliosis:
        amplitude = rng.choice([-1, 1]) * rng.uniform(4, 22)
    phase = rng.uniform(0, 2 * np.pi)
    wave = 2 * np.pi * y / length + phase
    sag = rng.normal(0.0, 0.02)
    z = amplitude * np.sin(wave) + sag * (y - y.mean())
    slope = amplitude * 2 * np.pi / length * np.cos(wave) + sag
    turned = np.deg2rad(rng.normal(0.0, 3.0))
    axial = turned + np.deg2rad(rng.uniform(0.3, 0.9)) * amplitude * np.sin(wave)
    axial = axial + rng.normal(0.0, np.deg2rad(1.0), len(bodies))
    tilt = np.arctan(slope) + rng.normal(0.0, np.deg2rad(1.0), len(bodies))
    return [
        replace(
            b,
            centre=np.array([b.centre[0], b.centre[1], zi]),
            angles=(b.angles[0], float(ti), float(ai)),
        )
        for b, zi, ti, ai in zip(bodies, z, tilt, axial, strict=True)
    ]
