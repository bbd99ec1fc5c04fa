"""What the detector sees of one column at several scales and both ways round, averaged.

A body that only one of the looks misses is found, one that only one of them sees is not: on the
annotated films half of the bodies found where there is none go, and fewer are missed.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from endplate.geometry.landmarks import FloatArray
from endplate.infer.session import Network
from endplate.models.decode import STRIDE
from endplate.models.frames import UNIT
from endplate.models.resample import ImagePyramid, detector_input

__all__ = ["averaged_maps"]

MapArray = npt.NDArray[np.float32]

_SCALES: Final = (1.0, 0.87, 1.15)
"""Film pixels to one of the window, against those of the window that is given."""
_OFFSETS: Final = slice(2, 14)
_BACK_TO_FRONT: Final = [2, 1, 0, 5, 4, 3]
_LEAST, _LEAST_WEIGHT = 1e-5, 1e-6
"""Least probability of an average, and least weight of a look."""


def averaged_maps(
    film: ImagePyramid,
    network: Network,
    window: tuple[FloatArray, tuple[int, int]],
    second: Network | None = None,
) -> MapArray:
    """Mean of the detector's maps of six looks, on the grid of `window`.

    Parameters
    ----------
    window : ((2, 3) array, (rows, columns))
        Affine map from window to film, and the size of the window.
    second : Network or None
        A detector of another training, which takes one look of each scale: by turns the
        mirrored and the straight one.

    Returns
    -------
    (2 + 12 + levels, rows / 4, columns / 4) float32 array
        The mean of the two probabilities, as log odds; offsets in the unit of the detector, in
        pixels of `window`, and level logits, averaged with the squares of the greater probability.
    """
    turns = (network, second or network), (second or network, network)
    looks = [
        look for n, scale in enumerate(_SCALES) for look in _pair(film, turns[n % 2], window, scale)
    ]
    shares = np.stack([1.0 / (1.0 + np.exp(-look[:2])) for look in looks])
    weights = shares.max(axis=1) ** 2 + _LEAST_WEIGHT
    weights /= weights.sum(axis=0)
    _face_alike(looks, weights)
    mean: MapArray = np.einsum("nhw,nchw->chw", weights, np.stack(looks)).astype(np.float32)
    share = np.clip(shares.mean(axis=0), _LEAST, 1 - _LEAST)
    mean[:2] = np.log(share / (1 - share))
    return mean


def _face_alike(looks: list[MapArray], weights: npt.NDArray[np.float32]) -> None:
    """Swap front and back where a look sees a body face against most of the others.

    Their mean would be a body without depth.
    """
    offsets = [look[_OFFSETS].reshape(6, 2, *look.shape[1:]) for look in looks]
    forward = np.stack([o[0, 0] - o[2, 0] + o[5, 0] - o[3, 0] for o in offsets])
    against = forward * (weights * forward).sum(axis=0) < 0
    for own, swap in zip(offsets, against, strict=True):
        own[:] = np.where(swap, own[_BACK_TO_FRONT], own)


def _pair(
    film: ImagePyramid,
    networks: tuple[Network, Network],
    window: tuple[FloatArray, tuple[int, int]],
    scale: float,
) -> list[MapArray]:
    """Maps of the window seen at another scale, both ways round, back on the window's own grid.

    The first of the networks sees it as it is, the second mirrored.
    """
    other = window if scale == 1.0 else _rescaled(window, scale)
    image = detector_input(film.warp(*other))
    straight = networks[0].run(image[None])[0][0]
    mirrored = networks[1].run(np.ascontiguousarray(image[..., ::-1])[None])[0][0][..., ::-1].copy()
    mirrored[_OFFSETS][::2] *= -1
    if scale == 1.0:
        return [straight, mirrored]
    return [_on_grid(maps, other[0], window, scale) for maps in (straight, mirrored)]


def _rescaled(
    window: tuple[FloatArray, tuple[int, int]], scale: float
) -> tuple[FloatArray, tuple[int, int]]:
    """Window about the same middle, not smaller, whose pixels are `scale` times as large."""
    to_film, size = window
    wide = np.array([size[1], size[0]])
    new = (np.ceil(wide / scale / UNIT) * UNIT).astype(int)
    linear = to_film[:, :2] * scale
    middle = to_film[:, :2] @ ((wide - 1) / 2) + to_film[:, 2]
    return np.column_stack([linear, middle - linear @ ((new - 1) / 2)]), (int(new[1]), int(new[0]))


def _on_grid(
    maps: MapArray,
    from_film: FloatArray,
    window: tuple[FloatArray, tuple[int, int]],
    scale: float,
) -> MapArray:
    """Maps of another window, sampled at the cells of `window`."""
    to_film, (rows, columns) = window
    cells = np.mgrid[: columns // STRIDE, : rows // STRIDE].T.astype(np.float64)
    middle = (STRIDE - 1) / 2
    places = (cells * STRIDE + middle) @ to_film[:, :2].T + to_film[:, 2]
    there = (places - from_film[:, 2]) @ np.linalg.inv(from_film[:, :2]).T
    x, y = np.moveaxis(((there - middle) / STRIDE).astype(np.float32), 2, 0)
    out: MapArray = np.stack(
        [
            cv2.remap(np.ascontiguousarray(m), x, y, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
            for m in maps
        ]
    )
    out[_OFFSETS] *= scale
    return out
