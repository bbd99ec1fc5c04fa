"""The report of a cohort as one page."""

import base64
from collections.abc import Sequence
from pathlib import Path

from endplate.reports.cohort_tables import CohortTable
from endplate.reports.page_plain import safe, section, table, whole_page

__all__ = ["cohort_page"]


def cohort_page(
    title: str,
    findings: Sequence[str],
    figures: Sequence[Path],
    tables: Sequence[CohortTable],
    methods: str,
    notes: Sequence[str],
) -> str:
    """The text of the page; `figures` are PNG files, which it holds in itself."""
    said = "".join(f'<p class="say">{safe(s)}</p>' for s in findings)
    parts = [section("Findings", said)]
    if figures:
        pictures = "".join(_figure(p) for p in figures)
        parts.append(section("Figures", f'<div class="grid figures">{pictures}</div>'))
    for t in tables:
        body = table(list(t.head), [list(r) for r in t.rows], t.texts)
        body += f'<p class="why">{safe(t.note)}</p>' if t.note else ""
        if len(t.rows) > 30:
            body = f"<details><summary>{len(t.rows)} rows</summary>{body}</details>"
        parts.append(section(t.caption, body))
    parts.append(section("Methods, for a paper", f"<p>{safe(methods)}</p>"))
    if notes:
        listed = "".join(f"<li>{safe(n)}</li>" for n in notes)
        parts.append(section("Notes", f'<ul class="flags">{listed}</ul>'))
    return whole_page(title, "".join(parts))


def _figure(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    name = safe(path.stem.replace("-", " ").replace("_", " "))
    return f'<img alt="{name}" style="width:100%" src="data:image/png;base64,{data}">'
