"""Heights on CT of coarse voxels: ``python benchmarks/ct_heights.py [--spacing 3 3 3]``.

Makes phantoms of three bodies of known corners, one of them a wedge, standing straight and tilted
and turned; measures them from their labels and grey values; and prints, for each body, the true
heights between corners beside three ways of measuring: the points of endplate, the extent of the
label along the body's own up axis in its front, middle and back (voxels counted along rays), and
the error of the vertebral kyphosis with its standard error.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from endplate.geometry.spatial import wedge_in_plane
from endplate.imaging.ct.labels import LabelVolume
from endplate.imaging.ct.spine import read_spine
from endplate.imaging.ct.volume import Volume
from tests.infer.ct_phantom import Phantom, PhantomSpine, make_phantom, verse_number

LEVELS = ("T12", "L1", "L2")
POSES = {
    "straight": PhantomSpine(lordosis=10, levels=LEVELS),
    "bent": PhantomSpine(lordosis=12, scoliosis=16, rotation=15, turn=(6, -8, 10), levels=LEVELS),
}
#: Pairs of points in front, in the middle and behind.
PAIRS = ((0, 5), (1, 4), (2, 3))
STEP = 0.25


def between_points(points: np.ndarray) -> np.ndarray:
    """Heights from point to point: in front, in the middle, behind; mm."""
    return np.array([np.linalg.norm(points[a] - points[b]) for a, b in PAIRS])


def counted(labels: Volume, number: int, points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Extent of a label along rays a tenth of the depth inside the walls, and in the middle."""
    upper, lower = points[[0, 2]], points[[5, 3]]
    out = []
    for part in (0.1, 0.5, 0.9):
        top = upper[0] + part * (upper[1] - upper[0])
        foot = lower[0] + part * (lower[1] - lower[0])
        steps = np.arange(-25, 25, STEP)
        ray = (top + foot) / 2 + steps[:, None] * up
        at = np.rint(labels.to_indices(ray)).astype(int)
        inside = labels.voxels[at[:, 2], at[:, 1], at[:, 0]] == number
        out.append(inside.sum() * STEP)
    return np.array(out)


def report(name: str, phantom: Phantom) -> list[float]:
    """Print the bodies of a phantom; errors of the points, mm."""
    numbers = {level: (verse_number(level),) for level in LEVELS}
    spine = read_spine(LabelVolume(phantom.labels, numbers, "verse"), phantom.ct)
    off: list[float] = []
    for level, body in spine.bodies.items():
        truth, axes = phantom.points_mm[level], phantom.axes[level]
        local = (body.points_mm - truth) @ axes.T
        off += list(np.hypot(local[:, 1], local[:, 2]))
        wedge = wedge_in_plane(truth, axes)
        error = wedge_in_plane(body.points_mm, body.frame.axes) - wedge
        heights = [
            between_points(truth),
            between_points(body.points_mm),
            counted(phantom.labels, verse_number(level), truth, axes[2]),
        ]
        shown = "   ".join(" / ".join(f"{h:4.1f}" for h in row) for row in heights)
        print(f"{name:9} {level:4} {shown}   {error:+5.1f}")
    return off


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spacing", type=float, nargs=3, default=(3.0, 3.0, 3.0))
    parser.add_argument("--noise", type=float, default=15.0, help="Hounsfield units")
    options = parser.parse_args()
    print("heights in front / middle / behind, mm: true, points, counted; error of kyphosis, deg")
    off: list[float] = []
    for name, pose in POSES.items():
        off += report(name, make_phantom(pose, tuple(options.spacing), noise=options.noise))
    print(f"points: median error {np.median(off):.2f}, greatest {np.max(off):.2f} mm")


if __name__ == "__main__":
    main()
