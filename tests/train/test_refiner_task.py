"""Crops of the refiner: image and points move together, upright and looking left."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from endplate.errors import InputError
from endplate.infer.refine import View, _window
from endplate.models.resample import apply_affine, invert_affine
from endplate.train.augment import AugmentConfig
from endplate.train.films import TrainFilm, to_train_film
from endplate.train.refiner_task import RefinerTask, RefinerTaskConfig, soft_argmax

from ..spine import column, dotted_film, film_of

SHAPE = (640, 600)
QUIET = {"shift": 0.0, "turn": 0.0, "scale": 0.0, "aspect": 0.0, "shear": 0.0, "mirror": 0.0}


def dots(facing: str = "left", levels: tuple[str, ...] = ("L1", "L3", "S1")) -> TrainFilm:
    """Bodies of some levels only, so that no dot lies near one of a neighbour."""
    bodies = column(("L1", "L2", "L3", "L4", "S1"), top=(300.0, 80.0), depth=105.0, facing=facing)
    bodies = {name: bodies[name] for name in levels}
    return to_train_film(film_of(dotted_film(bodies, SHAPE, sigma=4.0), bodies, facing=facing), "g")


def task(films, still, tiny_refiner, **settings) -> RefinerTask:
    options = {"augment": still, **settings}
    return RefinerTask(films, [1.0] * len(films), RefinerTaskConfig(**options), tiny_refiner)


def bright_place(image: np.ndarray, near: np.ndarray) -> np.ndarray:
    x, y = (round(float(v)) for v in near)
    part = image[y - 4 : y + 5, x - 4 : x + 5].astype(np.float64)
    part = np.clip(part - 0.25 * (image.max() + 3 * image.min()), 0, None)
    yy, xx = np.mgrid[-4:5, -4:5]
    if part.sum() == 0:
        return np.full(2, np.inf)
    return np.array([x + (part * xx).sum() / part.sum(), y + (part * yy).sum() / part.sum()])


@pytest.mark.parametrize("facing", ["left", "right"])
def test_image_and_points_move_together(facing, still, tiny_refiner):
    # with every jitter, the wedge warp and mirrored crops
    drawn = task([dots(facing)], still, tiny_refiner, mirror=0.5, wedge_share=0.7)
    compared = 0
    for seed in range(40):
        sample = drawn.sample(np.random.default_rng(seed))
        for cell, weight in zip(sample["cells"], sample["weight"], strict=True):
            near = cell.astype(np.float64) * 2 + 0.5
            if weight and (near > 5).all() and (near < 58).all():
                assert np.hypot(*(bright_place(sample["image"][0], near) - near)) < 0.6
                compared += 1
    assert compared > 120


@pytest.mark.parametrize("facing", ["left", "right"])
@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_the_front_is_left_unless_mirrored(facing, mirror, still, tiny_refiner):
    drawn = task([dots(facing)], still, tiny_refiner, **(QUIET | {"mirror": mirror}))
    for seed in range(8):
        cells = drawn.sample(np.random.default_rng(seed))["cells"]
        assert (cells[0, 0] < cells[2, 0]) == (mirror == 0)


@pytest.mark.parametrize("facing", ["left", "right"])
def test_without_jitter_training_and_inference_cut_the_same_crop(facing, still, tiny_refiner):
    film = dots(facing)
    drawn = task([film], still, tiny_refiner, **QUIET)
    for _, body, down in drawn.items:
        trained = drawn._window(body, down, np.random.default_rng(0))
        inferred = _window(body.points, down, tiny_refiner.crop, tiny_refiner.extent, View())
        np.testing.assert_allclose(trained, inferred, atol=1e-9)


def test_the_sacral_endplate_lies_in_the_upper_half_of_its_crop(still, tiny_refiner):
    drawn = task([dots()], still, tiny_refiner, **QUIET)
    _, body, down = next(item for item in drawn.items if item[1].is_sacrum)
    window = drawn._window(body, down, np.random.default_rng(0))
    inside = apply_affine(invert_affine(window), body.points[:3])
    size = tiny_refiner.crop
    assert (inside[:, 1] < 0.45 * size).all()
    assert (inside[:, 1] > 0.1 * size).all()


def test_points_that_are_missing_or_outside_weigh_nothing(still, tiny_refiner):
    drawn = task([dots(levels=("S1",))], still, tiny_refiner, **QUIET)
    sample = drawn.sample(np.random.default_rng(0))
    assert sample["weight"].tolist() == [1, 1, 1, 0, 0, 0]
    assert (sample["cells"][3:] == 0).all()
    far = task([dots(levels=("L1",))], still, tiny_refiner, **(QUIET | {"shift": 0.45}))
    weights = np.array([far.sample(np.random.default_rng(s))["weight"] for s in range(20)])
    assert 0 < weights.mean() < 1


def test_coarse_points_weigh_half_and_are_drawn_less(still, tiny_refiner):
    film = film_of(dotted_film(bodies := column(("L1", "L2"), depth=60.0), SHAPE), bodies)
    coarse, exact = to_train_film(film, "g", exact=False), to_train_film(film, "g")
    drawn = task([coarse, exact], still, tiny_refiner, **QUIET)
    chances = np.diff(np.concatenate([[0.0], drawn.cumulative]))
    np.testing.assert_allclose(chances, [0.1, 0.1, 0.4, 0.4])
    one = task([coarse], still, tiny_refiner, **QUIET).sample(np.random.default_rng(0))
    assert one["weight"].tolist() == [0.5] * 6


def test_bodies_above_c7_are_not_refined(still, tiny_refiner):
    bodies = column(("C7", "T1"), top=(300.0, 330.0), depth=60.0)
    corners = [[270.0, 240.0], [330.0, 240.0], [330.0, 290.0], [270.0, 290.0]]
    film = film_of(np.zeros(SHAPE, np.uint8), bodies, other_bodies={"C6": corners})
    assert len(task([to_train_film(film, "g")], still, tiny_refiner).items) == 2


def test_films_without_bodies_cannot_teach_a_refiner(still, tiny_refiner):
    empty = to_train_film(film_of(np.zeros(SHAPE, np.uint8), {}), "g")
    with pytest.raises(InputError, match="no vertebra to train the refiner on"):
        task([empty], still, tiny_refiner)


def test_the_same_generator_gives_the_same_sample(tiny_refiner):
    drawn = task([dots()], AugmentConfig(grey=1, overlay=1, noise=1), tiny_refiner)
    first = drawn.sample(np.random.default_rng(3))
    drawn.sample(np.random.default_rng(4))
    again = drawn.sample(np.random.default_rng(3))
    for key, value in first.items():
        np.testing.assert_array_equal(again[key], value)


def batch_of(drawn: RefinerTask) -> dict[str, torch.Tensor]:
    samples = [drawn.sample(np.random.default_rng(s)) for s in range(3)]
    return {k: torch.from_numpy(np.stack([s[k] for s in samples])) for k in samples[0]}


def test_the_loss_is_least_at_the_points_and_blind_where_nothing_is_known(still, tiny_refiner):
    drawn = task([dots()], still, tiny_refiner, **QUIET)
    batch = batch_of(drawn)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")

    def maps(shift: float) -> torch.Tensor:
        cells = batch["cells"] + shift
        d2 = (x - cells[..., 0, None, None]) ** 2 + (y - cells[..., 1, None, None]) ** 2
        return -d2 / (2 * 1.3**2)

    marks = torch.zeros(3, 2)
    exact, parts = drawn.loss((maps(0.0), marks), batch)
    off, _ = drawn.loss((maps(1.5), marks), batch)
    flat, _ = drawn.loss((torch.zeros(3, 6, 32, 32), marks), batch)
    assert float(parts["distance"]) < 0.05
    assert float(exact) < float(off) < float(flat)
    batch["weight"][:, 2] = 0.0
    logits = torch.randn(3, 6, 32, 32, requires_grad=True)
    total, _ = drawn.loss((logits, marks), batch)
    total.backward()
    assert logits.grad is not None
    assert (logits.grad[:, 2] == 0).all()
    assert (logits.grad[:, 0] != 0).any()


def test_only_known_marks_of_bodies_without_an_overlay_are_learnt(still, tiny_refiner):
    drawn = task([dots()], still, tiny_refiner, **QUIET)
    batch = batch_of(drawn)
    assert batch["marks"].isnan().all()  # a real film of which nothing is said
    batch["marks"] = torch.tensor([[1.0, torch.nan], [0.0, torch.nan], [torch.nan, 1.0]])
    logits = torch.zeros(3, 2, requires_grad=True)
    total, parts = drawn.loss((torch.zeros(3, 6, 32, 32), logits), batch)
    total.backward()
    assert float(parts["marks"].detach()) == pytest.approx(np.log(2))
    assert logits.grad is not None
    np.testing.assert_array_equal(logits.grad.sign().numpy(), [[-1, 0], [1, 0], [0, -1]])


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"simulated": True}, [1.0, 0.0]),
        ({"hardware": False}, [0.0, 0.0]),
        ({"hardware": True}, [np.nan, np.nan]),
        ({}, [np.nan, np.nan]),
    ],
)
def test_marks_come_from_the_simulator_or_from_films_without_implants(attributes, expected):
    bodies = column(("L1", "L2"), depth=60.0)
    film = film_of(dotted_film(bodies, SHAPE), bodies, **attributes)
    treated = tuple(replace(v, cement=True) for v in film.vertebrae)
    body = to_train_film(replace(film, vertebrae=treated), "g").bodies[0]
    np.testing.assert_array_equal(body.marks, expected)


def test_an_overlay_hides_what_the_body_bears(tiny_refiner):
    bodies = column(("L1", "L2"), depth=60.0)
    film = to_train_film(film_of(dotted_film(bodies, SHAPE), bodies, simulated=True), "g")
    always = task([film], AugmentConfig(grey=0, overlay=1, noise=0), tiny_refiner)
    never = task([film], AugmentConfig(grey=0, overlay=0, noise=0), tiny_refiner)
    assert np.isnan(always.sample(np.random.default_rng(0))["marks"]).all()
    assert never.sample(np.random.default_rng(0))["marks"].tolist() == [0.0, 0.0]


def test_the_soft_argmax_of_one_cell_is_that_cell():
    logits = torch.full((1, 2, 20, 30), -50.0)
    logits[0, 0, 4, 17] = logits[0, 1, 19, 0] = 50.0
    expected = torch.tensor([[[17.0, 4.0], [0.0, 19.0]]])
    torch.testing.assert_close(soft_argmax(logits), expected)


def test_injured_bodies_are_drawn_more_often(still, tiny_refiner):
    film = dots()
    wedged = film.bodies[0].points.copy()
    wedged[5] += 0.3 * (wedged[0] - wedged[5])  # 30 % of the height in front is lost
    bodies = (
        replace(film.bodies[0], points=wedged),
        replace(film.bodies[1], marks=(1.0, 0.0)),
        film.bodies[2],
    )
    drawn = task([replace(film, bodies=bodies)], still, tiny_refiner, trauma_weight=4.0)
    shares = np.diff(drawn.cumulative, prepend=0.0)
    assert shares == pytest.approx([4 / 9, 4 / 9, 1 / 9])
