"""The calibration decision: which spacing of a header to believe, and what to call it.

The order of trust: a ruler or ball measured by the user or recorded as FIDUCIAL; a GEOMETRY
correction; the detector's spacing divided by a known magnification; the detector's spacing as
it is; a spacing of unrecorded origin; nothing. `docs/calibration.md` explains each step.
"""

import math
from dataclasses import dataclass
from typing import Final

from endplate.errors import InputError
from endplate.geometry.calibration import UNCALIBRATED, Calibration

__all__ = [
    "MAX_FILM_MM",
    "MAX_SPACING_MM",
    "MIN_FILM_MM",
    "MIN_SPACING_MM",
    "Pair",
    "SpacingTags",
    "calibrate",
    "check_user_spacing",
]

Pair = tuple[float, float]

#: Pixels of radiographs measure 0.05 to 0.4 mm; reduced copies up to a few mm.
MIN_SPACING_MM: Final = 0.01
MAX_SPACING_MM: Final = 5.0
#: No side of a film is shorter or longer than this, collimated or stitched.
MIN_FILM_MM: Final = 20.0
MAX_FILM_MM: Final = 2500.0
#: Pixels may be oblong, but not more than this.
_MAX_ASPECT: Final = 5.0
#: A magnification beyond this does not occur between a spine and its detector.
_MAX_MAGNIFICATION: Final = 2.0
#: Two spacings closer than this are the same one, rounded differently.
_SAME: Final = 0.005


@dataclass(frozen=True, slots=True)
class SpacingTags:
    """What a header says that bears on spacing; pairs are (row, column) in mm.

    None stands for absent or unreadable; NaN, zero and absurd values are passed as found.

    Parameters
    ----------
    rows, columns : int
        Size of the image, 0 if unknown: a spacing that makes the film impossibly small or
        large is refused.
    pixel_spacing : pair or None
        PixelSpacing (0028,0030).
    calibration_type : str
        PixelSpacingCalibrationType (0028,0A02): ``FIDUCIAL``, ``GEOMETRY`` or ``""``.
    imager_spacing : pair or None
        ImagerPixelSpacing (0018,1164), in the plane of the detector.
    scanned_spacing : pair or None
        NominalScannedPixelSpacing (0018,2010), in the plane of a digitised film.
    magnification : float or None
        EstimatedRadiographicMagnificationFactor (0018,1114).
    source_to_detector, source_to_patient : float or None
        Distances (0018,1110) and (0018,1111) in mm.
    aspect_ratio : pair or None
        PixelAspectRatio (0028,0034): vertical and horizontal size.
    """

    rows: int = 0
    columns: int = 0
    pixel_spacing: Pair | None = None
    calibration_type: str = ""
    imager_spacing: Pair | None = None
    scanned_spacing: Pair | None = None
    magnification: float | None = None
    source_to_detector: float | None = None
    source_to_patient: float | None = None
    aspect_ratio: Pair | None = None


def check_user_spacing(spacing_mm: Pair) -> Calibration:
    """Calibration of a spacing that the user gives.

    Raises
    ------
    InputError
        If it is not two finite numbers from `MIN_SPACING_MM` to `MAX_SPACING_MM`.
    """
    try:
        row, column = (float(v) for v in spacing_mm)
    except (TypeError, ValueError):
        row = column = math.nan
    if not _plausible((row, column)):
        raise InputError(
            f"the pixel spacing given, {spacing_mm!r}, cannot be one: expected the mm between"
            f" rows and between columns, each from {MIN_SPACING_MM:g} to {MAX_SPACING_MM:g}"
        )
    return Calibration((row, column), "user")


