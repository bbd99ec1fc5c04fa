"""The report of one reading as a single HTML file that can be kept, mailed and printed."""

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from endplate.geometry.measurement import Measurement
from endplate.reports.canvas import Picture
from endplate.reports.in_space import SPACE_COLUMNS, SPACE_NOTE, acquisition_text, space_rows
from endplate.reports.overlay import encode_png
from endplate.reports.page import PAGE
from endplate.reports.words import (
    DISCLAIMER,
    STAR_NOTE,
    IndexChoice,
    calibration_text,
    choose_index,
    headlines,
    interval_text,
    label,
    length_unit,
    level_cells,
    level_columns,
    pair_text,
    printable,
    reader_text,
    value_text,
)
from endplate.study.reading import Reading

__all__ = ["html_report", "write_report"]

_STATUS_WORDS: Final = {
    "accepted": "Accepted by the quality gate",
    "flagged": "Flagged: look at the reasons before use",
    "rejected": "Rejected: not for use",
}


def html_report(
    reading: Reading,
    picture: Picture | None = None,
    *,
    index_level: str | None = None,
    coronal: Picture | None = None,
) -> str:
    """The text of the report.

    Parameters
    ----------
    reading : Reading
        Of a rejected one no numbers are shown.
    picture : (H, W, 3) uint8 array, optional
        The overlay, best without its panel: the page has the numbers itself.
    index_level : str, optional
        The injured level; by default as `choose_index` decides.
    coronal : (H, W, 3) uint8 array, optional
        Of a CT: the spine from the front, with the line that the slab follows.
    """
    usable = reading.quality.status != "rejected"
    index = choose_index(reading, index_level) if usable else None
    return PAGE.substitute(
        title=_text(reading.source.path or "film"),
        created=_text(reading.created),
        status=_status(reading),
        film=_film(picture),
        headline=_headline(reading, index) if usable else "",
        facts=_facts(reading),
        levels=_levels(reading, index) + _space(reading, coronal)
        if usable and reading.vertebrae
        else "",
        all=_all_measures(reading.measurements) if usable and reading.measurements else "",
        disclaimer=_text(DISCLAIMER),
    )


def write_report(
    path: str | Path,
    reading: Reading,
    picture: Picture | None = None,
    *,
    index_level: str | None = None,
    coronal: Picture | None = None,
) -> None:
    """Write `html_report` in UTF-8."""
    text = html_report(reading, picture, index_level=index_level, coronal=coronal)
    Path(path).write_text(text, encoding="utf-8")


def _text(value: str) -> str:
    """Text from outside, safe between tags and in attributes, without control characters."""
    return escape(printable(value), quote=True)


def _status(reading: Reading) -> str:
    status = reading.quality.status
    reasons = "".join(
        f"<li>{_text(r.message)} <code>{_text(r.code)}</code></li>" for r in reading.quality.reasons
    )
    listed = f"<ul>{reasons}</ul>" if reasons else ""
    return f'<div class="status {status}"><strong>{_STATUS_WORDS[status]}</strong>{listed}</div>'


def _film(picture: Picture | None) -> str:
    if picture is None:
        return "<div></div>"
    alt = "The film with corners, endplates, level names and angles drawn on it"
    return f'<div class="card film">{_image(picture, alt)}</div>'


def _image(picture: Picture, alt: str) -> str:
    data = base64.b64encode(encode_png(picture)).decode("ascii")
    return f'<img alt="{alt}" src="data:image/png;base64,{data}">'


def _space(reading: Reading, coronal: Picture | None) -> str:
    """Of a CT, how each body stands in space."""
    rows = space_rows(reading)
    if not rows:
        return ""
    heads = "".join(f'<th class="n">{head}</th>' for head, _ in SPACE_COLUMNS)
    lines = "".join(
        f"<tr><td><strong>{level}</strong></td>"
        + "".join(f'<td class="n">{_text(cell)}</td>' for cell in cells)
        + "</tr>"
        for level, *cells in rows
    )
    alt = "The spine from the front, with the line that the sagittal slab follows"
    return (
        '<section class="card wide"><h2>In space</h2><table>'
        f'<tr><th>Level</th>{heads}</tr>{lines}</table><p class="why">{SPACE_NOTE}</p>'
        + ("" if coronal is None else _image(coronal, alt))
        + "</section>"
    )


