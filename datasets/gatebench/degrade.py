"""Real and simulated laterals made worse in known ways, each with the reason that is due."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from endplate.datasets.film import AnnotatedFilm, GreyImage
from endplate.datasets.gatebench.phantoms import FloatImage, stored
from endplate.geometry.landmarks import FloatArray

__all__ = ["DAMAGES", "Damage", "column_cut_off"]


@dataclass(frozen=True)
class Damage:
    """One way in which a film is made worse.

    Parameters
    ----------
    apply : callable
        From a film and a generator to the pixels of the worse film.
    reasons : tuple of str
        Codes of which one at least is right; empty if no flag is called for.
    """

    apply: Callable[[AnnotatedFilm, np.random.Generator], GreyImage]
    reasons: tuple[str, ...] = ()


def _unit(film: AnnotatedFilm) -> FloatImage:
    """Grey values from 0 to 1, between the outermost of the film."""
    image = film.image.astype(np.float32)
    low, high = float(image.min()), float(image.max())
    return (image - low) / max(high - low, 1.0)


def _depth(film: AnnotatedFilm) -> float:
    """Median length of the superior endplates, in pixels."""
    lengths = [float(np.hypot(*(v.points[0] - v.points[2]))) for v in film.vertebrae]
    return float(np.nanmedian(lengths))


def _box(film: AnnotatedFilm) -> tuple[FloatArray, FloatArray]:
    """Least and greatest x, y of all marked points."""
    points = np.concatenate([v.points for v in film.vertebrae])
    return np.nanmin(points, axis=0), np.nanmax(points, axis=0)


def _on_column(film: AnnotatedFilm, image: FloatImage, quantile: float) -> float:
    low, high = (np.clip(v, 0, None).astype(int) for v in _box(film))
    return float(np.quantile(image[low[1] : high[1], low[0] : high[0]], quantile))


def _over(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    """Burnt out: what is darker than half of the column is black."""
    image = _unit(film)
    floor = _on_column(film, image, float(rng.uniform(0.45, 0.6)))
    return stored((image - floor) / max(1 - floor, 0.05))


def _under(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    """Not penetrated: what is brighter than half of the column is white, with mottle."""
    image = _unit(film)
    roof = _on_column(film, image, float(rng.uniform(0.4, 0.55)))
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    return stored(image / max(roof, 0.05) + np.float32(0.03) * grain)


def _noisy(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    image = _unit(film)
    spread = float(image.std())
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    return stored(image + np.float32(rng.uniform(0.7, 1.1) * spread) * grain)


def _blurred(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    """The patient moved, or breathed."""
    sigma = float(rng.uniform(0.05, 0.07)) * _depth(film)
    return stored(np.asarray(cv2.GaussianBlur(_unit(film), (0, 0), sigma), np.float32))


def _pale(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    """Hardly any contrast is left, and is stored in few grey levels."""
    image = _unit(film)
    return stored(0.5 + np.float32(rng.uniform(0.03, 0.05)) * (image - float(image.mean())))


def _few(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    """Cut to two or three neighbouring bodies."""
    bodies = list(film.vertebrae)
    n = min(int(rng.integers(2, 4)), len(bodies))
    first = int(rng.integers(0, len(bodies) - n + 1))
    points = np.concatenate([v.points for v in bodies[first : first + n]])
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    depth = _depth(film)
    margin = depth * np.array([0.9, 0.22])
    return _crop(film, low - margin, high + margin)


def _cut_in_front(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    """The edge of the film runs along the fronts of the bodies, through about half of them."""
    fronts, side = _fronts(film)
    edge = float(np.nanquantile(side * fronts, rng.uniform(0.4, 0.6))) * side
    return _beside(film, edge, -side)


def column_cut_off(film: AnnotatedFilm) -> GreyImage | None:
    """The part of a lateral film in front of the spine; None where it is too narrow."""
    fronts, side = _fronts(film)
    edge = float(np.nanmax(side * fronts)) * side + 0.3 * side * _depth(film)
    image = _beside(film, edge, side)
    return image if min(image.shape) >= _depth(film) else None


def _fronts(film: AnnotatedFilm) -> tuple[FloatArray, int]:
    """x of the front corner of each body that is foremost, and 1 if they face right, else -1."""
    corners = np.array([v.points[[0, 5, 2], 0] for v in film.vertebrae])
    side = 1 if float(np.nanmedian(corners[:, 0] - corners[:, 2])) > 0 else -1
    return side * np.fmax(side * corners[:, 0], side * corners[:, 1]), side


def _beside(film: AnnotatedFilm, edge: float, side: int) -> GreyImage:
    """What lies right (1) or left (-1) of a plumb line."""
    h, w = film.image.shape
    if side > 0:
        return _crop(film, np.array([edge, 0.0]), np.array([w, h], float))
    return _crop(film, np.zeros(2), np.array([edge, h]))


def _crop(film: AnnotatedFilm, low: FloatArray, high: FloatArray) -> GreyImage:
    h, w = film.image.shape
    x0, y0 = np.clip(np.floor(low), 0, [w - 1, h - 1]).astype(int)
    x1, y1 = np.clip(np.ceil(high), 1, [w, h]).astype(int)
    out: GreyImage = np.ascontiguousarray(film.image[y0:y1, x0:x1])  # type: ignore[assignment]
    return out


def _tilted(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    """Turned by 20 to 25 degrees, to either side."""
    h, w = film.image.shape
    angle = float(rng.choice([-1, 1]) * rng.uniform(20, 25))
    c, s = abs(np.cos(np.deg2rad(angle))), abs(np.sin(np.deg2rad(angle)))
    size = (round(w * c + h * s), round(w * s + h * c))
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), angle, 1.0)
    turn[:, 2] += [(size[0] - w) / 2, (size[1] - h) / 2]
    out: GreyImage = cv2.warpAffine(film.image, turn, size)  # type: ignore[assignment]
    return out


def _on_its_side(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    turned = np.rot90(film.image, int(rng.choice([1, 3])))
    out: GreyImage = np.ascontiguousarray(turned)  # type: ignore[assignment]
    return out


def _jpeg(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    quality = int(rng.integers(4, 9))
    _, code = cv2.imencode(".jpg", stored(_unit(film)), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)


def _coarse(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    """Bodies 32 to 48 pixels deep."""
    scale = min(float(rng.uniform(32, 48)) / _depth(film), 1.0)
    size = (round(film.image.shape[1] * scale), round(film.image.shape[0] * scale))
    out: GreyImage = cv2.resize(film.image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return out


def _inverted(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    return stored(1 - _unit(film))


def _mirrored(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    out: GreyImage = np.ascontiguousarray(film.image[:, ::-1])  # type: ignore[assignment]
    return out


def _collimated(film: AnnotatedFilm, rng: np.random.Generator) -> GreyImage:
    """Only a strip about the column was exposed."""
    low, high = _box(film)
    depth = _depth(film)
    h, w = film.image.shape
    margin = depth * np.array([1.3, 1.2])
    x0, y0 = np.clip(low - margin, 0, [w, h]).astype(int)
    x1, y1 = np.clip(high + margin, 0, [w, h]).astype(int)
    out = np.full_like(film.image, film.image.max() if rng.random() < 0.3 else film.image.min())
    out[y0:y1, x0:x1] = film.image[y0:y1, x0:x1]
    return out


#: Ways to make a film worse.
DAMAGES: Final[dict[str, Damage]] = {
    "over-exposed": Damage(_over, ("overexposed",)),
    "under-exposed": Damage(_under, ("underexposed",)),
    "noisy": Damage(_noisy, ("noisy",)),
    "blurred": Damage(_blurred, ("blurred",)),
    "pale, few grey levels": Damage(_pale, ("low_contrast",)),
    "cut to 2 or 3 bodies": Damage(_few, ("few_vertebrae", "cut_by_border")),
    "cut along the bodies": Damage(_cut_in_front, ("cut_by_border",)),
    "turned by 20 to 25 degrees": Damage(_tilted, ("tilted",)),
    "on its side": Damage(_on_its_side, ("image_turned",)),
    "JPEG, strongly compressed": Damage(_jpeg, ("compressed",)),
    "low resolution": Damage(_coarse, ("low_resolution",)),
    "inverted": Damage(_inverted, ("contrast_inverted",)),
    "mirrored": Damage(_mirrored),
    "collimated": Damage(_collimated),
}
