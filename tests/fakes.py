"""Stand-ins for the two networks: they read dotted films, by arithmetic instead of learning."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from endplate.geometry.landmarks import FloatArray
from endplate.infer.pipeline import FilmReader
from endplate.models.decode import CLASSES, Candidate, FilmScores, decode_maps
from endplate.models.metadata import ModelMetadata
from endplate.models.resample import ImagePyramid

from .spine import painted_maps

__all__ = ["HEIGHT", "DotRefiner", "Finder", "fake_reader"]

#: Height in depths of the bodies that the refiner's stand-in expects.
HEIGHT = 0.5
Bodies = Mapping[str, FloatArray]


class DotRefiner:
    """Finds the six dots of a body in its crop, each near the place where it is to be expected.

    `marks`: logits of its second output for every body; None: a network without one.
    """

    def __init__(
        self, crop: int = 128, extent: float = 1.8, marks: tuple[float, float] | None = None
    ) -> None:
        self.marks = marks
        self.metadata = ModelMetadata("refiner", 2, 32, "1.2.3", "", crop, extent)
        self.sha256, self.path, self.provider = "b" * 64, "refiner.onnx", "cpu"
        self.batches: list[tuple[int, ...]] = []

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        self.batches.append(images.shape)
        n, _, size, _ = images.shape
        cells = size // 2
        coarse = images[:, 0].reshape(n, cells, 2, cells, 2).mean(axis=(2, 4))
        bright = (coarse - coarse.min()) / max(float(np.ptp(coarse)), 1e-6)
        unit = cells / self.metadata.extent
        y, x = np.mgrid[:cells, :cells] - (cells - 1) / 2
        out = np.empty((n, 6, cells, cells), np.float32)
        for k, (u, v) in enumerate(((-0.5, -1), (0, -1), (0.5, -1), (0.5, 1), (0, 1), (-0.5, 1))):
            d2 = (x - u * unit) ** 2 + (y - 0.5 * v * HEIGHT * unit) ** 2
            out[:, k] = 30 * bright - d2 / (2 * (0.06 * cells) ** 2)
        if self.marks is None:
            return [out]
        return [out, np.tile(np.array(self.marks, dtype=np.float32), (n, 1))]


class Finder:
    """Takes the place of the detector in `endplate.infer.find`: finds the bodies it was told of.

    Dotted films of 8 bits are dark; on bright ones, and on those that do not stand, it finds
    nothing.

    Parameters
    ----------
    bodies : callable
        From the pyramid of a film to its bodies by level.
    scores : FilmScores
        What is said of a film that stands; others are said to be no lateral films.
    jitter : float
        Pixels of the film by which the coarse points are off.
    """

    def __init__(
        self,
        bodies: Callable[[ImagePyramid], Bodies],
        scores: FilmScores | None = None,
        *,
        jitter: float = 0.0,
    ) -> None:
        self.bodies, self.jitter = bodies, jitter
        self.scores = scores or FilmScores(0.98, 0.01, 0.01, 0.02, 0.01, 0.01)
        self.windows: list[tuple[FloatArray, tuple[int, int]]] = []

    def __call__(
        self, pyramid: ImagePyramid, network: object, window: tuple[FloatArray, tuple[int, int]]
    ) -> tuple[FilmScores, list[Candidate]]:
        to_film, size = window
        self.windows.append(window)
        found = self.bodies(pyramid)
        rng = np.random.default_rng(len(found))
        items = [
            (points + rng.uniform(-1, 1, 2) * self.jitter, CLASSES.index(level), 0.95)
            for level, points in found.items()
        ]
        dark = pyramid.warp(np.array([[4.0, 0, 0], [0, 4.0, 0]]), (40, 40)).mean() < 100
        if not (dark and self._stands(found, to_film)):
            return FilmScores(0.02, 0.01, 0.97, 0.5, 0.01, 0.01), []
        return self.scores, decode_maps(painted_maps(items, to_film, size), to_film)

    def take_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be asked in place of the detector from now on."""
        monkeypatch.setattr("endplate.infer.find._run", self)
        monkeypatch.setattr(
            "endplate.infer.find._look_closer",
            lambda pyramid, network, window, _second: self(pyramid, network, window)[1],
        )

    @staticmethod
    def _stands(found: Bodies, to_film: FloatArray) -> bool:
        centres = [np.nanmean(p, axis=0) for p in found.values()]
        if len(centres) < 2:
            return True
        along = np.linalg.inv(to_film[:, :2]) @ (centres[-1] - centres[0])
        return bool(along[1] > abs(along[0]))


def fake_reader(monkeypatch: pytest.MonkeyPatch, finder: Finder, **options: object) -> FilmReader:
    """A reader whose networks are stand-ins."""
    detector = SimpleNamespace(
        metadata=ModelMetadata("detector", 4, 64, "1.2.3", ""),
        sha256="a" * 64,
        path="detector.onnx",
        provider="cpu",
    )
    networks = {"detector.onnx": detector, "refiner.onnx": DotRefiner()}

    def load(path: Path, **_: object) -> object:
        return networks[path.name]

    monkeypatch.setattr("endplate.infer.pipeline.Network", SimpleNamespace(load=load))
    finder.take_over(monkeypatch)
    return FilmReader(Path("nowhere"), **options)  # type: ignore[arg-type]
