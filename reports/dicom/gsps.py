"""A reading as a grayscale softcopy presentation state: lines and texts over the film itself.

The film is shown as its own header says; the state adds a layer with the bodies, one with the
names of the levels, one with the main angles of the index level and one with its numbers.
"""

import math
from functools import cache
from typing import Final

import highdicom as hd
import numpy as np
from highdicom import pr
from pydicom.dataset import Dataset

from endplate import __version__
from endplate.errors import InputError
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import CORNERS, POINTS
from endplate.geometry.measurement import Measurement
from endplate.reports.dicom import gsps_items
from endplate.reports.dicom.charset import UTF_8
from endplate.reports.dicom.codes import LINES, UNITS
from endplate.reports.dicom.encode import keep_sequence
from endplate.reports.dicom.film import Film
from endplate.reports.dicom.gsps_lines import LineCutter
from endplate.reports.dicom.gsps_text import TextPlacer
from endplate.reports.dicom.shell import NOBODY, Shell
from endplate.reports.dicom.sr import MANUFACTURER
from endplate.reports.dicom.uids import UidMaker
from endplate.reports.dicom.when import when_read
from endplate.reports.words import choose_index, find, headlines, label
from endplate.study.reading import Reading

__all__ = ["build_gsps"]

_SERIES_NUMBER: Final = 9102
#: Short name of the angles that are drawn, and whether behind the spine.
_ANGLES: Final = {
    "regional_kyphosis_deg": ("RK", True),
    "vertebral_kyphosis_deg": ("VK", False),
}
#: Layer, what it holds, colour as red, green, blue from 0 to 255.
_LAYERS: Final = (
    ("BODIES", "Vertebral bodies", (90, 200, 250)),
    ("LEVELS", "Names of the levels", (255, 255, 255)),
    ("ANGLES", "Angles of the index level", (255, 200, 60)),
    ("NUMBERS", "Main measurements", (255, 255, 255)),
)
#: Measures that are written on the film; the report has all.
_SHOWN: Final = (
    *("vertebral_kyphosis_deg", "regional_kyphosis_deg", "loss_ant_pct", "max_height_loss_pct"),
    *("Ha_Hp", "thoracolumbar_T10_L2_deg", "lordosis_L1_S1_deg"),
)
_WORDS: Final = {"deg": " deg", "mm": " mm", "ratio": "", "%": " %", "grade": "", "mm2": " mm2"}
_DIGITS: Final = {"deg": 1, "mm": 1, "ratio": 2, "%": 0, "grade": 0, "mm2": 0}


def build_gsps(
    reading: Reading, film: Film, uids: UidMaker, index_level: str | None = None
) -> Dataset:
    """The presentation state of a reading.

    Parameters
    ----------
    film : Film
        The film that was read; a grey one.
    uids : UidMaker
        Makes the identifiers of the new objects.
    index_level : str, optional
        The injured level; by default as `choose_index` decides.

    Raises
    ------
    InputError
        If the film is in colour, or the reading has nothing to draw.
    """
    if film.header.SamplesPerPixel != 1:
        raise InputError(f"{film.name}: is in colour; a presentation state needs a grey film")
    if not reading.vertebrae:
        raise InputError(f"{film.name}: the reading has no vertebrae that could be drawn")
    header = film.header
    created = when_read(reading, header)
    series = uids.make("series of the presentation state")
    state = _shell().around(header, series, uids.make("presentation state"), created)
    state.PresentationCreationDate = created.day
    state.PresentationCreationTime = created.time
    state.SpecificCharacterSet = list(film.character_set)
    state.BodyPartExamined = film.body_part
    state.PresentationLUTShape = "INVERSE" if _inverted(film) else "IDENTITY"
    _add_grey_scale(state, header)
    x, y = reading.calibration.scale_xy
    aspect = (round(10000 * y / x), 10000) if abs(x / y - 1) > 1e-3 else (1, 1)
    area = gsps_items.displayed_area(header.Columns, header.Rows, aspect)
    keep_sequence(state, "DisplayedAreaSelectionSequence", [area])
    keep_sequence(state, "ReferencedSeriesSequence", [gsps_items.referred_series(header)])
    annotations = _annotations(reading, film, index_level)
    keep_sequence(state, "GraphicAnnotationSequence", annotations)
    return state


#: What is the same in no two states, besides what a shell leaves out anyhow.
_OWN: Final = (
    *("PresentationCreationDate", "PresentationCreationTime", "SpecificCharacterSet"),
    *("PresentationLUTShape", "DisplayedAreaSelectionSequence", "ReferencedSeriesSequence"),
)


@cache
def _shell() -> Shell:
    """What all states share."""
    layers = [
        pr.GraphicLayer(name, i + 1, words, hd.color.CIELabColor.from_rgb(*colour))
        for i, (name, words, colour) in enumerate(_LAYERS)
    ]
    made = pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[NOBODY],
        series_instance_uid="1.2.3",
        series_number=_SERIES_NUMBER,
        sop_instance_uid="1.2.3",
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="endplate",
        software_versions=__version__,
        device_serial_number="0",
        content_label="ENDPLATE",
        content_description="Vertebral bodies and angles",
        series_description="endplate lines and angles",
        specific_character_set=UTF_8[0],
        graphic_layers=layers,
    )
    return Shell(made, _OWN)


def _add_grey_scale(state: Dataset, header: Dataset) -> None:
    """What turns stored values into shown ones, as the film's own header says."""
    for keyword in ("RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence"):
        if keyword in header:
            setattr(state, keyword, header[keyword].value)
    shown = Dataset()
    for keyword in ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"):
        if keyword in header:
            setattr(shown, keyword, header[keyword].value)
    if len(shown):
        state.SoftcopyVOILUTSequence = [shown]


