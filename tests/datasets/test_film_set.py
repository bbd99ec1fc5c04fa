"""Sets whose writing was interrupted: they go on, and come out as if nothing had happened."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from endplate.datasets.film_set import UNFINISHED
from endplate.datasets.simulator import api
from endplate.datasets.simulator.api import simulate_set
from endplate.datasets.simulator.settings import SimulatorSettings
from endplate.infer import cli

COARSE = SimulatorSettings(mm_per_pixel=2.0, fields_of_view={"short": 1.0})


class Stopped(Exception):
    """Stands for a run that was killed."""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seeds of the films that were made; a -1 in it kills the run after three films."""
    seeds: list[int] = []
    simulate = api.simulate_film

    def watched(seed: int, settings: SimulatorSettings) -> object:
        if seeds.count(-1) and len(seeds) > 3:
            raise Stopped
        seeds.append(seed)
        return simulate(seed, settings)

    monkeypatch.setattr(api, "simulate_film", watched)
    return seeds


def interrupted(run: Callable[[], object], seeds: list[int]) -> None:
    """Let `run` make three films, then die."""
    seeds[:] = [-1]
    with pytest.raises(Stopped):
        run()
    seeds.clear()


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_an_interrupted_set_goes_on_and_is_the_same(tmp_path: Path, made: list[int]) -> None:
    def run(folder: Path = tmp_path / "broken") -> Path:
        return simulate_set(folder, 6, 40, COARSE, dicom=True)

    interrupted(run, made)
    broken = tmp_path / "broken"
    assert not (broken / "annotations.json").exists()
    # a film that was half written when the run died
    (broken / "images" / "sim-43.png").write_bytes(b"half")
    run()
    assert made == [43, 44, 45]
    run(tmp_path / "whole")
    assert files(broken) == files(tmp_path / "whole")
    assert not (broken / UNFINISHED).exists()


def test_more_or_fewer_films_may_be_asked_for(tmp_path: Path, made: list[int]) -> None:
    interrupted(lambda: simulate_set(tmp_path / "a", 5, 40, COARSE), made)
    simulate_set(tmp_path / "a", 4, 41, COARSE)
    assert made == [43, 44]
    simulate_set(tmp_path / "b", 4, 41, COARSE)
    ours, theirs = ((tmp_path / x / "annotations.json").read_bytes() for x in "ab")
    assert ours == theirs


def test_films_of_other_settings_are_not_taken_up(tmp_path: Path, made: list[int]) -> None:
    interrupted(lambda: simulate_set(tmp_path / "a", 5, 40, COARSE), made)
    other = SimulatorSettings(mm_per_pixel=2.0, fields_of_view={"short": 1.0}, cement=1.0)
    simulate_set(tmp_path / "a", 4, 40, other)
    assert made == [40, 41, 42, 43]


def test_no_old_landmarks_stand_beside_new_films(tmp_path: Path, made: list[int]) -> None:
    simulate_set(tmp_path, 1, 40, COARSE)
    interrupted(lambda: simulate_set(tmp_path, 5, 40, COARSE), made)
    assert not (tmp_path / "annotations.json").exists()


def test_from_the_command_line(
    tmp_path: Path, made: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    wish = ["simulate", "-n", "5", "mm_per_pixel=2", "fields_of_view.short=1", "-o"]
    made[:] = [-1]
    assert cli.main([*wish, str(tmp_path)]) != 0
    made.clear()
    assert cli.main([*wish, str(tmp_path)]) == 0
    assert made == [3, 4]
    document = json.loads((tmp_path / "annotations.json").read_text())
    assert [x["id"] for x in document["images"]] == [1, 2, 3, 4, 5]
    capsys.readouterr()
