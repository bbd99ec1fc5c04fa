"""From attenuation to a finished image: scatter, noise, film response, sharpening, borders."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from endplate.datasets.simulator.projection import Map, as_map

__all__ = ["Look", "draw_look", "expose", "finish", "trabecular_texture"]


@dataclass(frozen=True)
class Look:
    """How one film was taken and processed; lengths in mm.

    Parameters
    ----------
    blur : float
        Standard deviation of the focal and detector blur.
    scatter : float
        Scattered over primary radiation behind thick tissue.
    noise : float
        Relative quantum noise behind mean tissue for a pixel of 0.2 mm.
    sharpen, sharpen_width : float
        Strength and width of unsharp masking.
    compress : float
        Share of the large-scale contrast that processing takes away, 0 to 1.
    local : float
        Share of local contrast equalisation, 0 to 1.
    low, high : float
        Percentiles of the image that become black and white.
    gamma : float
        Of the display.
    toe : float
        Strength of the S-shaped film response, 0 to 1.
    anchored : bool
        Whether the window was set so that the spine is well shown.
    grain : float
        Width of the noise grain, mm.
    whole : bool
        Stitched standing film with its grid lines.
    """

    blur: float
    scatter: float
    noise: float
    sharpen: float
    sharpen_width: float
    compress: float
    local: float
    low: float
    high: float
    gamma: float
    toe: float
    anchored: bool
    grain: float
    whole: bool


def draw_look(rng: np.random.Generator, edge_enhanced: float, whole: bool) -> Look:
    """Draw the looks of digitised lumbar films, or of stitched whole-spine films."""
    strong = rng.random() < edge_enhanced
    if whole:
        return Look(
            blur=rng.uniform(0.15, 0.35),
            scatter=rng.uniform(0.5, 1.5),
            noise=rng.uniform(0.004, 0.02),
            sharpen=rng.uniform(0.3, 1.5),
            sharpen_width=rng.uniform(0.6, 6.0),
            compress=rng.uniform(0.3, 0.75),
            local=rng.uniform(0.0, 0.4),
            low=rng.uniform(8.0, 32.0),
            high=rng.uniform(99.0, 99.95),
            gamma=rng.uniform(0.7, 1.1),
            toe=rng.uniform(0.0, 0.4),
            anchored=rng.random() < 0.9,
            grain=rng.uniform(0.0, 0.15),
            whole=True,
        )
    return Look(
        blur=rng.uniform(0.12, 0.4),
        scatter=rng.uniform(0.4, 2.5),
        noise=float(np.exp(rng.uniform(np.log(0.006), np.log(0.07)))),
        sharpen=rng.uniform(2.0, 5.0) if strong else rng.uniform(0.0, 1.2),
        sharpen_width=rng.uniform(2.0, 14.0) if strong else rng.uniform(0.5, 4.0),
        compress=rng.uniform(0.2, 0.7) if rng.random() < 0.35 else 0.0,
        local=rng.uniform(0.4, 1.0) if strong and rng.random() < 0.6 else 0.0,
        low=rng.uniform(0.5, 22.0),
        high=rng.uniform(88.0, 99.9),
        gamma=float(np.exp(rng.normal(0.02, 0.3))),
        toe=rng.uniform(0.0, 1.0),
        anchored=rng.random() < 0.8,
        grain=rng.uniform(0.0, 0.3),
        whole=False,
    )


@lru_cache(maxsize=4)
def _noise_tile(cells: int) -> Map:
    """(1024, 1024) unit noise whose grain spans about `cells` / 4 pixels."""
    rng = np.random.default_rng(20240 + cells)
    noise = rng.standard_normal((1024, 1024)).astype(np.float32)
    if cells > 1:
        noise = as_map(cv2.GaussianBlur(noise, (0, 0), cells / 4, None, 0, cv2.BORDER_REFLECT))
    out: Map = (noise / noise.std()).astype(np.float32)
    return out


def _tiled(rng: np.random.Generator, cells: int, shape: tuple[int, int]) -> Map:
    """Noise of the wanted shape from the tile, shifted at random."""
    tile = _noise_tile(cells)
    r, c = rng.integers(0, 1024, 2)
    tile = np.roll(tile, (int(r), int(c)), (0, 1))
    reps = (-(-shape[0] // 1024), -(-shape[1] // 1024))
    return np.ascontiguousarray(np.tile(tile, reps)[: shape[0], : shape[1]])


def trabecular_texture(rng: np.random.Generator, shape: tuple[int, int], pixel_mm: float) -> Map:
    """Relative variation of spongy bone: fine grain and coarser patches, mean 0."""
    fine = _tiled(rng, max(1, round(4 * 0.45 / pixel_mm)), shape)
    coarse = _tiled(rng, max(2, round(4 * 1.6 / pixel_mm)), shape)
    strength = np.float32(rng.uniform(0.02, 0.07))
    return strength * (fine + coarse)


def expose(total: Map, look: Look, pixel_mm: float, rng: np.random.Generator) -> Map:
    """Logarithm of the dose at the detector, sign turned so that bone is bright."""
    total = as_map(cv2.GaussianBlur(total, (0, 0), max(0.3, look.blur / pixel_mm)))
    primary = cv2.exp(-total)
    rows, columns = total.shape
    step = max(1, round(4.0 / pixel_mm))
    small = cv2.resize(
        primary, (max(1, columns // step), max(1, rows // step)), interpolation=cv2.INTER_AREA
    )
    wide = cv2.GaussianBlur(np.minimum(small, np.median(small) * 6), (0, 0), 12.0)
    scatter = cv2.resize(wide, (columns, rows), interpolation=cv2.INTER_LINEAR)
    dose = primary + np.float32(look.scatter * 0.6) * scatter
    reference = float(np.median(dose))
    sigma = look.noise * (0.2 / pixel_mm) ** 0.7
    noise = rng.standard_normal(dose.shape, dtype=np.float32)
    grain = look.grain / pixel_mm
    if grain > 0.35:
        noise = cv2.GaussianBlur(noise, (0, 0), grain)
        # Blurring takes most of the variance; real grain keeps about half the amplitude.
        noise *= np.float32(2.0 * grain)
    dose += noise * (np.float32(sigma * reference**0.5) * cv2.sqrt(dose))
    return as_map(-cv2.log(np.maximum(dose, np.float32(1e-2 * reference))))


def finish(log_dose: Map, look: Look, pixel_mm: float, anchors: npt.NDArray[np.int64]) -> Map:
    """Display values 0 to 1.

    Parameters
    ----------
    log_dose : (rows, columns) array
        Of `expose`.
    look : Look
        Processing.
    pixel_mm : float
        Size of a pixel.
    anchors : (N, 2) array
        Column and row of places, the bodies, that most films show within the window.
    """
    image = log_dose
    if look.compress > 0:
        floor = np.float32(np.quantile(image[::9, ::9], 0.3))
        base = _wide_blur(np.maximum(image, floor), 30.0 / pixel_mm)
        image = image - np.float32(look.compress) * base
    if look.sharpen > 0.05:
        image = image + np.float32(look.sharpen) * (
            image - _wide_blur(image, look.sharpen_width / pixel_mm)
        )
    sample = image[::7, ::7]
    low, high = np.percentile(sample, [look.low, look.high])
    if look.anchored and len(anchors):
        low, high = _anchored(image, anchors, float(low), float(high))
    image = np.clip((image - np.float32(low)) / np.float32(max(high - low, 0.2)), 0, 1)
    if look.toe > 0:
        curve = image * image * (3 - 2 * image)
        image = image + np.float32(look.toe) * (curve - image)
    if look.gamma != 1:
        image = cv2.pow(image, look.gamma)
    if look.local > 0:
        image = _equalised(image, look.local)
    return image


def _anchored(
    image: Map, anchors: npt.NDArray[np.int64], low: float, high: float
) -> tuple[float, float]:
    """Widen the window until most of the bodies lie within it."""
    values = np.array(
        [np.median(image[max(r - 4, 0) : r + 5, max(c - 4, 0) : c + 5]) for c, r in anchors]
    )
    span = max(high - low, 0.2)
    low = min(low, float(np.quantile(values, 0.15)) - 0.2 * span)
    high = max(high, float(np.quantile(values, 0.85)) + 0.15 * span)
    return low, high


def _wide_blur(image: Map, sigma: float) -> Map:
    """Gaussian blur; wide ones are done on a reduced image."""
    step = int(sigma // 3)
    if step < 2:
        return as_map(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.3)))
    rows, columns = image.shape
    small = cv2.resize(image, (columns // step, rows // step), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return as_map(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR))


def _equalised(image: Map, share: float) -> Map:
    clahe = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 6))
    local = clahe.apply((image * 255).astype(np.uint8)).astype(np.float32) / 255
    return as_map(image + np.float32(share) * (local - image))
