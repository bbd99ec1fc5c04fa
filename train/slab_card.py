"""What the calibration of slabs rests on, as Markdown for the model card and docs/ct.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from endplate.errors import InputError
from endplate.infer.pipeline import SLAB_CALIBRATION
from endplate.models.slab_calibration import SlabCalibration

__all__ = ["fill_between", "slab_markdown", "write_slabs"]

START: Final = "<!-- slabs -->\n"
END: Final = "<!-- end of slabs -->\n"

_LEAD: Final = (
    "The same networks read curved sagittal slabs of CT (docs/ct.md), in a calibration of their"
    " own,\n`slab_calibration.json`: `python -m endplate.train.calibrate_slabs --cts cts.json`.\n\n"
)

_MEASURES: Final = (
    ("points", "points"),
    ("vertebral_kyphosis_deg", "vertebral kyphosis"),
    ("Ha_mm", "Ha"),
    ("Hm_mm", "Hm"),
    ("Hp_mm", "Hp"),
)


def slab_markdown(calibration: SlabCalibration) -> str:
    """Tables of what was read, of the scales, and of how far they hold.

    Parameters
    ----------
    calibration : SlabCalibration
        With the provenance that ``endplate.train.calibrate_slabs`` writes.
    """
    told = calibration.provenance
    seeds = told["seeds"]
    lines = [
        f"Fitted on {told['fitted_on']} (seeds {seeds[0]} to {seeds[1]}). The scales are factors on"
        " the films' error model; of several CTs the greatest are used.",
        "",
        "| CT | variants; voxels, mm | bodies found; named right | point error, median; 95th"
        " percentile | scale of points, angles, heights; trust of names |",
        "|---|---|---|---|---|",
    ]
    for name, own in told["cts"].items():
        scales = calibration.scales[name]
        voxels = own["voxels_mm"]
        lines.append(
            f"| {name} | {own['variants']}; {voxels[0]:g} to {voxels[-1]:g} | {own['found']} of"
            f" {own['bodies']}; {own['named_right']} | {own['point_median_mm']:.2f};"
            f" {own['point_p95_mm']:.1f} mm | {scales.points:.2f}, {scales.angles:.2f},"
            f" {scales.heights:.2f}; {scales.names:.2f} |"
        )
    heads = [head for _, head in _MEASURES]
    lines += [
        "",
        f"| share inside 90 % | {' | '.join(heads)} |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for title, key in (
        ("with the scales of the other CT", "scales_of_the_other_cts_hold"),
        ("with the scales used", "scales_used_hold"),
        ("with the films' model as it is", "films_model_holds"),
    ):
        lines += [f"| {name}, {title} | {_held(row)} |" for name, row in told[key].items()]
    counts = {name: row["points"]["n"] for name, row in told["scales_used_hold"].items()}
    bodies = ", ".join(
        f"{name} {n} points, {told['scales_used_hold'][name]['Hp_mm']['n']} heights of each kind"
        for name, n in counts.items()
    )
    lines += ["", f"n: {bodies}."]
    return "\n".join(lines) + "\n"


def fill_between(path: Path, text: str) -> None:
    """Put a text between the two marks of a file.

    Raises
    ------
    InputError
        If the file has not both marks.
    """
    whole = path.read_text()
    if START not in whole or END not in whole:
        raise InputError(f"{path}: expected the marks {START.strip()} and {END.strip()}")
    before, rest = whole.split(START, 1)
    path.write_text(before + START + text + END + rest.split(END, 1)[1])


def _held(row: Mapping[str, Any]) -> str:
    return " | ".join(f"{100 * row[key]['held']:.0f} %" for key, _ in _MEASURES)


def write_slabs(weights: Path) -> None:
    """Put the section on slabs at the end of the model card, or in the place of the last one.

    Parameters
    ----------
    weights : Path
        Folder with ``slab_calibration.json``; without it nothing is written.
    """
    path = weights / SLAB_CALIBRATION
    if not path.is_file():
        return
    calibration = SlabCalibration.from_json(path.read_text(), str(path))
    card = weights / "MODEL_CARD.md"
    text = card.read_text()
    if START not in text:
        card.write_text(text.rstrip() + "\n\n## Slabs of CT\n\n" + _LEAD + START + END)
    fill_between(card, slab_markdown(calibration))
