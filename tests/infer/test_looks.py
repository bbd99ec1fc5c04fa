"""Maps of several looks, averaged on one grid."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from endplate.infer.looks import averaged_maps
from endplate.infer.session import Network
from endplate.models.decode import CLASSES, OFFSET_UNIT, STRIDE, decode_maps
from endplate.models.resample import ImagePyramid

PLACE = np.array([301.0, 212.0])
"""Of a bright spot on a film of 640 x 512."""
POINTS = np.array([[-9, -7], [0, -7], [9, -7], [9, 7], [0, 7], [-9, 7]], dtype=float)
"""Of the body about it, in film pixels: it faces left."""


@dataclass
class SpotReader:
    """Stands for a network: sees a body about the brightest place, facing as the film tells.

    The film is brighter on its left, so the pupil knows when it was mirrored; `blind_to` is a
    width of the window in which it sees nothing.
    """

    scale_of: Any
    blind_to: tuple[int, ...] = ()
    calls: int = 0

    def run(self, images: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
        self.calls += 1
        image = images[0, 0]
        rows, columns = image.shape
        yy, xx = np.nonzero(image >= image.max() - 1e-4)
        place = np.array([xx.mean(), yy.mean()])
        mirrored = image[:, : columns // 8].mean() < image[:, -columns // 8 :].mean()
        step = self.scale_of(columns)
        points = POINTS * ([-1, 1] if mirrored else [1, 1]) / step + place
        cells = np.mgrid[: columns // STRIDE, : rows // STRIDE].T * STRIDE + (STRIDE - 1) / 2
        maps = np.zeros((1, 14 + len(CLASSES), rows // STRIDE, columns // STRIDE), np.float32)
        away = np.hypot(*np.moveaxis(cells - place, 2, 0)) * step
        maps[0, 0] = -6 if columns in self.blind_to else 4 - 10 * np.minimum(away / 20, 1)
        maps[0, 1] = -9
        offsets = (points[None, None] - cells[:, :, None]) / OFFSET_UNIT
        maps[0, 2:14] = np.moveaxis(offsets.reshape(*cells.shape[:2], 12), 2, 0)
        maps[0, 14 + CLASSES.index("L1")] = 5
        return [maps, np.zeros((1, 6), np.float32)]


@pytest.fixture(name="film")
def _film() -> ImagePyramid:
    y, x = np.mgrid[:640, :512].astype(np.float64)
    spot = 40_000 * np.exp(-0.5 * ((x - PLACE[0]) ** 2 + (y - PLACE[1]) ** 2) / 24**2)
    return ImagePyramid((spot + 8 * (512 - x) + 2000).astype(np.uint16))


WINDOW = (np.array([[1.0, 0, 0], [0, 1.0, 0]]), (640, 512))
SCALES = {512: 1.0, 640: 0.87, 448: 1.15}
"""Columns of each window -> its scale: 512 / 0.87 and 512 / 1.15, up to multiples of 64."""


def test_looks_meet_on_the_grid(film: ImagePyramid) -> None:
    reader = SpotReader(SCALES.__getitem__)
    maps = averaged_maps(film, cast(Network, reader), WINDOW)
    assert reader.calls == 6
    assert maps.shape == (14 + len(CLASSES), 160, 128)
    (body,) = decode_maps(maps, WINDOW[0])
    np.testing.assert_allclose(body.points, PLACE + POINTS, atol=1.0)
    assert CLASSES[int(body.log_levels.argmax())] == "L1"
    assert body.score > 0.9


def test_two_detectors_take_turns(film: ImagePyramid) -> None:
    class Notes(SpotReader):
        """Writes down the width of each window, and whether it was mirrored."""

        def run(self, images: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
            edge = images.shape[3] // 8
            mirrored = images[0, 0, :, :edge].mean() < images[0, 0, :, -edge:].mean()
            seen.append((self, images.shape[3], bool(mirrored)))
            return super().run(images)

    seen: list[tuple[SpotReader, int, bool]] = []
    first = Notes(SCALES.__getitem__)
    second = Notes(SCALES.__getitem__, blind_to=(512, 640, 448))
    maps = averaged_maps(film, cast(Network, first), WINDOW, cast(Network, second))
    assert [x[1:] for x in seen if x[0] is first] == [(512, False), (640, True), (448, False)]
    assert [x[1:] for x in seen if x[0] is second] == [(512, True), (640, False), (448, True)]
    # what half of the looks see is half believed
    (body,) = decode_maps(maps, WINDOW[0])
    np.testing.assert_allclose(body.points, PLACE + POINTS, atol=1.0)
    assert 0.4 < body.score < 0.6


def test_what_one_scale_misses_is_found(film: ImagePyramid) -> None:
    reader = SpotReader(SCALES.__getitem__, blind_to=(512,))
    (body,) = decode_maps(averaged_maps(film, cast(Network, reader), WINDOW), WINDOW[0])
    np.testing.assert_allclose(body.points, PLACE + POINTS, atol=1.0)
    assert 0.5 < body.score < 0.8


def test_what_one_scale_alone_sees_is_not(film: ImagePyramid) -> None:
    reader = SpotReader(SCALES.__getitem__, blind_to=(512, 640))
    maps = averaged_maps(film, cast(Network, reader), WINDOW)
    assert all(c.score < 0.4 for c in decode_maps(maps, WINDOW[0]))


def test_bodies_that_one_look_sees_back_to_front_keep_their_depth(film: ImagePyramid) -> None:
    class Turncoat(SpotReader):
        """Takes the back for the front on mirrored films."""

        def run(self, images: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
            maps, view = super().run(images)
            image = images[0, 0]
            edge = image.shape[1] // 8
            if image[:, :edge].mean() < image[:, -edge:].mean() and self.calls > 2:
                maps[0, 2:14] = (
                    maps[0, 2:14]
                    .reshape(6, 2, *maps.shape[2:])[[2, 1, 0, 5, 4, 3]]
                    .reshape(12, *maps.shape[2:])
                )
            return [maps, view]

    reader = Turncoat(SCALES.__getitem__)
    (body,) = decode_maps(averaged_maps(film, cast(Network, reader), WINDOW), WINDOW[0])
    np.testing.assert_allclose(body.points, PLACE + POINTS, atol=1.0)
