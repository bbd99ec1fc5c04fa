"""Heights on CT of coarse voxels: ``python -P benchmarks/ct_heights.py [--spacing 3 3 3]``.

Makes phantoms of three bodies of known corners, one of them a wedge, standing straight and tilted
and turned; measures them from their labels and grey values; and prints, for each body, heights in
front, in the middle and behind:

- true, from corner to corner;
- by the points of endplate;
- true along rays at 15, 50 and 85 % of the depth, where the report counts;
- counted along such rays as the spine report of TotalSegmentator does (`counted`).

With ``--ct``, ``--labels``, ``--bodies`` and ``--report`` (that program's files) also the heights
of a real CT by the points of endplate, counted on the same labels, and as the report gives them.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from endplate.geometry.spatial import wedge_in_plane
from endplate.imaging.ct.labels import LabelVolume, read_labels
from endplate.imaging.ct.nifti import read_nifti
from endplate.imaging.ct.read import read_ct
from endplate.imaging.ct.spine import read_spine
from tests.infer.ct_phantom import Phantom, PhantomSpine, make_phantom, verse_number

LEVELS = ("T12", "L1", "L2")
POSES = {
    "straight": PhantomSpine(lordosis=10, levels=LEVELS),
    "bent": PhantomSpine(lordosis=12, scoliosis=16, rotation=15, turn=(6, -8, 10), levels=LEVELS),
}
#: Pairs of points in front, in the middle and behind.
PAIRS = ((0, 5), (1, 4), (2, 3))
#: Where the report's rays stand between the back and the front wall, front first.
PLACES = (0.85, 0.5, 0.15)


def between_points(points: np.ndarray) -> np.ndarray:
    """Heights from point to point: in front, in the middle, behind; mm."""
    return np.array([np.linalg.norm(points[a] - points[b]) for a, b in PAIRS])


def along_rays(points: np.ndarray) -> np.ndarray:
    """True heights where the rays stand, endplates being parabolas through their three points."""
    out = []
    for place in PLACES:
        u = 2 * place - 1  # -1 behind, 1 in front
        weights = np.array([u * (u + 1) / 2, 1 - u**2, u * (u - 1) / 2])
        upper, lower = weights @ points[[0, 1, 2]], weights @ points[[5, 4, 3]]
        out.append(np.linalg.norm(upper - lower))
    return np.array(out)


def counted(masks: Mapping[str, np.ndarray], spacing: np.ndarray, level: str) -> np.ndarray | None:
    """Heights of one body as the spine report of TotalSegmentator 2 counts them, mm.

    After its published source (totalsegmentator/spine_report), written anew: the axis runs from
    the middle of the body above to that of the body below; in sagittal slices of the voxel grid, 5
    mm apart over the middle half of the body, walls are found and rays sent up and down at 15, 50
    and 85 % between them, in steps of half a voxel, to the last step inside; and the slice with
    the greatest difference of heights is taken.

    Parameters
    ----------
    masks : mapping
        Level to (columns, rows, slices) bool array, ordered to the right, front and head.
    spacing : (3,) array
        mm.
    """
    names = list(masks)
    middles = [_middle(m) for m in masks.values()]
    n = names.index(level)
    axis = middles[min(n + 1, len(names) - 1)] - middles[max(n - 1, 0)]
    axis = axis / np.linalg.norm(axis)
    across = np.array([-axis[2], axis[1]])
    mask = masks[level]
    columns = np.flatnonzero(_eroded(mask).any(axis=(1, 2)))
    margin = round(0.25 * (columns[-1] - columns[0] + 1))
    best = None
    for x in range(columns[0] + margin, columns[-1] - margin + 1, max(1, round(5 / spacing[0]))):
        heights = _in_slice(mask[x], middles[n][1:], axis[1:], across, spacing[1:])
        if heights is not None and (best is None or np.ptp(heights) > np.ptp(best)):
            best = heights
    return best


def _middle(mask: np.ndarray) -> np.ndarray:
    eroded = _eroded(mask)
    return np.argwhere(eroded if eroded.any() else mask).mean(axis=0)


def _eroded(mask: np.ndarray) -> np.ndarray:
    """Without the voxels of the surface."""
    out = mask.copy()
    for shift in product((-1, 0, 1), repeat=3):
        out &= np.roll(mask, shift, (0, 1, 2))
    return out


def _in_slice(
    plane: np.ndarray, middle: np.ndarray, up: np.ndarray, across: np.ndarray, spacing: np.ndarray
) -> np.ndarray | None:
    walls = _ends(plane, middle, across)
    if walls is None:
        return None
    out = []
    back, front = sorted(walls, key=lambda w: float(w[0]))
    for place in PLACES:
        ends = _ends(plane, back + place * (front - back), up)
        if ends is None:
            return None
        out.append(np.linalg.norm((ends[1] - ends[0]) * spacing))
    return np.array(out)


def _ends(
    plane: np.ndarray, start: np.ndarray, way: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Last places inside both ways from a start, in steps of half a voxel."""
    unit = way / np.linalg.norm(way)
    out = []
    for sign in (-1.0, 1.0):
        steps = 1
        while _inside(plane, start + sign * 0.5 * steps * unit):
            steps += 1
        last = start + sign * 0.5 * (steps - 1) * unit
        if not _inside(plane, last):
            return None
        out.append(last)
    return out[0], out[1]


