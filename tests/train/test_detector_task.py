"""Windows of the detector: image and targets move together, and only what is known is taught."""

import numpy as np
import pytest
import torch

from endplate.datasets.film import AnnotatedFilm
from endplate.geometry.levels import LEVELS, level_index
from endplate.models.decode import decode_maps
from endplate.models.frames import body_frame
from endplate.models.resample import ImagePyramid
from endplate.train.augment import AugmentConfig
from endplate.train.detector_task import OFFSET_UNIT, DetectorTask, DetectorTaskConfig
from endplate.train.films import TrainFilm, to_train_film

from ..spine import body, column, dotted_film, film_of

SHAPE = (620, 600)
STRIDE = 4


def task(films, still, tiny_detector, **settings) -> DetectorTask:
    options = {"rows": 192, "columns": 192, "whole": 0.5, "depths": (40.0, 60.0), "augment": still}
    config = DetectorTaskConfig(**(options | settings))
    return DetectorTask(films, [1.0] * len(films), config, tiny_detector)


def apart(facing: str = "left") -> dict[str, np.ndarray]:
    """Bodies of every second level, so that no dot lies near one of a neighbour."""
    bodies = column(("T11", "T12", "L1", "L2", "L3"), top=(300.0, 80.0), depth=105.0, facing=facing)
    return {name: bodies[name] for name in ("T11", "L1", "L3")}


def dots(facing: str = "left") -> TrainFilm:
    bodies = apart(facing)
    return to_train_film(film_of(dotted_film(bodies, SHAPE, sigma=4.0), bodies, facing=facing), "g")


def target_points(sample: dict[str, np.ndarray], cell: tuple[int, int]) -> np.ndarray:
    """(6, 2) points in the window that the targets of one cell stand for."""
    y, x = cell
    place = np.array([x, y]) * STRIDE + (STRIDE - 1) / 2
    return place + sample["offsets"][:, y, x].reshape(6, 2) * OFFSET_UNIT


def bright_place(image: np.ndarray, near: np.ndarray) -> np.ndarray | None:
    """Centroid of the bright dot near a place; None too close to the edge."""
    x, y = (round(float(v)) for v in near)
    if not (4 <= x < image.shape[1] - 4 and 4 <= y < image.shape[0] - 4):
        return None
    part = image[y - 4 : y + 5, x - 4 : x + 5].astype(np.float64)
    part = np.clip(part - 0.25 * (image.max() + 3 * image.min()), 0, None)
    if part.sum() == 0:
        return np.full(2, np.inf)
    yy, xx = np.mgrid[-4:5, -4:5]
    return np.array([x + (part * xx).sum() / part.sum(), y + (part * yy).sum() / part.sum()])