def _inverted(film: Film) -> bool:
    """Whether low values of the film are to be shown bright."""
    header = film.header
    interpretation, shape = str(header.PhotometricInterpretation), str(header.PresentationLUTShape)
    return interpretation == "MONOCHROME1" or shape == "INVERSE"


def _annotations(reading: Reading, film: Film, index_level: str | None) -> list[bytes]:
    index = choose_index(reading, index_level)
    level = None if index is None else index.level
    size = int(film.header.Columns), int(film.header.Rows)
    placer, cutter = TextPlacer(*size), LineCutter(*size)
    angles = [_angle(reading, name, level, placer, cutter) for name in _ANGLES]
    lines = [line for drawn in angles for line in drawn[0]]
    contents: tuple[tuple[list[bytes], list[bytes]], ...] = (
        ([o for v in reading.vertebrae for o in _body(v, cutter)], []),
        ([], [t for v in reading.vertebrae for t in _name(v, level, placer)]),
        (lines, [text for drawn in angles for text in drawn[1]]),
        ([], [_numbers(reading, level, placer)]),
    )
    return [
        gsps_items.annotation(film.header, layer, objects, texts)
        for (layer, _, _), (objects, texts) in zip(_LAYERS, contents, strict=True)
        if objects or texts
    ]


def _drawn(points: FloatArray, cutter: LineCutter) -> list[bytes]:
    """A line as far as it lies on the film."""
    return [gsps_items.polyline(part) for part in cutter.polylines(points)]


def _body(vertebra: Vertebra, cutter: LineCutter) -> list[bytes]:
    """Outline through the points that were seen, closed where all corners were."""
    points = np.array([vertebra.point(name) for name in POINTS if vertebra.has(name)])
    if vertebra.has(*CORNERS):
        points = np.vstack([points, points[:1]])
    return _drawn(points, cutter)


def _name(vertebra: Vertebra, index: str | None, placer: TextPlacer) -> list[bytes]:
    """The level's name behind the body, the index level in angle brackets."""
    back, front = _sides(vertebra)
    if back is None or front is None:
        return []
    words = f"<{vertebra.level}>" if vertebra.level == index else vertebra.level
    away = back - front
    return [placer.beside(words, back + away * 0.35, bool(away[0] > 0))]


def _sides(vertebra: Vertebra) -> tuple[FloatArray | None, FloatArray | None]:
    """Middle of what was seen of the posterior and of the anterior wall."""
    out = []
    for rows in ([2, 3], [0, 5]):
        seen = vertebra.points[rows]
        seen = seen[np.isfinite(seen[:, 0])]
        out.append(seen.mean(axis=0) if len(seen) else None)
    return out[0], out[1]


def _angle(
    reading: Reading, name: str, level: str | None, placer: TextPlacer, cutter: LineCutter
) -> tuple[list[bytes], list[bytes]]:
    """The two lines of an angle drawn out to one side, and its value where there is room: before
    the spine between their ends, behind it at the end of the lower one.
    """
    short, behind = _ANGLES[name]
    measurement = find(reading.measurements, name, level)
    if measurement is None:
        return [], []
    bodies = {v.level: v for v in reading.vertebrae}
    objects: list[bytes] = []
    starts, tips = [], []
    for landmark in measurement.between:
        line, _, of_level = landmark.rstrip(")").partition("(")
        body = bodies.get(of_level)
        if line not in LINES or body is None:
            return [], []
        start, end = (body.point(p) for p in LINES[line][0])  # posterior, anterior
        if behind:
            start, end = end, start
        tip = end + (end - start) * (0.9 if behind else 0.5)
        if not np.isfinite(tip).all():
            return [], []
        objects += _drawn(np.array([start, tip]), cutter)
        starts.append(start)
        tips.append(tip)
    middle: FloatArray = np.mean(tips, axis=0)
    rightwards = bool(middle[0] > np.mean(starts, axis=0)[0])
    at: FloatArray = tips[1] if behind else middle
    sideways = 0.5 * placer.line if rightwards else -0.5 * placer.line
    at = at + np.array([sideways, placer.line if behind else 0.0])
    return objects, [placer.beside(f"{short} {_value(measurement)}", at, rightwards)]


def _value(measurement: Measurement) -> str:
    """Value with half its 90 % interval in plain letters, which every viewer has."""
    digits, unit = _DIGITS[measurement.unit], _WORDS[measurement.unit]
    low, high = measurement.interval90
    error = ""
    if measurement.unit != "grade" and math.isfinite(high - low):
        error = f" +/- {(high - low) / 2:.{digits}f}"
    return f"{measurement.value + 0.0:.{digits}f}{error}{unit}"


def _numbers(reading: Reading, level: str | None, placer: TextPlacer) -> bytes:
    """The main measures as lines of text in an upper corner, on the emptier side of the film."""
    lines = [f"endplate {__version__}, {reading.quality.status}, for research use"]
    if level is not None:
        lines.append(f"Index level {level}")
    shown = [m for m in headlines(reading, level) if m.name in _SHOWN and m.unit in UNITS]
    lines += [f"{label(m)}: {_value(m)}" for m in shown]
    lines = [words.encode("ascii", "replace").decode("ascii") for words in lines]
    spine = np.nanmean([v.centre[0] for v in reading.vertebrae])
    return placer.corner(lines, right=bool(spine <= placer.columns / 2))
