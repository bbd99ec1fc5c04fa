"""The follow-up of a subject as one page."""

import base64
from collections.abc import Sequence

import cv2

from endplate.reports.canvas import Picture
from endplate.reports.followup_curves import curve_svg, followup_curves
from endplate.reports.followup_dictionary import time_point, word
from endplate.reports.followup_rows import angle_rows, height_rows, notes, value_rows
from endplate.reports.followup_words import index_text, sentences
from endplate.reports.page_plain import safe, section, table, whole_page
from endplate.study.followup import FollowUp, VisitResult

__all__ = ["followup_page", "visit_caption"]


def followup_page(result: FollowUp, strips: Sequence[Picture] = (), language: str = "en") -> str:
    """The text of the page.

    Parameters
    ----------
    strips : sequence of Picture
        Of `film_strips`, one a visit; none: without films.
    language : str
        ``en`` or ``fr``.

    Raises
    ------
    UnknownName
        For another language.
    """
    title = f"{word('title', language)} {result.subject}"
    said = "".join(f'<p class="say">{safe(s)}</p>' for s in sentences(result, language))
    parts = [section(word("in_words", language), said + _facts(result, language))]
    if strips:
        parts.append(section(word("films", language), _films(result, strips, language)))
    curves = followup_curves(result, language) if result.visits else ()
    if curves:
        drawn = "".join(f"<div>{curve_svg(c)}</div>" for c in curves)
        why = f'<p class="why">{safe(word("bands", language))}</p>'
        parts.append(section(word("curves", language), f'<div class="grid">{drawn}</div>{why}'))
    for heading, (head, rows), texts in (
        ("changes", angle_rows(result, language), 2),
        ("height_changes", height_rows(result, language), 2),
        ("measures", value_rows(result, language), 1),
    ):
        if rows:
            parts.append(section(word(heading, language), table(head, rows, texts)))
    said_notes = notes(result, language)
    if said_notes:
        listed = "".join(f"<li>{safe(n)}</li>" for n in said_notes)
        parts.append(section(word("notes", language), f'<ul class="flags">{listed}</ul>'))
    if result.left_out:
        listed = "".join(f"<li>{safe(r.source.path)}: {safe(w)}</li>" for r, w in result.left_out)
        parts.append(section(word("left_out", language), f'<ul class="flags">{listed}</ul>'))
    readers = [v.visit.reading.reader for v in result.visits]
    made = "".join(dict.fromkeys(f"; {r.name} {r.version}".rstrip() for r in readers))
    footer = word("disclaimer", language)
    return whole_page(title, "".join(parts), made=made, language=language, footer=footer)


def visit_caption(visit: VisitResult, language: str) -> str:
    """Time point, date, position and modality."""
    parts = [time_point(visit.visit.name, language)]
    if visit.visit.taken is not None:
        parts.append(visit.visit.taken.isoformat())
    source = visit.visit.reading.source
    if source.position:
        parts.append(word(source.position, language))
    if source.modality == "CT":
        parts.append("CT")
    return ", ".join(parts)


def _facts(result: FollowUp, language: str) -> str:
    colon = " :" if language == "fr" else ":"
    parts = [index_text(result, language), word(f"estimate_{result.estimate}", language)]
    if result.operation is not None:
        parts.insert(0, f"{word('operation', language)}{colon} {result.operation.isoformat()}")
    return f'<p class="why">{safe("; ".join(parts))}</p>'


def _films(result: FollowUp, strips: Sequence[Picture], language: str) -> str:
    figures = []
    for visit, picture in zip(result.visits, strips, strict=True):
        # A fifth of the size of a PNG, and nothing is measured on the page.
        _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
        data = base64.b64encode(code.tobytes()).decode("ascii")
        caption = safe(visit_caption(visit, language))
        figures.append(
            f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    why = f'<p class="why">{safe(word("same_scale", language))}</p>'
    return f'<div class="films">{"".join(figures)}</div>{why}'