def _inside(plane: np.ndarray, place: np.ndarray) -> bool:
    """Whether the mask, interpolated, is more than half at a place."""
    low = np.floor(place).astype(int)
    if (low < 0).any() or (low + 1 >= plane.shape).any():
        return False
    y, z = place - low
    four = plane[low[0] : low[0] + 2, low[1] : low[1] + 2]
    return bool(np.array([1 - y, y]) @ four @ np.array([1 - z, z]) > 0.5)


def to_right_front_head(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """(slices, rows, columns) voxels on axes of LPS as (right, front, head)."""
    out = voxels.transpose(2, 1, 0)
    # LPS counts to the left and back
    wanted = np.array([-1, -1, 1]) * np.sign(np.diag(affine)[:3])
    return out[tuple(slice(None, None, int(s)) for s in wanted)]


def shown(heights: np.ndarray | None) -> str:
    return "-" if heights is None else " / ".join(f"{h:4.1f}" for h in heights)


def report(name: str, phantom: Phantom) -> list[list[np.ndarray]]:
    """Print the bodies of a phantom; errors of points, of their heights, and of counted ones."""
    numbers = {level: (verse_number(level),) for level in LEVELS}
    labels = phantom.labels
    spine = read_spine(LabelVolume(labels, numbers, "verse"), phantom.ct)
    voxels = to_right_front_head(labels.voxels, labels.affine)
    masks = {level: _of_body(voxels == verse_number(level)) for level in LEVELS}
    out: list[list[np.ndarray]] = [[], [], []]
    wedges, turns = [], []
    for level, body in spine.bodies.items():
        truth, axes = phantom.points_mm[level], phantom.axes[level]
        local = (body.points_mm - truth) @ axes.T
        wedge = wedge_in_plane(body.points_mm, body.frame.axes) - wedge_in_plane(truth, axes)
        heights = [between_points(truth), between_points(body.points_mm), along_rays(truth)]
        heights.append(counted(masks, labels.spacing, level))
        print(f"{name:9} {level:4} {'   '.join(shown(h) for h in heights)}   {wedge:+5.1f}")
        wedges.append(abs(wedge))
        turns.append(turned(body.frame.axes @ axes.T))
        out[0].append(np.hypot(local[:, 1], local[:, 2]))
        out[1].append(heights[1] - heights[0])
        if heights[3] is not None:
            out[2].append(heights[3] - heights[2])
    away = np.concatenate(out[0])
    print(
        f"{name:9} points: median {np.median(away):.2f}, greatest {away.max():.2f} mm;"
        f" kyphosis: greatest {max(wedges):.1f} degrees"
    )
    coronal, axial = np.sqrt(np.mean(np.square(turns), axis=0))
    print(f"{name:9} coronal tilt {coronal:.1f}, rotation {axial:.1f} degrees off (mean square)")
    return out


def turned(axes: np.ndarray) -> tuple[float, float]:
    """Coronal tilt and rotation of rows left, front, up against the true ones, degrees."""
    coronal = np.degrees(np.arctan2(axes[2, 0], axes[2, 2]))
    return float(coronal), float(np.degrees(np.arctan2(axes[1, 0], axes[1, 1])))


def _of_body(mask: np.ndarray) -> np.ndarray:
    """Without the arch and what lies behind it, as a label of the body alone."""
    front = np.flatnonzero(mask.any(axis=(0, 2)))
    step = 1 + int(front[-1] - 0.45 * (front[-1] - front[0]))
    out = mask.copy()
    out[:, :step] = False
    return out


def real(ct: str, labels: str, bodies: str | None, result: str | None) -> None:
    """Print the heights of a real CT."""
    volume = read_ct(ct)
    label = read_labels(labels)
    spine = read_spine(label, volume)
    given = json.loads(Path(result).read_text())["results"] if result else {}
    voxels = to_right_front_head(label.volume.voxels, label.volume.affine)
    whole = None
    if bodies:
        other = read_nifti(Path(bodies), labels=True)
        whole = to_right_front_head(other.voxels, other.affine) == 1
    masks = {
        level: np.isin(voxels, numbers) & (True if whole is None else whole)
        for level, numbers in label.numbers.items()
    }
    masks = {level: m for level, m in masks.items() if m.any()}
    ml = abs(float(np.linalg.det(label.volume.affine[:3, :3]))) / 1000
    print("level  points            counted           report            volume: label, report, ml")
    for level, body in spine.bodies.items():
        if level == "S1":
            continue
        key = f"vertebrae_{level}"
        names = [f"{key}_height_{p}_mm" for p in ("anterior", "middle", "posterior")]
        theirs = np.array([given.get(n, np.nan) for n in names])
        row = [between_points(body.points_mm), counted(masks, label.volume.spacing, level), theirs]
        sizes = f"{masks[level].sum() * ml:.1f}, {given.get(f'{key}_volume_ml', float('nan'))}"
        print(f"{level:5}  {'  '.join(shown(h) for h in row)}  {sizes}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spacing", type=float, nargs=3, default=(3.0, 3.0, 3.0))
    parser.add_argument("--noise", type=float, default=15.0, help="Hounsfield units")
    parser.add_argument("--ct", help="a real CT")
    parser.add_argument("--labels", help="its labels")
    parser.add_argument("--bodies", help="labels of its bodies alone (1)")
    parser.add_argument("--report", help="spine_report.json of TotalSegmentator")
    options = parser.parse_args(arguments)
    if options.ct is not None:
        real(options.ct, options.labels, options.bodies, options.report)
        return
    print("in front / in the middle / behind, mm; error of kyphosis, degrees")
    print("               true                 points               true at rays         counted")
    off: list[list[np.ndarray]] = [[], [], []]
    for name, pose in POSES.items():
        found = report(name, make_phantom(pose, tuple(options.spacing), noise=options.noise))
        off = [a + b for a, b in zip(off, found, strict=True)]
    what = ("points", "heights by points", "counted heights against true ones at the rays")
    for text, errors in zip(what, off, strict=True):
        size = np.abs(np.concatenate(errors))
        mean = float(np.mean(np.concatenate(errors)))
        tail = "" if text == "points" else f", mean {mean:+.2f}"
        print(f"{text}: median error {np.median(size):.2f}, greatest {size.max():.2f} mm{tail}")


if __name__ == "__main__":
    main()
