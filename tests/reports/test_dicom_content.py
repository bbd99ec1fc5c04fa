"""Content items of reports against those of highdicom, and lines cut at the edges of a film."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from highdicom import pr, sr
from highdicom.sr import value_types
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.pixels.decoders.rle import _rle_decode_frame

from endplate.geometry.landmarks import Vertebra
from endplate.geometry.levels import CORNERS
from endplate.geometry.measure import measure
from endplate.infer.dicom_results import write_dicom_results
from endplate.reports.dicom import content, gsps_items
from endplate.reports.dicom.codes import STANDARD_CODES, UNITS, Code
from endplate.reports.dicom.gsps_lines import LineCutter
from endplate.reports.dicom.readback import read_sr
from endplate.reports.dicom.rle import encode_rle
from endplate.study.reading import Reading

from ..dicom_samples import complaints, make_film, make_reading

NAME = Code("NAME", "99ENDPLATE", "An odd name")
FILM = ("1.2.840.10008.5.1.4.1.1.1.1.1", "1.2.3.4")


def concept(code: Code) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept(*code)


def encoded(item: Any) -> bytes:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, item, "ISO_IR 192")
    return content.item(out.getvalue())


@pytest.mark.parametrize("text", ["Grüße", "back\\slash", "odd", "x" * 1024])
def test_texts_are_those_of_highdicom(text: str) -> None:
    item = value_types.TextContentItem(concept(NAME), text, relationship_type="CONTAINS")
    assert content.text(content.CONTAINS, NAME, text) == encoded(item)


@pytest.mark.parametrize(
    "value", [0.0, -1.5, 42.9848, 1 / 3, -1 / 3, 1e-7, 123456789.123456789, 1.23456789012e-12]
)
def test_numbers_are_those_of_highdicom(value: float) -> None:
    unit = UNITS["deg"]
    item = value_types.NumContentItem(
        concept(NAME), value, concept(unit), relationship_type="HAS PROPERTIES"
    )
    assert content.number(content.PROPERTY, NAME, value, unit) == encoded(item)


def test_unknown_numbers_codes_and_identifiers_are_those_of_highdicom() -> None:
    number = value_types.NumContentItem(
        concept(NAME), 0.0, concept(UNITS["px"]), concept(STANDARD_CODES["unknown"]), "CONTAINS"
    )
    number.MeasuredValueSequence = []
    assert content.number(content.CONTAINS, NAME, None, UNITS["px"]) == encoded(number)
    value = STANDARD_CODES["vertebra"]
    code = value_types.CodeContentItem(concept(NAME), concept(value), "CONTAINS")
    assert content.code(content.CONTAINS, NAME, value) == encoded(code)
    uid = value_types.UIDRefContentItem(concept(NAME), "1.2.3", "HAS OBS CONTEXT")
    assert content.uid(content.OBSERVED, NAME, "1.2.3") == encoded(uid)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_regions_are_those_of_highdicom(rows: int) -> None:
    points = np.random.default_rng(rows).uniform(-5, 3000, (rows, 2))
    kind = "POINT" if rows == 1 else "POLYLINE"
    region = sr.CoordinatesForMeasurement(kind, points, sr.SourceImageForRegion(*FILM))
    film = content.film_reference(*FILM)
    assert content.region(content.INFERRED, content.SOURCE, kind, points, film) == encoded(region)


def test_observers_are_those_of_highdicom() -> None:
    name = value_types.PnameContentItem(concept(NAME), "Ärztin^A", "HAS OBS CONTEXT")
    assert content.person(content.OBSERVED, NAME, "Ärztin^A") == encoded(name)


@pytest.mark.parametrize("leftmost", [True, False])
def test_lines_and_texts_of_states_are_those_of_highdicom(leftmost: bool) -> None:
    points = np.random.default_rng(1).uniform(0, 3000, (5, 2))
    line = pr.GraphicObject("POLYLINE", points, "PIXEL")
    assert gsps_items.polyline(points) == encoded(line)
    box = np.array([[1.25, 2.0], [30.0, 40.3]])
    words = pr.TextObject(
        "L1 13.0 deg",
        "PIXEL",
        bounding_box=tuple(box.ravel().tolist()),
        text_justification="LEFT" if leftmost else "RIGHT",
    )
    assert gsps_items.text("L1 13.0 deg", box, leftmost) == encoded(words)
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = FILM
    header.StudyInstanceUID = header.SeriesInstanceUID = "1.2.3"
    header.Rows = header.Columns = header.SamplesPerPixel = 3000
    layer = pr.GraphicLayer("LAYER", 1, "A layer")
    both = pr.GraphicAnnotation([header], layer, graphic_objects=[line], text_objects=[words])
    items = [encoded(line)], [encoded(words)]
    assert gsps_items.annotation(header, "LAYER", *items) == encoded(both)


def test_highdicom_takes_the_report_for_one_of_its_own(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.dcm")
    reading = make_reading(film)
    (path,) = write_dicom_results(reading, film, tmp_path, kinds=["sr"], time_point="pre-operative")
    report: Any = sr.srread(path).content
    whole, *outlines = report.get_planar_roi_measurement_groups()
    assert whole.tracking_identifier == "Reading"
    bodies = [v for v in reading.vertebrae if v.has(*CORNERS)]
    assert [g.tracking_identifier for g in outlines] == [v.level for v in bodies]
    for group, vertebra in zip(outlines, bodies, strict=True):
        region = group.roi
        assert region is not None
        np.testing.assert_allclose(region.value[:-1], vertebra.points + 0.5, atol=1e-3)
        assert group.finding_sites[0].value.meaning == f"{vertebra.level} vertebra"
    others = report.get_image_measurement_groups()
    assert len(others) > 2 * len(reading.vertebrae)
    regional = next(g for g in others if g.tracking_identifier == "L1 Regional kyphosis")
    (angle,) = regional.get_measurements()
    assert angle.name == concept(STANDARD_CODES["cobb"])
    assert len(angle.referenced_coordinates) == 2


def test_lines_end_where_the_film_ends() -> None:
    cutter = LineCutter(columns=100, rows=50)
    inside = np.array([[10.0, 10.0], [20.0, 20.0], [30.0, 10.0]])
    (same,) = cutter.polylines(inside)
    np.testing.assert_array_equal(same, inside + 0.5)
    beyond = np.array([[10.0, 10.0], [-30.5, 10.0], [10.0, 20.0]]) - [0.0, 0.5]
    there, back = cutter.polylines(beyond)
    np.testing.assert_allclose(there, [[10.5, 10.0], [0.0, 10.0]])
    np.testing.assert_allclose(back[-1], [10.5, 20.0])
    assert back[0, 0] == 0.0
    assert cutter.polylines(np.array([[-5.0, -5.0], [-5.0, 60.0]])) == []
    (through,) = cutter.polylines(np.array([[-100.0, 24.5], [300.0, 24.5]]))
    np.testing.assert_allclose(through, [[0.0, 25.0], [100.0, 25.0]])


def test_bodies_cut_by_the_edge_of_the_film_are_drawn_as_far_as_it_goes(tmp_path: Path) -> None:
    """The networks put corners of such bodies beyond the edge."""
    film = make_film(tmp_path / "film.dcm")
    whole = make_reading(film)
    up = whole.vertebrae[0].points[:, 1].mean()
    vertebrae = tuple(
        Vertebra(v.level, v.points - [0.0, up], v.covariance) for v in whole.vertebrae
    )
    assert vertebrae[0].points.min() < -5
    reading: Reading = replace(
        whole, vertebrae=vertebrae, measurements=measure(vertebrae, whole.calibration)
    )
    report, state = write_dicom_results(reading, film, tmp_path)
    for path in (report, state):
        assert complaints(path) == []
    drawn = [
        np.reshape(o.GraphicData, (-1, 2))
        for a in dcmread(state).GraphicAnnotationSequence
        for o in a.get("GraphicObjectSequence", ())
    ]
    rows, columns = whole.source.rows, whole.source.columns
    for points in drawn:
        assert (points >= 0).all()
        assert (points <= [columns, rows]).all()
    again = read_sr(report)
    for before, after in zip(reading.vertebrae, again.vertebrae, strict=True):
        np.testing.assert_allclose(after.points, before.points, atol=1e-3)


@pytest.mark.parametrize("seed", range(40))
def test_run_length_encoding_is_decoded_to_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 30, 2)
    picture = rng.integers(0, 2 + seed % 3, (rows, columns, 3)).astype(np.uint8)
    picture = np.repeat(picture, 1 + 97 * (seed % 2), axis=1)
    frame = encode_rle(picture)
    decoded = _rle_decode_frame(frame, int(rows), picture.shape[1], 3, 8)
    planes = np.frombuffer(decoded, np.uint8).reshape(3, *picture.shape[:2])
    np.testing.assert_array_equal(np.moveaxis(planes, 0, 2), picture)
