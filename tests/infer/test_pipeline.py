"""From a radiograph to a reading: with stand-ins for the networks, and with those shipped."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

from endplate.datasets.coco import read_annotations
from endplate.errors import InputError, UnknownName
from endplate.geometry.calibration import UNCALIBRATED, Calibration
from endplate.geometry.landmarks import Vertebra
from endplate.imaging.radiograph import Radiograph
from endplate.imaging.read import read_radiograph
from endplate.infer.batch.options import BatchOptions
from endplate.infer.find import Anchor
from endplate.infer.gate import LEANS
from endplate.infer.pipeline import (
    CALIBRATION,
    SECOND_DETECTOR,
    WEIGHTS,
    FilmReader,
    weights_folder,
)
from endplate.models.calibration import Calibrations
from endplate.models.resample import ImagePyramid

from ..fakes import HEIGHT, Finder, fake_reader
from ..spine import column, dotted_film

LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
SHAPE = (900, 420)
CLOSE = 0.8
"""Pixels: the stand-in of the refiner is drawn a little to where it expects the dots."""
TRUTH = Path(__file__).resolve().parents[1] / "data" / "sample-truth.json"


def spine(facing: str = "left") -> dict[str, np.ndarray]:
    return column(LEVELS, top=(230.0, 80.0), depth=90.0, height=HEIGHT, facing=facing)


def pixels_of(bodies: dict[str, np.ndarray]) -> np.ndarray:
    return (dotted_film(bodies, SHAPE, sigma=2.5) >> 8).astype(np.uint8)


def radiograph(pixels: np.ndarray, calibration: Calibration = UNCALIBRATED) -> Radiograph:
    return Radiograph(pixels, calibration, "film.png", "cd" * 32, patient_id="P", modality="DX")


def error(made: Vertebra, points: np.ndarray) -> float:
    """Largest distance of the points that both have, in pixels."""
    assert (np.isnan(made.points) == np.isnan(points)).all()
    return float(np.nanmax(np.hypot(*(made.points - points).T)))


#: What the pixels of a drawn film, with few grey values and even bodies, are flagged for.
CARTOON = {"overexposed", "underexposed", "low_contrast", "blurred"}


def test_a_film_becomes_a_reading(monkeypatch):
    bodies = spine()
    reader = fake_reader(monkeypatch, Finder(lambda _: bodies, jitter=3.0))
    calibration = Calibration((0.4, 0.4), "detector")
    reading = reader.read(radiograph(pixels_of(bodies), calibration), index_level="L1")
    assert {r.code for r in reading.quality.reasons} <= CARTOON, reading.quality
    assert [v.level for v in reading.vertebrae] == list(LEVELS)
    for made, points in zip(reading.vertebrae, bodies.values(), strict=True):
        assert error(made, points) < CLOSE
        assert made.covariance is not None
        assert made.confidence == pytest.approx(0.95, abs=0.05)
        assert made.level_probability > 0.9
    assert (reading.source.view, reading.source.facing) == ("lateral", "left")
    assert (reading.source.rows, reading.source.columns) == SHAPE
    assert reading.source.patient_id == "P"
    assert reading.reader.kind == "model"
    assert reading.reader.sha256 == "a" * 32 + "b" * 32
    assert reading.calibration == calibration
    names = {m.name for m in reading.measurements}
    assert {"vertebral_kyphosis_deg", "Ha_mm", "loss_ant_pct"} <= names
    assert reading.parent is None
    assert "T" in reading.created


def test_every_reading_has_its_own_name(monkeypatch):
    bodies = spine()
    reader = fake_reader(monkeypatch, Finder(lambda _: bodies))
    film = radiograph(pixels_of(bodies))
    assert reader.read(film).id != reader.read(film).id


def test_a_mirrored_film_gives_mirrored_points(monkeypatch):
    bodies = spine()
    width = SHAPE[1]
    mirrored = {k: p * [-1, 1] + [width - 1, 0] for k, p in bodies.items()}
    pixels = pixels_of(bodies)
    one = fake_reader(monkeypatch, Finder(lambda _: bodies)).read(radiograph(pixels))
    other = fake_reader(monkeypatch, Finder(lambda _: mirrored)).read(
        radiograph(np.ascontiguousarray(pixels[:, ::-1]))
    )
    assert (one.source.facing, other.source.facing) == ("left", "right")
    for a, b in zip(one.vertebrae, other.vertebrae, strict=True):
        assert a.level == b.level
        assert error(b, a.points * [-1, 1] + [width - 1, 0]) < 0.05
    ours = {(m.name, m.level): m.value for m in one.measurements if m.unit == "deg"}
    theirs = {(m.name, m.level): m.value for m in other.measurements if m.unit == "deg"}
    assert ours == pytest.approx(theirs, abs=0.15, nan_ok=True)


@pytest.mark.parametrize("aspect", [0.8, 1.3])
@pytest.mark.parametrize("metric", [True, False])
def test_films_whose_pixels_are_not_square(monkeypatch, aspect, metric):
    """The same film stored with fewer rows or columns has the same points."""
    bodies = spine()
    # rows `aspect` times as far apart as columns
    squeeze = np.array([min(aspect, 1.0), min(1 / aspect, 1.0)])
    size = (round(SHAPE[1] * squeeze[0]), round(SHAPE[0] * squeeze[1]))
    ratio = np.array(size) / SHAPE[::-1]
    stored = cv2.resize(pixels_of(bodies), size, interpolation=cv2.INTER_AREA)
    spacing = 0.4 / ratio[::-1]
    if metric:
        calibration = Calibration((float(spacing[0]), float(spacing[1])), "detector")
    else:
        calibration = Calibration(None, "none", aspect=float(spacing[0] / spacing[1]))

    def square(pyramid: ImagePyramid) -> dict[str, np.ndarray]:
        # what is looked at has square pixels again, of the finer side
        scale = pyramid.shape[0] / SHAPE[0]
        assert pyramid.shape[1] / SHAPE[1] == pytest.approx(scale, rel=0.01)
        return {k: (p + 0.5) * scale - 0.5 for k, p in bodies.items()}

    reader = fake_reader(monkeypatch, Finder(square))
    reading = reader.read(radiograph(stored, calibration))
    assert [v.level for v in reading.vertebrae] == list(LEVELS)
    whole = fake_reader(monkeypatch, Finder(lambda _: bodies)).read(
        radiograph(pixels_of(bodies), Calibration((0.4, 0.4), "detector"))
    )
    for made, square_made in zip(reading.vertebrae, whole.vertebrae, strict=True):
        assert error(made, (square_made.points + 0.5) * ratio - 0.5) < 0.3
        assert made.covariance is not None
        # uncertainties shrink with the pixels
        sd = np.sqrt(np.nanmean(np.diag(made.covariance).reshape(6, 2), axis=0))
        assert sd[0] / sd[1] == pytest.approx(ratio[0] / ratio[1], rel=0.25)
    expected = {(m.name, m.level): m.value for m in whole.measurements if m.unit == "deg"}
    found = {(m.name, m.level): m.value for m in reading.measurements if m.unit == "deg"}
    assert found == pytest.approx(expected, abs=1.0, nan_ok=True)


def test_places_of_the_user_are_those_of_the_stored_film(monkeypatch):
    bodies = spine()
    stored = cv2.resize(pixels_of(bodies), (SHAPE[1], SHAPE[0] // 2), interpolation=cv2.INTER_AREA)
    calibration = Calibration((0.8, 0.4), "detector")
    x, y = np.nanmean(bodies["L1"], axis=0)
    anchor = Anchor("T12", float(x), float((y + 0.5) / 2 - 0.5))
    reader = fake_reader(monkeypatch, Finder(lambda _: bodies))
    reading = reader.read(radiograph(stored, calibration), anchors=(anchor,))
    named = min(reading.vertebrae, key=lambda v: abs(v.centre[1] - anchor.y))
    assert named.level == "T12"


def test_what_the_user_says_of_the_levels_is_not_doubted(monkeypatch):
    bodies = {k: v for k, v in spine().items() if k != "S1"}
    reader = fake_reader(monkeypatch, Finder(lambda _: bodies))
    x, y = bodies["L1"].mean(axis=0)
    reading = reader.read(radiograph(pixels_of(bodies)), anchors=(Anchor("L2", x, y),))
    assert "level_uncertain" not in {r.code for r in reading.quality.reasons}


def test_readings_keep_how_sure_the_names_are(monkeypatch):
    bodies = spine()
    reader = fake_reader(monkeypatch, Finder(lambda _: bodies))
    reading = reader.read(radiograph(pixels_of(bodies)))
    naming = reading.naming
    assert naming is not None
    assert set(naming.levels) == {v.level for v in reading.vertebrae}
    for v in reading.vertebrae:
        assert naming.levels[v.level][v.level] == pytest.approx(v.level_probability)
        assert sum(naming.levels[v.level].values()) == pytest.approx(1.0, abs=0.03)
    assert naming.shifts[0] == pytest.approx(naming.probability, abs=0.2)


def test_bodies_that_face_against_the_others_are_turned_round(monkeypatch):
    bodies = spine()
    swapped = dict(bodies)
    swapped["L2"] = bodies["L2"][[2, 1, 0, 5, 4, 3]]
    reader = fake_reader(monkeypatch, Finder(lambda _: swapped))
    reading = reader.read(radiograph(pixels_of(bodies)))
    assert error(reading.vertebrae[LEVELS.index("L2")], bodies["L2"]) < CLOSE


def test_inverted_films_are_read_and_flagged(monkeypatch):
    bodies = spine()
    reader = fake_reader(monkeypatch, Finder(lambda _: bodies))
    reading = reader.read(radiograph(255 - pixels_of(bodies)))
    assert {r.code for r in reading.quality.reasons} - CARTOON == {"contrast_inverted"}
    for made, points in zip(reading.vertebrae, bodies.values(), strict=True):
        assert error(made, points) < CLOSE


def test_films_that_lie_are_read_and_flagged(monkeypatch):
    bodies = spine()
    lying = {k: np.column_stack([SHAPE[0] - 1 - p[:, 1], p[:, 0]]) for k, p in bodies.items()}
    reader = fake_reader(monkeypatch, Finder(lambda _: lying))
    reading = reader.read(radiograph(np.ascontiguousarray(np.rot90(pixels_of(bodies), -1))))
    assert "image_turned" in {r.code for r in reading.quality.reasons}
    assert [v.level for v in reading.vertebrae] == list(LEVELS)
    for made, points in zip(reading.vertebrae, lying.values(), strict=True):
        assert error(made, points) < CLOSE


def test_films_without_a_spine_are_rejected_without_points(monkeypatch):
    reader = fake_reader(monkeypatch, Finder(lambda _: {}))
    reading = reader.read(radiograph(np.full((300, 200), 255, np.uint8)))
    assert reading.quality.status == "rejected"
    assert reading.vertebrae == ()
    assert reading.measurements == ()
    assert reading.source.facing is None


def test_unknown_index_levels_are_refused_at_once(monkeypatch):
    reader = fake_reader(monkeypatch, Finder(lambda _: spine()))
    with pytest.raises(UnknownName, match="unknown level 'L9'"):
        reader.read(radiograph(pixels_of(spine())), index_level="L9")


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(InputError, match=r"detector\.onnx: no such network"):
        FilmReader(tmp_path)


def test_intervals_are_those_of_the_calibration(monkeypatch):
    bodies = spine()
    finder, film = Finder(lambda _: bodies), radiograph(pixels_of(bodies))
    plain = fake_reader(monkeypatch, finder).read(film)
    factors = {"vertebral_kyphosis_deg": 1.5}
    calibrations = replace(Calibrations.uncalibrated(), measures=factors)
    wider = fake_reader(monkeypatch, finder, calibrations=calibrations).read(film)
    for before, after in zip(plain.measurements, wider.measurements, strict=True):
        assert after.value == before.value or after.value != after.value
        if before.se == before.se:
            factor = factors.get(before.name, 1.0)
            assert after.se == pytest.approx(factor * before.se)


def test_the_calibration_of_the_folder_is_used(monkeypatch, tmp_path):
    finder = Finder(lambda _: {})
    fake_reader(monkeypatch, finder)
    rough = Calibrations.uncalibrated()
    assert FilmReader(tmp_path).calibrations.lateral == rough.lateral
    (tmp_path / CALIBRATION).write_text(rough.to_json().replace('"lateral": 0.5', '"lateral": 0.7'))
    assert FilmReader(tmp_path).calibrations.lateral == 0.7
    assert FilmReader(tmp_path, calibrations=rough).calibrations.lateral == 0.5
    (tmp_path / CALIBRATION).write_text("{}")
    with pytest.raises(InputError, match="not a calibration file"):
        FilmReader(tmp_path)


# --- with the networks that are shipped -------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> FilmReader:
    if not all((weights_folder() / name).is_file() for name in WEIGHTS.values()):
        pytest.skip("there are no weights in models/weights yet")
    return FilmReader(provider="cpu", threads=1)


@pytest.fixture(scope="module")
def sample() -> Radiograph:
    with resources.as_file(resources.files("endplate.infer") / "sample.dcm") as path:
        return read_radiograph(path)


def test_the_sample_is_read_as_it_was_made(shipped, sample):
    (truth,) = read_annotations(TRUTH)
    reading = shipped.read(sample, index_level="L1")
    assert reading.quality.status != "rejected", reading.quality
    assert reading.source.facing == truth.facing
    found = {v.level: v for v in reading.vertebrae}
    errors, missed = [], []
    for body in truth.vertebrae:
        if body.level not in found:
            missed.append(body.level)
            continue
        distance = np.hypot(*(found[body.level].points - body.points).T) / body.depth_px
        errors += distance[~np.isnan(distance)].tolist()
    assert not set(missed) & {"T11", "T12", "L1", "L2", "L3", "L4"}
    assert np.median(errors) < 0.04
    assert np.quantile(errors, 0.9) < 0.12


@pytest.mark.usefixtures("shipped")
def test_a_second_detector_is_one_more_of_the_reader(sample, tmp_path):
    for name in (*WEIGHTS.values(), CALIBRATION):
        (tmp_path / name).write_bytes((weights_folder() / name).read_bytes())
    alone = FilmReader(tmp_path, provider="cpu", threads=1)
    assert len(alone.networks) == 2
    second = tmp_path / SECOND_DETECTOR
    second.write_bytes((weights_folder() / WEIGHTS["detector"]).read_bytes())
    reader = FilmReader(tmp_path, provider="cpu", threads=1)
    assert len(reader.networks) == 3
    # a twin sees what the first would have seen
    one, other = (r.find(sample.pixels, sample.calibration) for r in (alone, reader))
    for a, b in zip(one.vertebrae, other.vertebrae, strict=True):
        assert a.level == b.level
        np.testing.assert_allclose(a.points, b.points, atol=1e-3)
    # and who reads is told apart
    assert len(reader.reader.sha256) == len(alone.reader.sha256) == 64
    assert reader.reader.sha256 != alone.reader.sha256
    hashes = BatchOptions(tmp_path, str(tmp_path / "out"), weights=tmp_path).network_hashes()
    assert {*WEIGHTS.values(), SECOND_DETECTOR, CALIBRATION} == hashes.keys()
    second.write_bytes((weights_folder() / WEIGHTS["refiner"]).read_bytes())
    with pytest.raises(InputError, match=r"second_detector.onnx: is a refiner, not a detector"):
        FilmReader(tmp_path)


def assert_same_bodies(one: dict[str, Vertebra], other: dict[str, Vertebra]) -> None:
    """The same bodies at the same places; those at the ends may be found on one film only."""
    middle = {"T11", "T12", "L1", "L2", "L3", "L4", "L5"}
    assert middle <= one.keys()
    assert middle <= other.keys()
    for level in one.keys() & other.keys():
        distance = np.hypot(*(other[level].points - one[level].points).T)
        assert np.nanmedian(distance) < 0.03 * one[level].depth_px, level


def test_a_mirrored_sample_gives_mirrored_points(shipped, sample):
    mirrored = np.ascontiguousarray(sample.pixels[:, ::-1])
    one = shipped.find(sample.pixels, sample.calibration).vertebrae
    other = shipped.find(mirrored, sample.calibration).vertebrae
    back = {v.level: Vertebra(v.level, v.points * [-1, 1] + [sample.columns - 1, 0]) for v in other}
    assert_same_bodies({v.level: v for v in one}, back)


def test_a_sample_of_oblong_pixels_gives_the_same_points(shipped, sample):
    spacing = sample.calibration.spacing_mm
    assert spacing is not None
    rows = sample.rows // 2
    stored = cv2.resize(sample.pixels, (sample.columns, rows), interpolation=cv2.INTER_AREA)
    ratio = rows / sample.rows
    oblong = Calibration((spacing[0] / ratio, spacing[1]), sample.calibration.source)
    one = shipped.find(sample.pixels, sample.calibration).vertebrae
    other = shipped.find(stored, oblong).vertebrae
    back = {v.level: Vertebra(v.level, (v.points + 0.5) / [1.0, ratio] - 0.5) for v in other}
    assert_same_bodies({v.level: v for v in one}, back)


def turned(film: Radiograph, degrees: float) -> Radiograph:
    """The film turned about its middle, counter-clockwise as seen."""
    rows, columns = film.pixels.shape
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1.0)
    pixels = cv2.warpAffine(film.pixels, turn, (columns, rows), borderValue=int(film.pixels.min()))
    return replace(film, pixels=pixels.astype(np.uint16))


@pytest.mark.parametrize("inverted", [False, True])
def test_a_leaning_column_is_read_along_itself(shipped, sample, inverted):
    film = turned(sample, -26)
    if inverted:
        film = replace(film, pixels=np.invert(film.pixels))
    result, reading = shipped.read_found(film)
    assert result.found.inverted == inverted
    assert 28 < result.found.lean < 36
    assert "tilted" in {r.code for r in reading.quality.reasons}
    value = {(m.name, m.level): m.value for m in reading.measurements}
    # the broken body keeps its name and its angle
    assert value["vertebral_kyphosis_deg", "L1"] == pytest.approx(15.0, abs=1.5)


def test_points_lie_on_the_stored_film_however_it_leans(shipped, sample):
    whole = shipped.read(sample)
    rows, columns = sample.pixels.shape
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), -26, 1.0)
    leaning = {v.level: v for v in shipped.read(turned(sample, -26)).vertebrae}
    for body in (v for v in whole.vertebrae if v.level in ("T12", "L1", "L2", "L3")):
        moved = body.points @ turn[:, :2].T + turn[:, 2]
        away = np.hypot(*(leaning[body.level].points - moved).T) / body.depth_px
        assert np.median(away) < 0.04


def test_only_a_view_that_looks_wrong_is_looked_at_again(shipped, sample, monkeypatch):
    looks = []
    find = FilmReader.find

    def counted(self, *args, **kwargs):
        looks.append(kwargs.get("lean", 0.0))
        return find(self, *args, **kwargs)

    monkeypatch.setattr(FilmReader, "find", counted)
    shipped.read(sample)
    assert looks == [0.0]
    looks.clear()
    noise = np.random.default_rng(1).normal(900, 90, (900, 500)).clip(0).astype(np.uint16)
    clouds = replace(sample, pixels=cv2.GaussianBlur(noise, (0, 0), 25))
    assert shipped.read(clouds).quality.status == "rejected"
    assert looks == [0.0, *LEANS]