def _headline(reading: Reading, index: IndexChoice | None) -> str:
    measures = headlines(reading, None if index is None else index.level)
    if not measures:
        return ""
    head = "<h2>Main measures</h2>"
    if index is not None:
        head = f'<div class="index">{index.level}</div><div class="why">{_text(index.why)}</div>'
    rows = "".join(
        f"<tr><td>{_text(label(m))}<small>{_text(_note(m))}</small></td>"
        f'<td class="n value">{_text(value_text(m))}</td>'
        f'<td class="n">{_text(interval_text(m))}</td></tr>'
        for m in measures
    )
    columns = '<tr><th>Measure</th><th class="n">Value</th><th class="n">90 % interval</th></tr>'
    return f'<section class="card">{head}<table>{columns}{rows}</table></section>'


def _note(measurement: Measurement) -> str:
    return "; ".join([pair_text(measurement), *(f.replace("_", " ") for f in measurement.flags)])


def _levels(reading: Reading, index: IndexChoice | None) -> str:
    columns = level_columns(reading.calibration)
    heads = "".join(f'<th class="n">{head}</th>' for head, _ in columns)
    rows = []
    for vertebra in reading.vertebrae:
        cells = level_cells(reading, vertebra.level, columns)
        marks = [word for word in ("hardware", "cement") if getattr(vertebra, word)]
        chosen = ' class="chosen"' if index is not None and vertebra.level == index.level else ""
        rows.append(
            f"<tr{chosen}><td><strong>{vertebra.level}</strong> {' '.join(marks)}</td>"
            f'<td class="n">{_probability(vertebra.level_probability)}</td>'
            + "".join(f'<td class="n">{_text(cell)}</td>' for cell in cells)
            + "</tr>"
        )
    notes = [STAR_NOTE] if any("*" in row for row in rows) else []
    if reading.calibration.is_metric:
        notes.insert(0, f"Ha, Hm, Hp: heights in {length_unit(reading.calibration)}")
    return (
        '<section class="card wide"><h2>Levels</h2><table>'
        f'<tr><th>Level</th><th class="n">P(level)</th>{heads}</tr>{"".join(rows)}</table>'
        + "".join(f'<p class="why">{note}</p>' for note in notes)
        + "</section>"
    )


def _probability(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else ""


def _all_measures(measurements: Sequence[Measurement]) -> str:
    rows = "".join(
        f"<tr><td>{_text(m.level)}</td><td>{_text(label(m))}<small>{_text(m.name)}</small></td>"
        f'<td>{_text(pair_text(m))}</td><td class="n value">{_text(value_text(m))}</td>'
        f'<td class="n">{_text(interval_text(m))}</td>'
        f"<td>{_text(', '.join(m.flags).replace('_', ' '))}</td></tr>"
        for m in measurements
    )
    return (
        '<details class="card"><summary>All measures '
        f"({len(measurements)})</summary><table><tr><th>Level</th><th>Measure</th>"
        '<th>Between</th><th class="n">Value</th><th class="n">90 % interval</th><th>Notes</th>'
        f"</tr>{rows}</table></details>"
    )


def _facts(reading: Reading) -> str:
    source = reading.source
    seen = [source.view, f"facing {source.facing}" if source.facing else "", source.position or ""]
    facts = {
        "Patient": source.patient_id,
        "Study date": source.study_date,
        "Film": f"{source.columns} x {source.rows} pixels {source.modality}",
        "View": ", ".join(part for part in seen if part),
        "CT": acquisition_text(reading),
        "Calibration": calibration_text(reading.calibration),
        "Read by": reader_text(reading),
        "File, SHA-256": source.sha256[:16],
        "Reading": reading.id,
    }
    return (
        f'<section class="card"><h2>Film and reader</h2><dl>{_terms(facts.items())}</dl></section>'
    )


def _terms(facts: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<dt>{name}</dt><dd>{_text(text)}</dd>" for name, text in facts if text)