def calibrate(tags: SpacingTags, user: Pair | None = None) -> tuple[Calibration, tuple[str, ...]]:
    """Decide the calibration of an image.

    Parameters
    ----------
    tags : SpacingTags
        What the header says.
    user : (row, column) or None
        Spacing in the plane of the spine that the user measured; it wins over every tag.

    Returns
    -------
    calibration : Calibration
        With its source; without spacing it carries the aspect of the pixels.
    notes : tuple of str
        What was refused or is doubtful.

    Raises
    ------
    InputError
        If the user's spacing is absurd. Absurd tags are refused with a note instead.
    """
    if user is not None:
        return check_user_spacing(user), ()
    notes: list[str] = []
    pixel = _accept(tags, tags.pixel_spacing, "PixelSpacing", notes)
    imager = _accept(tags, tags.imager_spacing, "ImagerPixelSpacing", notes)
    scanned = _accept(tags, tags.scanned_spacing, "NominalScannedPixelSpacing", notes)
    plane = imager or scanned
    kind = tags.calibration_type.strip().upper()

    if pixel and kind == "FIDUCIAL":
        return Calibration(pixel, "fiducial"), tuple(notes)
    if pixel and kind == "GEOMETRY" and not (plane and _same(pixel, plane)):
        ratio = plane[1] / pixel[1] if plane else None
        return Calibration(pixel, "geometry", ratio), tuple(notes)
    if imager:
        factor = _magnification(tags, notes)
        if factor is not None:
            spacing = (imager[0] / factor, imager[1] / factor)
            return Calibration(spacing, "magnification", factor), tuple(notes)
    if plane and (pixel is None or _same(pixel, plane)):
        return Calibration(plane, "detector"), tuple(notes)
    if pixel:
        if plane:
            notes.append(
                "PixelSpacing differs from the detector's spacing, but the header does not say"
                " how it was calibrated"
            )
        return Calibration(pixel, "unknown"), tuple(notes)
    return _without_spacing(tags, notes), tuple(notes)


def _plausible(pair: Pair) -> bool:
    """Whether two numbers can be a spacing."""
    return all(math.isfinite(v) and MIN_SPACING_MM <= v <= MAX_SPACING_MM for v in pair) and (
        1 / _MAX_ASPECT <= pair[0] / pair[1] <= _MAX_ASPECT
    )


def _accept(tags: SpacingTags, pair: Pair | None, name: str, notes: list[str]) -> Pair | None:
    """Give back a spacing that can be true, or None and a note why not."""
    if pair is None:
        return None
    shown = f"{name} {pair[0]:g} x {pair[1]:g} mm"
    if not _plausible(pair):
        notes.append(f"{shown} cannot be a pixel spacing and is ignored")
        return None
    if tags.rows and tags.columns:
        height, width = tags.rows * pair[0], tags.columns * pair[1]
        if min(height, width) < MIN_FILM_MM or max(height, width) > MAX_FILM_MM:
            notes.append(
                f"{shown} would make a film of {width:.0f} x {height:.0f} mm and is ignored"
            )
            return None
    return pair


def _same(one: Pair, other: Pair) -> bool:
    """Whether two spacings are equal but for rounding."""
    return all(abs(a - b) <= _SAME * b for a, b in zip(one, other, strict=True))


def _magnification(tags: SpacingTags, notes: list[str]) -> float | None:
    """Magnification of the spine on the detector, None if the header does not tell it.

    EstimatedRadiographicMagnificationFactor, else source-detector over source-patient distance.
    A factor of exactly 1 is what devices write that do not estimate it.
    """
    factor = tags.magnification
    if factor is not None and factor != 1.0:
        if math.isfinite(factor) and 1.0 < factor <= _MAX_MAGNIFICATION:
            return factor
        notes.append(
            f"EstimatedRadiographicMagnificationFactor {factor:g} cannot be true and is ignored"
        )
    detector, patient = tags.source_to_detector, tags.source_to_patient
    if not detector or not patient:
        return None
    ratio = detector / patient
    if math.isfinite(ratio) and 1.0 < ratio <= _MAX_MAGNIFICATION:
        notes.append(
            f"magnification {ratio:.3f} is from the distances source-detector and source-patient;"
            " the latter often means the table or the skin, so lengths may be off by 5 %"
        )
        return ratio
    if ratio != 1.0:
        notes.append(
            f"the distances source-detector {detector:g} mm and source-patient {patient:g} mm"
            " do not give a possible magnification and are ignored"
        )
    return None


def _without_spacing(tags: SpacingTags, notes: list[str]) -> Calibration:
    """Calibration by the aspect of the pixels alone, so that angles hold."""
    refused = [
        p for p in (tags.pixel_spacing, tags.imager_spacing, tags.scanned_spacing) if p is not None
    ]
    # A spacing in the wrong unit still tells the shape of the pixel.
    for pair in [tags.aspect_ratio, *refused]:
        if pair is None:
            continue
        row, column = pair
        if all(math.isfinite(v) and v > 0 for v in pair):
            aspect = row / column
            if 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
                if aspect != 1.0:
                    notes.append(f"pixels are {aspect:g} times as high as wide, without a spacing")
                return Calibration(None, "none", aspect=aspect)
        if pair is tags.aspect_ratio:
            notes.append(
                f"PixelAspectRatio {row:g}\\{column:g} cannot be true and is ignored:"
                " pixels are taken as square"
            )
    return UNCALIBRATED
