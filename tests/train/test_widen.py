"""A wider network starts as the narrower one that it came from."""

import pytest
import torch

from endplate.errors import InputError
from endplate.models.detector import Detector, DetectorConfig
from endplate.models.refiner import Refiner, RefinerConfig
from endplate.train.widen import widen

NARROW = RefinerConfig(channels=(4, 6, 8), units=(1, 1, 2), width=5, crop=32)
WIDE = RefinerConfig(channels=(6, 6, 11), units=(1, 1, 2), width=8, crop=32)


def trained(network):
    """Random, running means and all, as if it had learnt something."""
    generator = torch.Generator().manual_seed(3)
    for value in network.state_dict().values():
        if value.dtype.is_floating_point:
            value.copy_(torch.rand(value.shape, generator=generator) + 0.1)
    return network.eval()


def refiners():
    narrow, wide = trained(Refiner(NARROW)), Refiner(WIDE)
    widen(wide, narrow.state_dict(), Refiner.pooled_weights)
    return narrow, wide


def test_the_outputs_stay_the_same():
    narrow, wide = refiners()
    crops = torch.randn(2, 1, 32, 32)
    for old, new in zip(narrow(crops), wide.eval()(crops), strict=True):
        torch.testing.assert_close(new, old)


def test_a_detector_stays_the_same_too():
    narrow = trained(Detector(DetectorConfig(channels=(4, 6, 8), units=(1, 1, 1), width=5)))
    wide = Detector(DetectorConfig(channels=(6, 8, 9), units=(1, 1, 1), width=7))
    widen(wide, narrow.state_dict(), Detector.pooled_weights)
    image = torch.randn(1, 2, 64, 64)
    for old, new in zip(narrow(image), wide.eval()(image), strict=True):
        torch.testing.assert_close(new, old)


def test_new_channels_learn_apart_from_the_old():
    _, wide = refiners()
    wide.train()
    heat, marks = wide(torch.randn(4, 1, 32, 32))
    (heat.square().mean() + marks.square().mean()).backward()
    towards_old = wide.head[2].weight.grad[:, NARROW.width :]
    assert (towards_old.abs().sum(dim=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            RefinerConfig(channels=(6, 6, 11), units=(1, 1, 3), width=8),
            "in one of the two networks only",
        ),
        (
            RefinerConfig(channels=(3, 6, 8), units=(1, 1, 2), width=5),
            r"stem.* is \(4, 1, 5, 5\) there, \(3, 1, 5, 5\) here",
        ),
    ],
)
def test_only_the_width_may_differ_and_only_grow(config, message):
    narrow = trained(Refiner(NARROW)).state_dict()
    other = Refiner(config)
    with pytest.raises(InputError, match=message):
        widen(other, narrow)
