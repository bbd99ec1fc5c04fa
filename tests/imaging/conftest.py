"""Fixtures for the tests of `endplate.imaging`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from endplate.imaging.radiograph import Radiograph
from endplate.imaging.read import read_radiograph

Reader = Callable[..., Radiograph]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    """Write bytes to a file without extension and read it."""

    def read_bytes(data: bytes, spacing_mm: tuple[float, float] | None = None) -> Radiograph:
        path = tmp_path / "film"
        path.write_bytes(data)
        return read_radiograph(path, spacing_mm=spacing_mm)

    return read_bytes
