"""Films of a follow-up at the same scale, from films of different magnification."""

from datetime import date

import numpy as np
import pytest

from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.reports.followup_curves import curve_svg, followup_curves
from endplate.reports.followup_films import _PIXELS, _TALL, film_strips
from endplate.study.followup import follow_subject
from endplate.study.pairing import SubjectFilms, Visit
from endplate.study.reading import Quality, Reader, Reading, Source


def _reading(name, zoom, calibration=UNCALIBRATED):
    """Three square bodies 40 * zoom deep; a bright patch fills the middle one."""
    bodies, image = [], np.zeros((round(300 * zoom), round(200 * zoom)), np.uint8)
    for i, level in enumerate(("T12", "L1", "L2")):
        top, bottom = (50 + 60 * i) * zoom, (90 + 60 * i) * zoom
        points = [[120 * zoom, top], [100 * zoom, top], [80 * zoom, top]]
        points += [[80 * zoom, bottom], [100 * zoom, bottom], [120 * zoom, bottom]]
        bodies.append(Vertebra(level, np.array(points), np.eye(12) * zoom**2))
    image[round(110 * zoom) : round(150 * zoom), round(80 * zoom) : round(120 * zoom)] = 255
    rows, columns = image.shape
    source = Source(name, name, rows, columns, patient_id="P", facing="right")
    reading = Reading(
        name,
        "2026-01-01T00:00:00+00:00",
        Reader("person", "a"),
        source,
        calibration,
        Quality("accepted"),
        tuple(bodies),
        measure(bodies, calibration),
    )
    return reading, image


@pytest.fixture
def followed():
    films = [
        _reading("a", 1.0),
        _reading("b", 1.7),
        _reading("c", 2.0, Calibration((0.5,) * 2, "user")),
    ]
    names = ("pre", "post", "12 months")
    visits = tuple(
        Visit(n, f[0], date(2024, 1, 1 + k), 365 * (k - 1))
        for k, (n, f) in enumerate(zip(names, films, strict=True))
    )
    result = follow_subject(SubjectFilms("P", date(2024, 1, 2), visits), "L1")
    return result, {f[0].id: f[1] for f in films}


def test_strips_have_one_scale(followed):
    result, images = followed
    strips = film_strips(result, images)
    depth = _PIXELS / _TALL
    assert len({s.shape for s in strips}) == 1
    # The patch is one depth high; marks on its edges widen it alike on all films.
    heights = [int((s[:, s.shape[1] // 2].mean(axis=1) > 60).sum()) for s in strips]
    assert max(heights) - min(heights) <= 4
    assert heights[0] == pytest.approx(depth, rel=0.4)
    centre = _PIXELS // 2
    assert strips[0][centre - 30 : centre + 30].mean() > 40


def test_a_film_that_is_missing_is_drawn_without_ground(followed):
    result, images = followed
    images.pop("b")
    strips = film_strips(result, images)
    assert strips[1].mean() < strips[0].mean()
    assert strips[1].max() > 100


def test_curves_have_bands_and_thresholds(followed):
    result, _ = followed
    curves = followup_curves(result, "fr")
    assert [c.title for c in curves][:2] == ["Cyphose vertébrale", "Cyphose régionale"]
    assert [t for t, _ in curves[0].thresholds] == pytest.approx([5.0, 10.0], abs=1e-6)
    drawing = curve_svg(curves[0])
    assert drawing.count("<circle") == 3
    assert "<polygon" in drawing
    assert "avant" in drawing
    assert len(curves[-1].lines) == 3
