"""Results carry the time of the reading on the clock of their film."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from endplate.infer.dicom_results import write_dicom_results

from ..dicom_samples import complaints, make_film, make_reading

KINDS = ("sr", "gsps", "sc")


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch):
    """A machine nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def results(folder: Path, created: str, offset: str | None) -> list[Dataset]:
    path = make_film(folder / "film.dcm")
    film = dcmread(path)
    if offset is not None:
        film.TimezoneOffsetFromUTC = offset
    film.save_as(path)
    reading = replace(make_reading(path), created=created)
    written = write_dicom_results(reading, path, folder / "results", kinds=KINDS)
    assert [complaints(p) for p in written] == [[], [], []]
    return [dcmread(p) for p in written]


@pytest.mark.parametrize(
    ("created", "offset", "stamp"),
    [
        ("2026-01-31T20:00:05+00:00", "+0530", "20260201013005"),
        ("2026-03-01T01:00:00+00:00", "-0330", "20260228213000"),
        ("2026-01-31T20:00:05+00:00", None, "20260201050005"),
        ("2026-01-31T20:00:05+00:00", "nine", "20260201050005"),
        # whose clock that was is not said
        ("2026-01-31T20:00:05", "+0530", "20260131200005"),
    ],
)
def test_on_the_clock_of_the_film_or_else_of_the_machine(tmp_path, tokyo, created, offset, stamp):
    stated = offset if offset and offset[0] in "+-" else None
    for result in results(tmp_path, created, offset):
        assert result.get("TimezoneOffsetFromUTC") == stated
        assert result.InstanceCreationDate + result.InstanceCreationTime == stamp
        (equipment,) = result.ContributingEquipmentSequence
        assert equipment.ContributionDateTime == stamp
        for kind in ("Content", "PresentationCreation"):
            if f"{kind}Date" in result:
                assert result[f"{kind}Date"].value + result[f"{kind}Time"].value == stamp
