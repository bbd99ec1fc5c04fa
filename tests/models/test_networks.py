"""The networks: sizes of what goes in and comes out."""

import pytest

torch = pytest.importorskip("torch", reason="needs endplate[train]")
pytest.importorskip("monai", reason="needs endplate[train]")

from endplate.geometry.levels import LEVELS  # noqa: E402
from endplate.models.backbone import Pyramid  # noqa: E402
from endplate.models.detector import Detector, DetectorConfig  # noqa: E402
from endplate.models.refiner import Refiner, RefinerConfig  # noqa: E402

CHANNELS, UNITS = (8, 8, 16, 16, 16), (1, 1, 1, 1, 2)


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(0)
    return Detector(DetectorConfig(CHANNELS, UNITS, 8)).eval()


@pytest.fixture(scope="module")
def refiner() -> Refiner:
    torch.manual_seed(0)
    return Refiner(RefinerConfig(CHANNELS, UNITS, 8, crop=64)).eval()


@pytest.mark.parametrize(("rows", "columns"), [(64, 64), (128, 64), (64, 192)])
def test_the_detector_keeps_a_quarter_of_the_sides(detector, rows, columns):
    maps, film = detector(torch.zeros(2, 2, rows, columns))
    assert maps.shape == (2, 14 + len(LEVELS) + 1, rows // 4, columns // 4)
    assert film.shape == (2, 6)


def test_the_refiner_keeps_half_of_the_sides(refiner):
    maps, marks = refiner(torch.zeros(3, 1, 64, 64))
    assert maps.shape == (3, 6, 32, 32)
    assert marks.shape == (3, 2)


def test_samples_of_a_batch_do_not_touch_each_other(detector, refiner):
    for network, shape in ((detector, (3, 2, 64, 64)), (refiner, (3, 1, 64, 64))):
        batch = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            together, alone = network(batch), network(batch[1:2])
        if isinstance(together, tuple):
            together, alone = together[0], alone[0]
        torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)


def test_bodies_are_rare_before_training(detector):
    maps, _ = detector(torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert float(maps[:, :2].detach().sigmoid().mean()) < 0.1


def test_every_weight_gets_a_gradient():
    model = Detector(DetectorConfig(CHANNELS, UNITS, 8)).train()
    maps, film = model(torch.randn(2, 2, 64, 64))
    (maps.square().sum() + film.square().sum()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_other_strides_are_refused():
    with pytest.raises(ValueError, match="stem_stride 3"):
        Pyramid((8, 8), 8, stem_stride=3)
