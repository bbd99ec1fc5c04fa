"""What only a CT tells, in words: how bodies stand in space, and how the CT was made."""

from typing import Final

from endplate.reports.words import find, plus_minus, value_text
from endplate.study.reading import Reading

__all__ = ["SPACE_COLUMNS", "SPACE_NOTE", "acquisition_text", "space_rows"]

#: Columns of a table of bodies in space: head, measure.
SPACE_COLUMNS: Final = (
    ("VK, own plane", "own_plane_kyphosis_deg"),
    ("projected", "projected_kyphosis_deg"),
    ("difference", "projection_effect_deg"),
    ("coronal tilt", "coronal_tilt_deg"),
    ("sagittal tilt", "sagittal_tilt_deg"),
    ("rotation", "axial_rotation_deg"),
)
SPACE_NOTE: Final = (
    "projected: on a plain lateral film; tilts positive to the patient's left and to the front,"
    " rotation where the front turns to the left; ± half the 90 % interval"
)


def space_rows(reading: Reading) -> tuple[tuple[str, ...], ...]:
    """Level and a cell for each of `SPACE_COLUMNS`; none for a reading without such measures."""
    rows = []
    for vertebra in reading.vertebrae:
        found = [find(reading.measurements, name, vertebra.level) for _, name in SPACE_COLUMNS]
        if any(found):
            cells = [
                "" if m is None else " ".join(filter(None, (value_text(m), plus_minus(m))))
                for m in found
            ]
            rows.append((vertebra.level, *cells))
    return tuple(rows)


def acquisition_text(reading: Reading) -> str:
    """How a CT was made: position, slices and kernel; empty for a film."""
    made = reading.source.acquisition
    if made is None:
        return ""
    parts = [reading.source.position or "position not recorded"]
    if made.slice_thickness_mm is not None:
        parts.append(f"slices {made.slice_thickness_mm:g} mm thick")
    if made.slice_spacing_mm is not None:
        parts.append(f"every {made.slice_spacing_mm:.3g} mm")
    if made.kernel:
        parts.append(f"kernel {made.kernel}")
    return ", ".join(parts)
