"""The HTML report: complete, self-contained, and safe whatever the file says."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from endplate.reports.html import html_report, write_report
from endplate.study.reading import Quality, Reading, Reason

HOSTILE = "<script>alert(1)</script>\"'&amp;$title ${x}\x1b"


class Page(HTMLParser):
    """Counts elements and gathers text; checks that they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in ("href", "srcset")
            assert name != "src" or (value or "").startswith("data:image/png;base64,")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data + " "


def test_the_report_is_complete_and_self_contained(reading: Reading) -> None:
    text = html_report(reading, np.zeros((20, 10, 3), np.uint8), index_level="L1")
    page = Page(text)
    assert page.tags.count("img") == 1
    assert "script" not in page.tags
    assert "link" not in page.tags
    for part in (
        "Vertebral kyphosis",
        "14.2°",
        "12.4 to 16.1°",
        "Flagged",
        "The level names may be off.",
        "heights in mm (detector)",
        "endplate-lateral 0.1.0 (abababababab)",
        "Not a medical device",
        "All measures (4)",
        "undefined",
    ):
        assert part in page.text, part
    assert not re.search(r"(https?:)?//[a-z]", text), "nothing is fetched from elsewhere"


def test_a_rejected_reading_shows_no_numbers(reading: Reading) -> None:
    page = Page(html_report(replace(reading, quality=Quality("rejected"))))
    assert "Rejected: not for use" in page.text
    assert "14.2" not in page.text
    assert "img" not in page.tags


def test_hostile_texts_are_escaped(reading: Reading) -> None:
    hostile = replace(
        reading,
        id=HOSTILE,
        created=HOSTILE,
        reader=replace(reading.reader, name=HOSTILE, version=HOSTILE),
        source=replace(
            reading.source,
            path=HOSTILE,
            patient_id=HOSTILE,
            modality=HOSTILE,
            position=HOSTILE,
            study_date=HOSTILE,
        ),
        quality=Quality("flagged", (Reason(HOSTILE, HOSTILE),)),
        measurements=tuple(
            replace(m, name=HOSTILE, between=(HOSTILE,), unit=HOSTILE, flags=(HOSTILE,))
            for m in reading.measurements
        ),
    )
    text = html_report(hostile)
    page = Page(text)
    assert "script" not in page.tags
    assert "<script" not in text.lower()
    assert "\x1b" not in text
    assert page.text.count("<script>alert(1)</script>") >= 10, "shown as text"
    assert "$title ${x}" in page.text, "what is filled in is not a template again"


def test_identity_is_shown_only_if_the_reading_has_it(reading: Reading) -> None:
    assert "P-1" in html_report(reading)
    source = replace(reading.source, patient_id="")
    assert "Patient" not in html_report(replace(reading, source=source))


def test_written_in_utf8(tmp_path: Path, reading: Reading) -> None:
    path = tmp_path / "report.html"
    write_report(path, reading)
    assert "14.2°" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("index", ["L1", "C7", None])
def test_any_index_level_will_do(reading: Reading, index: str | None) -> None:
    Page(html_report(replace(reading, measurements=()), index_level=index))
    Page(html_report(replace(reading, vertebrae=()), index_level=index))
