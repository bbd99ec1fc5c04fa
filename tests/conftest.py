"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The data folder: $ENDPLATE_DATA, or ../shared/data; the test is skipped without it."""
    folder = Path(os.environ.get("ENDPLATE_DATA") or _BESIDE).resolve()
    if not (folder / "lumbar-laterals" / "annotations.json").is_file():
        pytest.skip("needs the data folder: set ENDPLATE_DATA to it")
    return folder
