"""Pages to leaf through what a batch read: pictures, verdicts, counts. No patient's name."""

from collections import Counter
from collections.abc import Callable, Iterator
from html import escape
from string import Template
from typing import Any, Final

from endplate.geometry.catalogue import CATALOGUE
from endplate.imaging.scan_entry import FAULT_CODES
from endplate.infer.batch.settle import OUTCOMES, Verdict, Verdicts
from endplate.infer.batch.sink import Sink
from endplate.infer.batch.task import FAILURES, result_name
from endplate.reports.page import PAGE_STYLE
from endplate.reports.words import DISCLAIMER, printable

__all__ = ["Summary"]

_SHOWN: Final = ("measured", "other", "rejected")
_FILMS_ON_A_PAGE: Final = 60
_STYLE: Final = """
.films { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 14px; }
.tile { background: #fff; border: 1px solid var(--rule); border-radius: 10px; overflow: hidden;
  border-top: 5px solid #009e73; font-size: 13px; break-inside: avoid; }
.tile.flag { border-top-color: #e0c800; } .tile.no { border-top-color: #d55e00; }
.tile a.pic { display: block; background: #12161c; height: 220px; text-align: center; }
.tile img { max-width: 100%; height: 220px; object-fit: contain; }
.tile div { padding: 8px 12px 10px; overflow-wrap: anywhere; }
.tile small { color: var(--soft); display: block; } .tile b { font-size: 14px; }
nav { display: flex; gap: 10px; flex-wrap: wrap; margin: 16px 0; font-size: 14px; }
nav strong { padding: 0 3px; }
"""
_PAGE: Final = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Batch: $title</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>$style</style></head><body><main>
<header><h1>Batch: $title</h1><span class="made">page $page of $pages</span></header>
$counts
$nav
<section class="films">
$films
</section>
$nav
<footer>$disclaimer</footer>
</main></body></html>
"""
)


class Summary:
    """The summary pages of a batch.

    Parameters
    ----------
    name_of : callable
        What a file is called on the page.
    counts, codes : Counter
        Files by outcome, and files left out by code.
    """

    def __init__(
        self, name_of: Callable[[Verdict], str], counts: Counter[str], codes: Counter[str]
    ) -> None:
        self.name_of, self.counts, self.codes = name_of, counts, codes
        shown = sum(counts[name] for name in _SHOWN)
        self.pages = max(1, -(-shown // _FILMS_ON_A_PAGE))

    def write(self, verdicts: Verdicts, sink: Sink) -> str:
        """Write all pages; where the first one is."""
        for page, tiles in enumerate(self._tiles(verdicts), 1):
            text = _PAGE.substitute(
                title=f"{sum(self.counts.values())} files",
                style=PAGE_STYLE + _STYLE,
                page=page,
                pages=self.pages,
                counts=self._counts() if page == 1 else "",
                nav=self._nav(page),
                films="\n".join(tiles),
                disclaimer=escape(DISCLAIMER),
            )
            sink.write(_page_name(page), text.encode())
        return sink.where(_page_name(1))

    def _tiles(self, verdicts: Verdicts) -> Iterator[list[str]]:
        """Tiles of each page; at least one page."""
        tiles: list[str] = []
        some = False
        for verdict in verdicts:
            if verdict.outcome in _SHOWN:
                tiles.append(self._tile(verdict))
            if len(tiles) == _FILMS_ON_A_PAGE:
                some = True
                yield tiles
                tiles = []
        if tiles or not some:
            yield tiles

    def _tile(self, verdict: Verdict) -> str:
        film = verdict.line.film or {}
        number = verdict.line.number
        rejected = verdict.outcome == "rejected"
        names = [("readings", ".json", "reading")]
        if not rejected and film.get("overlay"):
            names.insert(0, ("overlays", ".jpg", "picture"))
        links = [
            f'<a href="{result_name(kind, number, end)}">{word}</a>' for kind, end, word in names
        ]
        thumb = result_name("thumbs", number, ".jpg")
        target = result_name(names[0][0], number, names[0][1])
        colour = "no" if rejected else "flag" if film["status"] == "flagged" else ""
        return (
            f'<article class="tile {colour}"><a class="pic" href="{target}">'
            f'<img loading="lazy" alt="film {number}" src="{thumb}">'
            f"</a><div><b>{number}</b> {_text(self.name_of(verdict))}"
            f"<small>{_text(_finding(film))}</small>"
            f"<small>{_text(_reasons(verdict, film))}</small>{' '.join(links)}</div></article>"
        )

    def _counts(self) -> str:
        """The two tables of counts."""
        outcomes = "".join(
            f"<tr><td>{name}<small>{meaning}</small></td>"
            f'<td class="n">{self.counts[name]}</td></tr>'
            for name, meaning in OUTCOMES.items()
            if self.counts[name]
        )
        codes = "".join(
            f"<tr><td>{_text(code)}<small>{_text(_meaning(code))}</small></td>"
            f'<td class="n">{count}</td></tr>'
            for code, count in sorted(self.codes.items(), key=lambda item: (-item[1], item[0]))
        )
        left_out = f"<h2>Not measured, by reason</h2><table>{codes}</table>"
        return (
            f'<div class="two"><section class="card"><h2>Files</h2><table>{outcomes}</table>'
            f'<p><a href="films.csv">films</a> <a href="measurements.csv">measurements</a>'
            f' <a href="rejects.csv">rejects</a> <a href="manifest.json">manifest</a></p></section>'
            f'<section class="card">{left_out}</section></div>'
        )

    def _nav(self, page: int) -> str:
        """Links to other pages: the neighbours, the ends, and round numbers between."""
        if self.pages == 1:
            return ""
        near = set(range(page - 3, page + 4)) | {1, self.pages}
        near |= set(range(0, self.pages + 1, max(1, self.pages // 10)))
        links = [
            f"<strong>{p}</strong>" if p == page else f'<a href="{_page_name(p)}">{p}</a>'
            for p in sorted(near)
            if 1 <= p <= self.pages
        ]
        return f"<nav>{' '.join(links)}</nav>"


def _page_name(page: int) -> str:
    return "summary.html" if page == 1 else f"summary-{page:04d}.html"


def _text(value: str) -> str:
    return escape(printable(value), quote=True)


def _finding(film: dict[str, Any]) -> str:
    """Levels and main measures of a film."""
    parts = []
    if film["levels"]:
        parts.append(f"{film['levels'][0]} to {film['levels'][-1]}")
    for name, (value, unit) in film["headlines"].items():
        mark = "°" if unit == "deg" else f" {unit}"
        parts.append(f"{CATALOGUE[name].label} {film['index_level']}: {value:g}{mark}")
    return "; ".join(parts)


def _reasons(verdict: Verdict, film: dict[str, Any]) -> str:
    """What a person should know of the film."""
    sentences = [message for _, message in film["reasons"]]
    if verdict.outcome == "other":
        sentences.insert(0, verdict.sentence)
    return " ".join(sentences)


def _meaning(code: str) -> str:
    """What a code says, where it is one of endplate's own and not of the rules."""
    return {**FAULT_CODES, **FAILURES}.get(code, "")
