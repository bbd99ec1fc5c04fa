"""What the benchmark of a recipe counts as a network's cost."""

import json
from pathlib import Path

import pytest

from ..benchmarks_path import load_benchmark


def test_the_cost_of_a_step_is_that_of_all_before_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    recipe = load_benchmark("recipe")
    last = ("refiner-last-1", "refiner-last-2", "refiner-last-3")
    names = ("refiner-simulated", "refiner-mixed", "refiner-last-1", "refiner-last-2")
    after = (None, names[0], names[1], names[1])
    steps = {n: {"after": a, "shared": a is None} for n, a in zip(names, after, strict=True)}
    steps["refiner-last-3"] = {"after": names[1], "shared": False}
    done = {"refiner-simulated": {"seconds": 600.0, "units": 1500}}
    for fold in (0, 1):
        for n, name in enumerate((*names[1:], "refiner-last-3")[: 4 - fold]):
            done[f"{name}-{fold}"] = {"seconds": 60.0 * (n + 1), "units": 100 * (n + 1)}
    state = {"settings": {"steps": steps, "weights": {"refiner": last}}, "done": done}
    (tmp_path / "recipe.json").write_text(json.dumps(state))
    found = recipe.Recipe.of(tmp_path)
    assert found.folds() == [0]
    assert found.spent(("refiner-simulated",), 0) == (10.0, 1500)
    assert found.spent(("refiner-mixed",), 0) == (11.0, 1600)
    assert found.rows() == [("refiner-simulated",), ("refiner-mixed",), *((n,) for n in last), last]
    assert found.spent(last, 0) == pytest.approx((20.0, 2500))
    assert (
        found.checkpoint("refiner-simulated", 1)
        == tmp_path / "runs/shared/refiner-simulated/model.pt"
    )
    assert found.checkpoint("refiner-mixed", 1) == tmp_path / "runs/1/refiner-mixed/model.pt"
