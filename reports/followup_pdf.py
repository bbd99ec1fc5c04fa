"""The follow-up of a subject as a PDF of one A4 page, drawn with Matplotlib (extra ``report``)."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endplate.reports.canvas import Picture
from endplate.reports.followup_curves import curve_axes, followup_curves
from endplate.reports.followup_dictionary import word
from endplate.reports.followup_html import visit_caption
from endplate.reports.followup_rows import angle_rows, height_rows, notes
from endplate.reports.followup_words import index_text, sentences
from endplate.reports.words import printable
from endplate.study.followup import FollowUp
from endplate.study.optional import optional

__all__ = ["write_followup_pdf"]

_INK = "#1d232b"
_SOFT = "#5c6672"


def write_followup_pdf(
    path: str | Path, result: FollowUp, strips: Sequence[Picture] = (), language: str = "en"
) -> None:
    """Write the page.

    Raises
    ------
    MissingDependency
        Without Matplotlib.
    UnknownName
        For an unknown language.
    """
    figures = optional("matplotlib.figure", "report", "a PDF report")
    optional("matplotlib.backends.backend_pdf", "report", "a PDF report")
    page = figures.Figure(figsize=(8.27, 11.69))
    title = printable(f"{word('title', language)} {result.subject}")
    page.text(0.06, 0.965, title, fontsize=15, fontweight="bold", color=_INK, va="top")
    y = _words(page, result, language, 0.938)
    if strips:
        y = _films(page, result, strips, language, y)
    y = _curves(page, result, language, y)
    y = _table(page, angle_rows(result, language, last_only=True), word("changes", language), y)
    y = _table(page, height_rows(result, language, last_only=True), "", y)
    _notes(page, notes(result, language), word("notes", language), y)
    page.text(0.06, 0.022, word("disclaimer", language), fontsize=6, color=_SOFT)
    page.savefig(path, format="pdf", metadata={"Title": title, "CreationDate": None})


def _words(page: Any, result: FollowUp, language: str, y: float) -> float:
    facts = f"{index_text(result, language)}; {word(f'estimate_{result.estimate}', language)}"
    if result.operation is not None:
        colon = " :" if language == "fr" else ":"
        facts = f"{word('operation', language)}{colon} {result.operation.isoformat()}; {facts}"
    page.text(0.06, y, printable(facts), fontsize=7, color=_SOFT, va="top")
    y -= 0.019
    # A number is not to be parted from its sign.
    said = " ".join(sentences(result, language)).replace(" %", "\u00a0%").replace(" :", "\u00a0:")
    for line in textwrap.wrap(said, 112):
        page.text(0.06, y, line, fontsize=8.5, color=_INK, va="top")
        y -= 0.0148
    return y - 0.004


def _films(
    page: Any, result: FollowUp, strips: Sequence[Picture], language: str, y: float
) -> float:
    n = len(strips)
    width = min(0.88 / n - 0.008, 0.17)
    # Strips keep their shape; the page is taller than wide.
    height: float = width * max(p.shape[0] / p.shape[1] for p in strips) * 8.27 / 11.69
    for i, (visit, picture) in enumerate(zip(result.visits, strips, strict=True)):
        axes = page.add_axes((0.06 + i * (width + 0.008), y - height, width, height))
        axes.imshow(picture[:, :, ::-1], aspect="auto", interpolation="lanczos")
        axes.set_axis_off()
        caption = visit_caption(visit, language).replace(", ", "\n", 1)
        axes.text(
            0.0, -0.015, caption, fontsize=5.5, color=_SOFT, va="top", transform=axes.transAxes
        )
    return y - height - 0.034


def _curves(page: Any, result: FollowUp, language: str, y: float) -> float:
    curves = followup_curves(result, language) if result.visits else ()
    if not curves:
        return y
    height, width = 0.125, 0.395
    for i, curve in enumerate(curves):
        row, column = divmod(i, 2)
        bottom = y - 0.018 - height - row * (height + 0.042)
        curve_axes(curve, page.add_axes((0.085 + column * 0.465, bottom, width, height)))
    rows = (len(curves) + 1) // 2
    return y - rows * (height + 0.042) - 0.006


def _table(page: Any, content: tuple[list[str], list[list[str]]], title: str, y: float) -> float:
    head, rows = content
    if not rows:
        return y
    if title:
        page.text(0.06, y, title, fontsize=8, fontweight="bold", color=_INK, va="top")
        y -= 0.014
    first, second = 0.2, 0.07
    rest = (0.88 - first - second) / (len(head) - 2)
    xs = [
        0.06,
        0.06 + first,
        *(0.06 + first + second + rest * (k + 1) for k in range(len(head) - 2)),
    ]
    for r, row in enumerate([head, *rows]):
        for k, cell in enumerate(row):
            page.text(
                xs[k],
                y,
                cell,
                fontsize=5.8,
                color=_SOFT if r == 0 else _INK,
                ha="left" if k < 2 else "right",
                va="top",
            )
        y -= 0.0098
    return y - 0.006


def _notes(page: Any, lines: Sequence[str], title: str, y: float) -> None:
    if not lines:
        return
    page.text(0.06, y, title, fontsize=8, fontweight="bold", color=_INK, va="top")
    y -= 0.014
    for line in lines:
        for part in textwrap.wrap(printable(line), 165):
            if y < 0.035:
                return
            page.text(0.06, y, part, fontsize=5.8, color=_SOFT, va="top")
            y -= 0.0095
