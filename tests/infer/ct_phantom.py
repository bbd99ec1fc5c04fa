"""A spine of known corners as a CT and as labels: tilted, turned, bent, of any voxel size."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from endplate.imaging.ct.volume import Provenance, Volume

__all__ = ["Phantom", "PhantomSpine", "make_phantom"]

Array = npt.NDArray[np.float64]

#: Level, depth of the superior and inferior endplate, height in front and behind, in mm.
BODIES = (
    ("T10", 29.0, 30.0, 21.0, 22.5),
    ("T11", 30.0, 31.0, 21.5, 23.5),
    ("T12", 31.0, 32.0, 23.0, 25.0),
    ("L1", 32.0, 33.5, 18.0, 26.5),
    ("L2", 34.0, 34.5, 27.0, 27.0),
    ("L3", 35.0, 35.0, 28.0, 27.5),
    ("L4", 35.5, 35.0, 28.0, 26.5),
    ("L5", 35.5, 34.0, 28.5, 23.5),
)
_DISC = 8.0
_WIDTH = 21.0
_SINK = 1.2
"""How far the middle of an endplate lies below its rim, mm."""
_ENDS = (-0.5, 0.5)
_FINE = 0.4
"""Greatest distance of samples in voxels at the border, mm."""


@dataclass(frozen=True)
class PhantomSpine:
    """How the spine stands.

    Parameters
    ----------
    lordosis, scoliosis, rotation : float
        Sagittal and coronal turn in degrees from the first to the last body, and greatest axial
        rotation of a body.
    turn : (roll, pitch, yaw)
        Of the patient as a whole in the scanner, degrees.
    """

    lordosis: float = 25.0
    scoliosis: float = 0.0
    rotation: float = 0.0
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    levels: tuple[str, ...] = tuple(b[0] for b in BODIES)


@dataclass(frozen=True, eq=False)
class Phantom:
    """The volumes and the truth.

    Parameters
    ----------
    ct, labels : Volume
        Hounsfield units, and VerSe numbers.
    points_mm : dict
        Level to (6, 3) LPS points.
    axes : dict
        Level to (3, 3) rows left, front, up.
    """

    ct: Volume
    labels: Volume
    points_mm: dict[str, Array]
    axes: dict[str, Array] = field(default_factory=dict)


def make_phantom(
    spine: PhantomSpine | None = None,
    spacing: tuple[float, float, float] = (0.8, 0.8, 1.0),
    *,
    noise: float = 15.0,
    seed: int = 0,
    shear: float = 0.0,
) -> Phantom:
    """Make a phantom.

    Parameters
    ----------
    spacing : (column, row, slice) mm
    noise : float
        Standard deviation in Hounsfield units.
    shear : float
        Gantry tilt in degrees.
    """
    spine = spine or PhantomSpine()
    bodies = [b for b in BODIES if b[0] in spine.levels]
    frames = _frames(bodies, spine)
    points = {
        b[0]: _points(b) @ axes + centre for b, (centre, axes) in zip(bodies, frames, strict=True)
    }
    affine, shape = _grid(frames, spacing, shear)
    bone = np.zeros(shape, dtype=np.float32)
    labels = np.zeros(shape, dtype=np.int16)
    for body, (centre, axes) in zip(bodies, frames, strict=True):
        _draw(bone, labels, affine, body, centre, axes)
    rng = np.random.default_rng(seed)
    soft = _soft_tissue(affine, shape, np.array([c for c, _ in frames]))
    values = soft * (1 - bone) + 260.0 * bone
    values += rng.normal(0.0, noise, shape) if noise else 0.0
    provenance = Provenance("phantom", "", "CT", position="supine", slice_spacing_mm=spacing[2])
    ct = Volume(np.rint(values).astype(np.int16), affine, provenance)
    return Phantom(
        ct,
        Volume(labels, affine, provenance),
        points,
        {b[0]: axes for b, (_, axes) in zip(bodies, frames, strict=True)},
    )


def verse_number(level: str) -> int:
    """Number of a level in the VerSe labels."""
    return (7 if level[0] == "T" else 19) + int(level[1:])


def _rotation(axis: int, degrees: float) -> Array:
    angle = np.radians(degrees)
    out = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[i, i] = out[j, j] = np.cos(angle)
    out[i, j], out[j, i] = -np.sin(angle), np.sin(angle)
    return out


def _frames(bodies, spine: PhantomSpine) -> list[tuple[Array, Array]]:
    """Centre (LPS) and rows left, front, up of each body."""
    whole = np.eye(3)
    for axis, degrees in enumerate(spine.turn):
        whole = _rotation(axis, degrees) @ whole
    n = len(bodies)
    at = np.array([0.0, 0.0, 0.0])
    out = []
    for i, body in enumerate(bodies):
        part = i / max(n - 1, 1)
        sagittal = spine.lordosis * (0.5 - part)
        coronal = spine.scoliosis * (part - 0.5)
        axial = spine.rotation * np.sin(np.pi * part)
        turn = whole @ _rotation(1, coronal) @ _rotation(0, sagittal) @ _rotation(2, axial)
        left, front, up = turn @ [1.0, 0, 0], turn @ [0, -1.0, 0], turn @ [0, 0, 1.0]
        half = (body[3] + body[4]) / 4
        at = at - up * half
        out.append((at.copy(), np.stack([left, front, up])))
        at = at - up * (half + _DISC)
    middle = np.mean([c for c, _ in out], axis=0)
    return [(c - middle, axes) for c, axes in out]


def _outline(body) -> tuple[Array, Array]:
    """Corners (front, up) of the superior and inferior endplate: front end, back end."""
    _, upper, lower, ahead, behind = body
    top = np.array([[upper / 2, ahead / 2], [-upper / 2, behind / 2]])
    bottom = np.array([[lower / 2, -ahead / 2], [-lower / 2, -behind / 2]])
    return top, bottom


def _points(body) -> Array:
    (sa, sp), (ia, ip) = _outline(body)
    down = np.array([0.0, _SINK])
    order = [sa, (sa + sp) / 2 - down, sp, ip, (ia + ip) / 2 + down, ia]
    return np.array([[0.0, y, z] for y, z in order])


def _grid(frames, spacing, shear: float) -> tuple[Array, tuple[int, int, int]]:
    reach = np.array([48.0, 72.0, 34.0])
    low = np.min([c for c, _ in frames], axis=0) - reach
    high = np.max([c for c, _ in frames], axis=0) + reach
    low = low + np.array([0.123, 0.217, 0.341])
    tilt = np.tan(np.radians(shear))
    if shear:
        low[1] -= abs(tilt) * (high[2] - low[2])
    size = np.ceil((high - low) / spacing).astype(int) + 1
    affine = np.diag([*spacing, 1.0])
    affine[1, 2] = tilt * spacing[2]
    affine[:3, 3] = low
    return affine, (int(size[2]), int(size[1]), int(size[0]))


def _draw(bone, labels, affine, body, centre, axes) -> None:
    """Add one vertebra: shares of bone in `bone`, its number in `labels`."""
    inverse = np.linalg.inv(affine)
    reach = np.array([[x, y, z] for x in (-40, 40) for y in (-70, 32) for z in (-28, 28)])
    indices = (reach @ axes + centre) @ inverse[:3, :3].T + inverse[:3, 3]
    size = np.array(bone.shape[::-1])
    a = np.clip(np.floor(indices.min(axis=0)).astype(int), 0, size)
    b = np.clip(np.ceil(indices.max(axis=0)).astype(int) + 1, 0, size)
    k, j, i = np.meshgrid(*(np.arange(a[d], b[d]) for d in (2, 1, 0)), indexing="ij")
    voxels = np.stack([i, j, k], axis=-1).reshape(-1, 3).astype(float)
    share = np.zeros(len(voxels), dtype=np.float32)

    def add(rows, offset, weight: float) -> None:
        at = (voxels[rows] + offset) @ affine[:3, :3].T + affine[:3, 3]
        share[rows] += np.float32(weight) * _inside((at - centre) @ axes.T, body)

    corners = [np.array([x, y, z]) for x in _ENDS for y in _ENDS for z in _ENDS]
    for offset in corners:
        add(slice(None), offset, 1 / len(corners))
    # Only voxels at the border need many samples: an edge is then true to a tenth of a step.
    border = np.flatnonzero((share > 0.01) & (share < 0.99))
    steps = np.ceil(np.linalg.norm(affine[:3, :3], axis=0) / _FINE).astype(int)
    share[border] = 0.0
    fine = [(np.arange(n) + 0.5) / n - 0.5 for n in steps]
    for x in fine[0]:
        for y in fine[1]:
            for z in fine[2]:
                add(border, np.array([x, y, z]), 1 / float(np.prod(steps)))
    shaped = share.reshape(k.shape)
    part = np.s_[a[2] : b[2], a[1] : b[1], a[0] : b[0]]
    bone[part] = np.maximum(bone[part], shaped)
    labels[part][shaped >= 0.5] = verse_number(body[0])


def _inside(local: Array, body) -> npt.NDArray[np.bool_]:
    left, front, up = np.moveaxis(local, -1, 0)
    (sa, sp), (ia, ip) = _outline(body)
    part = (up - (ia[1] + ip[1]) / 2) / (body[3] + body[4]) * 2
    ahead = ia[0] + part * (sa[0] - ia[0])
    behind = ip[0] + part * (sp[0] - ip[0])
    along = 2 * (front - behind) / (ahead - behind) - 1
    sink = _SINK * np.clip(1 - along**2, 0, 1) * np.clip(1 - (left / _WIDTH) ** 2, 0, 1)
    top = sp[1] + (along + 1) / 2 * (sa[1] - sp[1]) - sink
    bottom = ip[1] + (along + 1) / 2 * (ia[1] - ip[1]) + sink
    trunk = (left / _WIDTH) ** 4 + along**4 <= 1
    out: npt.NDArray[np.bool_] = trunk & (up <= top) & (up >= bottom)
    wall = -body[1] / 2
    side = np.abs(left)
    out |= (
        (side > 11) & (side < 17) & (front < wall + 3) & (front > wall - 20) & (up > -1) & (up < 8)
    )
    out |= (side < 17) & (front < wall - 16) & (front > wall - 21) & (up > -9) & (up < 8)
    out |= (side < 3.5) & (front < wall - 19) & (front > wall - 44) & (up > -14) & (up < 0)
    return out


def _soft_tissue(affine, shape, centres: Array) -> npt.NDArray[np.float32]:
    """Trunk of 60 HU in air; its long axis follows the body centres."""
    k = np.arange(shape[0])
    z = affine[2, 2] * k + affine[2, 3]
    order = np.argsort(centres[:, 2])
    x0 = np.interp(z, centres[order, 2], centres[order, 0])
    y0 = np.interp(z, centres[order, 2], centres[order, 1])
    out = np.full(shape, -1000.0, dtype=np.float32)
    j, i = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    for n in range(shape[0]):
        x = affine[0, 0] * i + affine[0, 3] - x0[n]
        y = affine[1, 1] * j + affine[1, 2] * n + affine[1, 3] - y0[n]
        out[n][(x / 46) ** 2 + (y / 68) ** 2 < 1] = 60.0
    return out
