"""From stored DICOM values to grey in which bone is bright.

Everything here is a function of the stored value alone (modality LUT, VOI LUT or window,
polarity, padding), so it is worked out once for each value that occurs and then looked up.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from endplate.imaging.pixels import spread
from endplate.imaging.radiograph import GreyImage

__all__ = ["LookupTable", "ToneTags", "Window", "render"]

FloatArray = npt.NDArray[np.float64]

#: A window that leaves fewer of the pixels than this between black and white is not used.
_MIN_INSIDE: Final = 0.05
_DEPTH: Final = 65536


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A DICOM lookup table: `entries` for the values from `first` upwards, constant beyond."""

    first: int
    entries: FloatArray

    def apply(self, values: FloatArray) -> FloatArray:
        """Look values up, those between entries at the nearest."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        out: FloatArray = self.entries[index.astype(np.int64)]
        return out


@dataclass(frozen=True, slots=True)
class Window:
    """A window with its function: ``LINEAR``, ``LINEAR_EXACT`` or ``SIGMOID``."""

    centre: float
    width: float
    function: str = "LINEAR"

    @property
    def bounds(self) -> tuple[float, float]:
        """Values shown black and white (PS3.3 C.11.2.1.2.1; a sigmoid's 2 and 98 %)."""
        if self.function == "LINEAR":
            middle, half = self.centre - 0.5, (self.width - 1) / 2
        elif self.function == "SIGMOID":
            middle, half = self.centre, self.width
        else:
            middle, half = self.centre, self.width / 2
        return middle - half, middle + half

    @property
    def is_usable(self) -> bool:
        """Whether the numbers can be a window at all."""
        least = 1.0 if self.function == "LINEAR" else 0.0
        return math.isfinite(self.centre) and math.isfinite(self.width) and self.width > least


@dataclass(frozen=True, eq=False)
class ToneTags:
    """What the header says about grey values.

    Parameters
    ----------
    slope, intercept : float
        Rescale, used where there is no `modality_lut`.
    windows : tuple of Window
        In the order of the header; the first usable one is taken.
    padding : (low, high) or None
        Stored values that mean background.
    invert : bool
        Whether low values are bright.
    bits_stored : int
        Images of up to 8 bits without window keep their values.
    """

    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: LookupTable | None = None
    voi_lut: LookupTable | None = None
    windows: tuple[Window, ...] = ()
    padding: tuple[int, int] | None = None
    invert: bool = False
    bits_stored: int = 16


def render(stored: npt.NDArray[np.integer], tags: ToneTags) -> tuple[GreyImage, tuple[str, ...]]:
    """Grey image of stored values.

    Without VOI LUT or sigmoid the map is linear, by a whole factor, and thus exact: differences
    of stored values inside the window keep their ratios.

    Parameters
    ----------
    stored : (rows, columns) integer array
        Stored values, sign and unused bits already handled.
    tags : ToneTags
        What the header says about them.

    Returns
    -------
    image : (rows, columns) uint8 or uint16 array
        uint8 if `bits_stored` is at most 8 and no window changes the values.
    notes : tuple of str
        What was ignored and why.
    """
    notes: list[str] = []
    low, high, padding = _used_range(stored, tags.padding, notes)
    step = 1 if high - low < _DEPTH else math.ceil((high - low + 1) / _DEPTH)
    domain = np.arange(low, high + 1, step, dtype=np.float64)
    sample = stored[::7, ::7].astype(np.float64)
    if padding is not None:
        sample = sample[(sample < padding[0]) | (sample > padding[1])]
    curve = _curve(domain, sample, tags, notes)
    table = curve.max() - curve if tags.invert else curve
    top = 255 if tags.bits_stored <= 8 and curve.max() <= 255 else _DEPTH - 1
    dtype = np.uint8 if top == 255 else np.uint16
    image = _look_up(stored, table.astype(dtype), low, high, step)
    if padding is not None:
        image[(stored >= padding[0]) & (stored <= padding[1])] = 0
    if high == low:
        notes.append("all pixels have the same value")
    return image, tuple(notes)


def _used_range(
    stored: npt.NDArray[np.integer], padding: tuple[int, int] | None, notes: list[str]
) -> tuple[int, int, tuple[int, int] | None]:
    """Least and greatest stored value that is not padding, and the padding if any is there."""
    low, high = int(stored.min()), int(stored.max())
    if padding is None or padding[1] < low or padding[0] > high:
        return low, high, None
    kept = stored[(stored < padding[0]) | (stored > padding[1])]
    if kept.size < 0.02 * stored.size:
        notes.append("the padding value of the header would blank the image and is ignored")
        return low, high, None
    return int(kept.min()), int(kept.max()), padding


def _curve(domain: FloatArray, sample: FloatArray, tags: ToneTags, notes: list[str]) -> FloatArray:
    """Output grey, before inversion, of every stored value of the domain."""
    slope = _slope(tags, notes)
    voi = tags.voi_lut
    window = None if voi is not None else _choose_window(sample, slope, tags, notes)
    if tags.modality_lut is None and voi is None and (window is None or window.function[:1] == "L"):
        return _linear_curve(domain, slope, window, tags)
    values = _modality(domain, slope, tags)
    if voi is not None:
        values = voi.apply(values)
    elif window is not None:
        values = _apply_window(values, window)
    low, high = float(values.min()), float(values.max())
    if high <= low:
        notes.append("the lookup tables of the header would blank the image and are ignored")
        return _linear_curve(domain, slope, None, tags)
    out: FloatArray = np.rint((values - low) * ((_DEPTH - 1) / (high - low)))
    return out


def _slope(tags: ToneTags, notes: list[str]) -> tuple[float, float]:
    """Rescale slope and intercept, (1, 0) if they are impossible."""
    slope, intercept = tags.slope, tags.intercept
    if math.isfinite(slope) and math.isfinite(intercept) and 1e-9 < abs(slope) < 1e9:
        return slope, intercept
    notes.append(f"rescale slope {slope:g} and intercept {intercept:g} are ignored")
    return 1.0, 0.0


def _modality(values: FloatArray, slope: tuple[float, float], tags: ToneTags) -> FloatArray:
    """Stored values to those that windows refer to."""
    if tags.modality_lut is not None:
        return tags.modality_lut.apply(values)
    return values * slope[0] + slope[1]


def _choose_window(
    sample: FloatArray, slope: tuple[float, float], tags: ToneTags, notes: list[str]
) -> Window | None:
    """First window that leaves an image to see."""
    if not tags.windows or sample.size == 0:
        return None
    values = _modality(sample, slope, tags)
    for window in tags.windows:
        if window.is_usable:
            low, high = window.bounds
            if np.count_nonzero((values > low) & (values < high)) >= _MIN_INSIDE * values.size:
                return window
        notes.append(
            f"window centre {window.centre:g}, width {window.width:g} does not fit the pixel"
            " values and is ignored"
        )
    return None


def _linear_curve(
    domain: FloatArray, slope: tuple[float, float], window: Window | None, tags: ToneTags
) -> FloatArray:
    """Clip to the window, shift to 0, multiply by a whole factor."""
    low, high = float(domain[0]), float(domain[-1])
    clipped = False
    if window is not None:
        ends = sorted((b - slope[1]) / slope[0] for b in window.bounds)
        inner = max(low, math.ceil(ends[0])), min(high, math.floor(ends[1]))
        if inner[0] < inner[1]:
            clipped = inner != (low, high)
            low, high = inner
    values = np.clip(domain, low, high)
    if tags.bits_stored <= 8 and not clipped and low >= 0 and high <= 255 and slope[0] > 0:
        return values
    top = 255 if tags.bits_stored <= 8 else _DEPTH - 1
    out = spread(values - low, high - low, top)
    return out if slope[0] > 0 else out.max() - out


def _apply_window(values: FloatArray, window: Window) -> FloatArray:
    """0 to 1 by the window's function."""
    if window.function == "SIGMOID":
        power = np.clip(-4.0 * (values - window.centre) / window.width, -700.0, 700.0)
        out: FloatArray = 1.0 / (1.0 + np.exp(power))
        return out
    low, high = window.bounds
    linear: FloatArray = np.clip((values - low) / (high - low), 0.0, 1.0)
    return linear


def _look_up(
    stored: npt.NDArray[np.integer], table: npt.NDArray[np.generic], low: int, high: int, step: int
) -> GreyImage:
    """Image of the table's entries; values outside the domain take its ends."""
    if stored.dtype == np.uint8 or stored.dtype == np.uint16:
        # Index by the stored value itself: no copy of the image is made.
        full = np.empty(_DEPTH, table.dtype)
        full[:low], full[low : high + 1], full[high + 1 :] = table[0], table, table[-1]
        direct: GreyImage = full[stored]
        return direct
    index = (np.clip(stored, low, high).astype(np.int64) - low) // step
    out: GreyImage = table[index]
    return out
