"""The frame of pages with several sections: no scripts, nothing from elsewhere."""

from html import escape
from typing import Final

from endplate.reports.page import PAGE_STYLE
from endplate.reports.words import DISCLAIMER, printable

__all__ = ["safe", "section", "table", "whole_page"]

_MORE_STYLE: Final = """
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 14px; }
.grid.figures { grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); }
th.n { white-space: normal; vertical-align: bottom; } td:first-child { min-width: 110px; }
.grid svg { width: 100%; height: auto; }
.films { display: flex; gap: 10px; flex-wrap: nowrap; overflow-x: auto; }
.films figure { margin: 0; flex: 1 1 0; min-width: 120px; }
.films img { width: 100%; height: auto; display: block; border-radius: 6px; }
figcaption { font-size: 13px; color: var(--soft); padding-top: 5px; }
.say { font-size: 17px; line-height: 1.45; margin: 0 0 6px; }
.flags { color: var(--soft); font-size: 13px; margin: 4px 0 0; padding-left: 18px; }
"""


def safe(text: str) -> str:
    """Text from outside, safe between tags and in attributes."""
    return escape(printable(text), quote=True)


def section(title: str, body: str, kind: str = "card wide") -> str:
    """A card with a heading; `body` is HTML."""
    return f'<section class="{kind}"><h2>{safe(title)}</h2>{body}</section>'


def table(head: list[str], rows: list[list[str]], texts: int = 1) -> str:
    """A table of plain texts; the first `texts` columns are words, the others numbers."""
    kinds = ["" if i < texts else ' class="n"' for i in range(len(head))]
    top = "".join(f"<th{k}>{safe(h)}</th>" for k, h in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{k}>{safe(c)}</td>" for k, c in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def whole_page(
    title: str, body: str, *, made: str = "", language: str = "en", footer: str = DISCLAIMER
) -> str:
    """A page; `body` is HTML."""
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{safe(title)} - endplate</title>\n"
        f"<style>{PAGE_STYLE}{_MORE_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<header><h1>{safe(title)}</h1><span class="made">endplate{safe(made)}</span></header>\n'
        f"{body}\n<footer>{safe(footer)}</footer>\n</main>\n</body>\n</html>\n"
    )
