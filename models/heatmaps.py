"""From the refiner's heat maps to points with a covariance (NumPy only)."""

from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray

__all__ = ["MARKS", "decode_heatmaps"]

STRIDE: Final = 2
#: What the refiner says of a vertebra besides its points, in the order of its second output.
MARKS: Final = ("cement", "hardware")
#: Half the window, in cells, in which the expected place is taken around the maximum.
RADIUS: Final = 6


def decode_heatmaps(
    logits: npt.NDArray[np.float32],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Expected place and spread of each point.

    Parameters
    ----------
    logits : (N, 6, h, w) float32 array

    Returns
    -------
    points : (N, 6, 2) array
        x, y in pixels of the crop.
    spread : (N, 6, 2, 2) array
        Covariance of the heat map in crop pixels squared: raw, to be calibrated.
    mass : (N, 6) array
        Share of the probability near the maximum; low where two places compete.
    """
    n, k, h, w = logits.shape
    flat = logits.reshape(n * k, h, w).astype(np.float64)
    flat = np.exp(flat - flat.max(axis=(1, 2), keepdims=True))
    flat /= flat.sum(axis=(1, 2), keepdims=True)
    top = flat.reshape(n * k, -1).argmax(axis=1)
    ty, tx = top // w, top % w
    ys, xs = np.arange(h), np.arange(w)
    near_y = np.abs(ys[None] - ty[:, None]) <= RADIUS
    near_x = np.abs(xs[None] - tx[:, None]) <= RADIUS
    near = flat * near_y[:, :, None] * near_x[:, None, :]
    mass = near.sum(axis=(1, 2))
    near /= mass[:, None, None]
    px, py = near.sum(axis=1), near.sum(axis=2)
    mx, my = px @ xs, py @ ys
    dx, dy = xs[None] - mx[:, None], ys[None] - my[:, None]
    xx, yy = (px * dx**2).sum(axis=1), (py * dy**2).sum(axis=1)
    xy = np.einsum("nij,ni,nj->n", near, dy, dx)
    points = np.stack([mx, my], axis=1) * STRIDE + (STRIDE - 1) / 2
    spread = np.stack([xx, xy, xy, yy], axis=1).reshape(-1, 2, 2) * STRIDE**2
    return points.reshape(n, k, 2), spread.reshape(n, k, 2, 2), mass.reshape(n, k)
