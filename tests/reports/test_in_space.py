"""What only a CT tells: the table of bodies in space, the coronal picture, how it was made."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from endplate.geometry.measurement import Measurement
from endplate.reports.html import html_report
from endplate.reports.in_space import acquisition_text, space_rows
from endplate.reports.table import reading_table
from endplate.study.reading import Acquisition, Reading


@pytest.fixture
def of_ct(reading: Reading) -> Reading:
    def measured(name: str, value: float, half: float = float("nan")) -> Measurement:
        pair = ("sup(L1)", "inf(L1)")
        return Measurement(
            name, "L1", pair, value, "deg", half / 1.645, (value - half, value + half)
        )

    space = (
        measured("own_plane_kyphosis_deg", 14.2, 1.5),
        measured("projection_effect_deg", -0.8),
        measured("coronal_tilt_deg", -6.1),
        measured("sagittal_tilt_deg", 3.0, 0.8),
    )
    made = Acquisition(1.0, 0.8, "B60s")
    source = replace(reading.source, modality="CT", position="prone", acquisition=made)
    return replace(reading, source=source, measurements=(*reading.measurements, *space))


def test_rows(of_ct: Reading, reading: Reading) -> None:
    assert space_rows(of_ct) == (("L1", "14.2° ± 1.5°", "", "−0.8°", "−6.1°", "3.0° ± 0.8°", ""),)
    assert space_rows(reading) == ()


def test_how_it_was_made(of_ct: Reading, reading: Reading) -> None:
    assert acquisition_text(of_ct) == "prone, slices 1 mm thick, every 0.8 mm, kernel B60s"
    assert acquisition_text(reading) == ""
    bare = replace(of_ct.source, acquisition=Acquisition(), position=None)
    assert acquisition_text(replace(of_ct, source=bare)) == "position not recorded"


def test_the_terminal_shows_it(of_ct: Reading, reading: Reading) -> None:
    console = Console(width=120, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(reading_table(of_ct))
    text = capture.get()
    assert "coronal tilt" in text
    assert "−6.1°" in text
    assert "CT: prone, slices 1 mm thick" in text
    with console.capture() as capture:
        console.print(reading_table(reading))
    assert "In space" not in capture.get()


def test_the_page_shows_it_with_the_coronal_picture(of_ct: Reading, reading: Reading) -> None:
    coronal = np.zeros((20, 10, 3), np.uint8)
    page = html_report(of_ct, coronal=coronal)
    assert "<h2>In space</h2>" in page
    assert "3.0° ± 0.8°" in page
    assert page.count("data:image/png;base64,") == 1
    assert "kernel B60s" in page
    assert "<h2>In space</h2>" not in html_report(reading)
