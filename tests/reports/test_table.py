"""The tables on the terminal."""

from dataclasses import replace

from rich.console import Console

from endplate.geometry.calibration import UNCALIBRATED
from endplate.reports.table import reading_table
from endplate.study.reading import Quality, Reading, Reason


def shown(reading: Reading, index: str | None = None) -> list[str]:
    console = Console(width=120, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(reading_table(reading, index))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_tables(reading: Reading) -> None:
    lines = shown(reading, "L1")
    assert lines[0] == "folder/film.dcm  flagged"
    assert lines[1] == "  The level names may be off. (level_uncertain)"
    text = "\n".join(lines)
    assert "L1 (index level, as given)" in text
    (row,) = [line for line in lines if line.startswith("Vertebral kyphosis")]
    assert row.split() == [
        "Vertebral",
        "kyphosis",
        "sup(L1)",
        "–",
        "inf(L1)",
        "14.2°",
        "12.4",
        "to",
        "16.1°",
    ]
    (row,) = [line for line in lines if line.startswith("T11 ")]
    assert row.split() == ["T11", "0.97"]
    assert "height in mm (detector)" in text
    assert lines[-1].startswith(("Calibration: 0.3 mm per pixel", "about", "unknown", "magnif"))


def test_without_calibration_there_are_no_millimetres(reading: Reading) -> None:
    assert "18.5" in "\n".join(shown(reading))
    text = "\n".join(shown(replace(reading, calibration=UNCALIBRATED)))
    assert "18.5" not in text
    assert "no spacing: no millimetres" in text


def test_a_rejected_reading_shows_its_reasons_only(reading: Reading) -> None:
    quality = Quality("rejected", (Reason("not_lateral", "This is a frontal film."),))
    assert shown(replace(reading, quality=quality)) == [
        "folder/film.dcm  rejected",
        "  This is a frontal film. (not_lateral)",
    ]


def test_hostile_names_cannot_style_the_terminal(reading: Reading) -> None:
    source = replace(reading.source, path="[red]\x1b[2Jx[/red]\r\n.dcm")
    assert shown(replace(reading, source=source))[0].startswith(
        "[red]\ufffd[2Jx[/red]\ufffd\ufffd.dcm"
    )


def test_a_reading_of_nothing(reading: Reading) -> None:
    empty = replace(reading, vertebrae=(), measurements=())
    assert shown(empty)[0] == "folder/film.dcm  flagged"