@pytest.mark.parametrize("facing", ["left", "right"])
def test_image_and_points_move_together(facing, still, tiny_detector):
    still.rotation, still.scale, still.flip = 20.0, 0.1, 0.5
    drawn = task([dots(facing)], still, tiny_detector)
    sides, compared = set(), 0
    for seed in range(40):
        sample = drawn.sample(np.random.default_rng(seed))
        if sample["film"][0] != 0:
            continue  # lies on its side: nothing is taught
        centres = np.argwhere(sample["inside"] > 0.93)
        for cell in centres[:: max(1, len(centres) // 3)]:
            points = target_points(sample, tuple(cell))
            for near in points:
                found = bright_place(sample["image"][0], near)
                if found is not None:
                    assert np.hypot(*(found - near)) < 0.7
                    compared += 1
            # the side that the film target calls the front is where the anterior points are
            right = points[[0, 5], 0].mean() > points[[2, 3], 0].mean()
            assert sample["film"][1] == float(right)
            sides.add(bool(right))
    assert compared > 150
    assert sides == {True, False}


def test_targets_decode_to_the_points_of_the_film(still, tiny_detector):
    drawn = task([dots()], still, tiny_detector, rows=256, columns=256)
    to_film = np.array([[2.4, 0.05, 5.3], [-0.05, 2.4, 14.8]])
    targets = drawn._targets(drawn.films[0], to_film, (256, 256))
    heat = np.clip(targets["heat"], 1e-4, 1 - 1e-4)
    levels = np.full((len(LEVELS) + 1, *heat.shape[1:]), -4.0, np.float32)
    for index in range(len(LEVELS)):
        levels[index][targets["level"] == index] = 4.0
    maps = np.concatenate([np.log(heat / (1 - heat)), targets["offsets"], levels])
    candidates = decode_maps(maps.astype(np.float32), to_film)
    assert len(candidates) == 3
    for name, points in apart().items():
        centre = body_frame(points)[0]
        best = min(candidates, key=lambda c: float(np.hypot(*(c.centre - centre))))
        assert np.abs(best.points - points).max() < 0.1
        assert LEVELS[int(best.log_levels.argmax())] == name


def test_the_sacrum_has_its_own_map(still, tiny_detector):
    bodies = column(("L4", "L5", "S1"), top=(300.0, 130.0), depth=110.0)
    film = to_train_film(film_of(np.zeros(SHAPE, np.uint8), bodies), "g")
    drawn = task([film], still, tiny_detector)
    targets = drawn._targets(film, np.array([[2.5, 0, 0], [0, 2.5, 0.0]]), (256, 256))
    y, x = np.unravel_index(targets["heat"][1].argmax(), targets["heat"][1].shape)
    middle = bodies["S1"][[0, 2]].mean(axis=0) / 2.5
    assert np.abs(np.array([x, y]) * STRIDE + 1.5 - middle).max() <= 2.1
    assert targets["level"][y, x] == level_index("S1")
    assert not targets["seen"][3:, y, x].any()
    assert targets["seen"][:3, y, x].all()
    # a bump a body
    assert (targets["heat"][0] > 0.95).sum() >= 2
    assert targets["heat"][0, y, x] < 0.3


def known_of(film: TrainFilm, still: AugmentConfig, tiny_detector) -> np.ndarray:
    """(2, rows, columns) at one window pixel per film pixel, without the weights of bodies."""
    drawn = task([film], still, tiny_detector)
    targets = drawn._targets(film, np.array([[1.0, 0, 0], [0, 1.0, 0]]), (640, 640))
    return (targets["known"] > 0).astype(int)


def straight(levels: tuple[str, ...], rows: tuple[int, ...], complete: bool = False) -> TrainFilm:
    """Bodies 40 pixels deep in a straight column at x = 320."""
    bodies = {name: body((320.0, float(y)), 40, 32) for name, y in zip(levels, rows, strict=True)}
    if "S1" in bodies:
        bodies["S1"][3:] = np.nan
    image = np.zeros((640, 640), np.uint8)
    return to_train_film(film_of(image, bodies, complete=complete), "g")


def at(known: np.ndarray, channel: int, x: float, y: float) -> int:
    return int(known[channel, int(y) // STRIDE, int(x) // STRIDE])


def test_on_incomplete_films_the_column_beyond_the_marked_bodies_is_unknown(still, tiny_detector):
    film = straight(("T12", "L1", "L2"), (280, 320, 360))
    known = known_of(film, still, tiny_detector)
    for y in (240, 200, 400, 440, 520):
        assert at(known, 0, 320, y) == 0
        assert at(known, 1, 320, y) == 0
    for y in (280, 320, 360):
        assert at(known, 0, 320, y) == 1
    # beside the marked bodies there are none
    assert at(known, 0, 480, 320) == 1
    assert at(known, 0, 120, 320) == 1
    # the column curves: the doubt widens with the distance
    assert at(known, 0, 400, 240) == 1
    assert at(known, 0, 400, 80) == 0


def test_below_a_marked_sacrum_there_is_nothing(still, tiny_detector):
    film = straight(("L4", "L5", "S1"), (280, 320, 360))
    known = known_of(film, still, tiny_detector)
    assert at(known, 0, 320, 440) == 1
    assert at(known, 1, 320, 440) == 1
    assert at(known, 0, 320, 200) == 0
    # the sacrum is marked, so that it is nowhere else
    assert at(known, 1, 320, 200) == 1


def test_gaps_between_marked_bodies_are_unknown(still, tiny_detector):
    film = straight(("T12", "L2", "L3"), (280, 360, 400))
    known = known_of(film, still, tiny_detector)
    assert at(known, 0, 320, 320) == 0
    assert at(known, 0, 320, 380) == 1
    assert at(known, 0, 500, 320) == 1


def test_a_single_body_leaves_its_column_open(still, tiny_detector):
    known = known_of(straight(("L1",), (320,)), still, tiny_detector)
    assert at(known, 0, 320, 320) == 1
    assert at(known, 0, 320, 240) == at(known, 0, 320, 400) == 0
    assert at(known, 0, 450, 320) == 1


def test_a_lone_sacrum_teaches_only_itself(still, tiny_detector):
    known = known_of(straight(("S1",), (320,)), still, tiny_detector)
    assert at(known, 1, 320, 304) == 1
    assert at(known, 0, 100, 100) == 0


def test_complete_films_and_negatives_are_known_throughout(still, tiny_detector):
    assert known_of(straight(("L1", "L2"), (280, 320), True), still, tiny_detector).all()
    empty = AnnotatedFilm(np.zeros((640, 640), np.uint8), (), "n", "n", view="frontal")
    assert known_of(to_train_film(empty, "g"), still, tiny_detector).all()


def test_small_bodies_weigh_more_but_not_more_than_nine(still, tiny_detector):
    film = straight(("L1", "L2"), (280, 320), True)
    drawn = task([film], still, tiny_detector)
    near = drawn._targets(film, np.array([[0.5, 0, 220], [0, 0.5, 200.0]]), (256, 256))
    far = drawn._targets(film, np.array([[2.5, 0, 0], [0, 2.5, 0.0]]), (256, 256))
    assert near["known"].max() == pytest.approx(1.0, abs=0.9)
    assert 4 < far["known"].max() <= 9
    assert far["known"].min() == 1


def test_doubtful_names_and_bodies_above_c7(still, tiny_detector):
    bodies = column(("C7", "T1"), top=(300.0, 330.0), depth=110.0)
    corners = [list(p) for p in body((300, 210), 110, 90)[[0, 2, 3, 5]]]
    film = film_of(np.zeros(SHAPE, np.uint8), bodies, other_bodies={"C6": corners})
    drawn = task([to_train_film(film, "g")], still, tiny_detector)
    level = drawn._targets(drawn.films[0], np.array([[2.5, 0, 0], [0, 2.5, 0]]), (256, 256))[
        "level"
    ]
    assert set(np.unique(level)) == {-1, 0, 1, len(LEVELS)}


def test_films_that_lie_teach_only_that_they_do(still, tiny_detector):
    film = dots()
    drawn = task([film], still, tiny_detector, rows=64, columns=64)
    lying = []
    for seed in range(400):
        window = drawn._window(film, np.random.default_rng(seed))
        if window[2]:
            lying.append(seed)
    assert 4 < len(lying) < 40
    shown = 0
    for seed in range(150):
        sample = drawn.sample(np.random.default_rng(seed))
        if sample["film"][0] == 2:
            shown += 1
            assert sample["film"][1] == -1
            assert (sample["known"] == 0).all()
            assert (sample["inside"] == 0).all()
            assert (sample["level"] == -1).all()
    assert shown > 0


def test_what_is_said_of_the_film(still, tiny_detector):
    still.invert = 1.0
    image = np.zeros((100, 90), np.uint8)
    image[::2] = 200
    metal = film_of(image, {}, hardware=True)
    sample = task([to_train_film(metal, "g")], still, tiny_detector).sample(
        np.random.default_rng(1)
    )
    assert sample["film"].tolist() == [0, 0, 1, 1]
    other = AnnotatedFilm(image, (), "n", "n", view="frontal")
    sample = task([to_train_film(other, "g")], still, tiny_detector).sample(
        np.random.default_rng(1)
    )
    assert sample["film"].tolist() == [1, -1, 1, -1]
    assert (sample["heat"] == 0).all()


def test_the_same_generator_gives_the_same_sample(tiny_detector):
    config = AugmentConfig(grey=1, overlay=1, noise=1)
    drawn = task([dots(), dots("right")], config, tiny_detector)
    first = drawn.sample(np.random.default_rng(7))
    drawn.sample(np.random.default_rng(8))
    again = drawn.sample(np.random.default_rng(7))
    for key, value in first.items():
        np.testing.assert_array_equal(again[key], value)
    assert (drawn.sample(np.random.default_rng(9))["image"] != first["image"]).any()


def test_weights_decide_how_often_a_film_is_drawn(still, tiny_detector):
    films = [dots(), to_train_film(AnnotatedFilm(np.zeros((50, 50), np.uint8), (), "n", "n"), "g")]
    drawn = DetectorTask(
        films, [3.0, 1.0], DetectorTaskConfig(64, 64, augment=still), tiny_detector
    )
    counts = np.diff(np.concatenate([[0.0], drawn.cumulative]))
    np.testing.assert_allclose(counts, [0.75, 0.25])


def batch_of(drawn: DetectorTask, seeds: range) -> dict[str, torch.Tensor]:
    samples = [drawn.sample(np.random.default_rng(s)) for s in seeds]
    return {k: torch.from_numpy(np.stack([s[k] for s in samples])) for k in samples[0]}


def test_perfect_maps_cost_little_and_unknown_places_nothing(still, tiny_detector):
    drawn = task([dots()], still, tiny_detector, rows=128, columns=128)
    batch = batch_of(drawn, range(3))
    heat = batch["heat"].clamp(1e-3, 1 - 1e-3)
    level = torch.nn.functional.one_hot(batch["level"].clamp_min(0), len(LEVELS) + 1)
    level = 20.0 * level.permute(0, 3, 1, 2) - 10.0
    perfect = torch.cat([torch.logit(heat), batch["offsets"], level], dim=1)
    film = torch.zeros(3, 6)
    good, parts = drawn.loss((perfect, film), batch)
    wrong = torch.zeros_like(perfect, requires_grad=True)
    bad, bad_parts = drawn.loss((wrong, film), batch)
    for name in ("centre", "offset", "level"):
        assert float(parts[name]) < 0.1 * float(bad_parts[name].detach())
    assert float(good) < float(bad.detach())
    batch["known"][:, :, :10] = 0.0
    total, _ = drawn.loss((wrong, film), batch)
    total.backward()
    assert wrong.grad is not None
    assert (wrong.grad[:, :2, :10] == 0).all()
    outside = (batch["inside"] == 0)[:, None]
    assert (wrong.grad[:, 2:] * outside == 0).all()


def test_unknown_flags_of_a_film_cost_nothing(still, tiny_detector):
    drawn = task([dots()], still, tiny_detector, rows=64, columns=64)
    batch = batch_of(drawn, range(2))
    batch["film"][:, 1:] = -1.0
    film = torch.zeros(2, 6, requires_grad=True)
    total, _ = drawn.loss((torch.zeros(2, 14 + len(LEVELS) + 1, 16, 16), film), batch)
    total.backward()
    assert film.grad is not None
    assert (film.grad[:, 3:] == 0).all()


def test_pyramids_are_shared_not_copied():
    film = dots()
    assert isinstance(film.pyramid, ImagePyramid)
    assert film.pyramid.shape == SHAPE
