"""What each step of the whole recipe brings: ``python benchmarks/recipe.py runs/recipe``.

Judges the refiners that ``endplate recipe`` left behind, step after step, on films of subjects that
they were not trained on, as ``benchmarks/ablations.py`` judges its own; puts the rows into
``docs/accuracy/ablations.json``, beside those.

    endplate recipe 'folds=[0,1,2,3,4]' out=runs/recipe
    python benchmarks/recipe.py runs/recipe --data $ENDPLATE_DATA
"""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from ablations import COMPUTE, VIEWS, TorchNetwork, judge

from endplate.train.recipe import StepConfig, steps_to

_BATCH: Final = 32


@dataclass(frozen=True)
class Recipe:
    """What ``endplate recipe`` left in a folder."""

    folder: Path
    settings: dict[str, Any]
    done: dict[str, dict[str, float]]

    @classmethod
    def of(cls, folder: Path) -> "Recipe":
        """Read its state."""
        state = json.loads((folder / "recipe.json").read_text())
        return cls(folder, state["settings"], state["done"])

    def steps(self) -> dict[str, StepConfig]:
        """Settings of every step."""
        return {n: StepConfig(**s) for n, s in self.settings["steps"].items()}

    def last(self) -> tuple[str, ...]:
        """Steps whose weights, averaged, are the refiner."""
        return tuple(self.settings["weights"]["refiner"])

    def rows(self) -> list[tuple[str, ...]]:
        """Refiners to judge: after each step, at last the one of averaged weights."""
        alone = [(name,) for name in steps_to(self.steps(), self.last())]
        return alone if len(self.last()) == 1 else [*alone, self.last()]

    def folds(self) -> list[int]:
        """Folds of which every refiner is trained."""
        return [f for f in range(5) if all(f"{name}-{f}" in self.done for name in self.last())]

    def checkpoint(self, name: str, fold: int) -> Path:
        """Weights of a step."""
        shared = self.settings["steps"][name]["shared"]
        return self.folder / "runs" / ("shared" if shared else str(fold)) / name / "model.pt"

    def spent(self, names: tuple[str, ...], fold: int) -> tuple[float, float]:
        """Minutes and steps of some steps and all before them."""
        steps = self.steps()
        jobs = [self.done[n if steps[n].shared else f"{n}-{fold}"] for n in steps_to(steps, names)]
        return sum(j["seconds"] for j in jobs) / 60, sum(j["units"] for j in jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of endplate recipe")
    parser.add_argument("--data", default=os.environ.get("ENDPLATE_DATA", "../shared/data"))
    parser.add_argument("--result", type=Path, default=Path("docs/accuracy/ablations.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe.of(options.folder)
    folds = recipe.folds()
    if not folds:
        raise SystemExit(f"{options.folder}: no fold is trained to its end")
    rows = [_row(recipe, steps, folds, options) for steps in recipe.rows()]
    values = json.loads(options.result.read_text())
    values["rows"] = [r for r in values["rows"] if r["group"] != COMPUTE] + rows
    options.result.write_text(json.dumps(values, indent=1) + "\n")


def _row(
    recipe: Recipe,
    steps: tuple[str, ...],
    folds: list[int],
    options: argparse.Namespace,
) -> dict[str, Any]:
    points: list[float] = []
    angles: list[float] = []
    for fold in folds:
        network = TorchNetwork(*(recipe.checkpoint(s, fold) for s in steps))
        for found in judge(network, (fold,), options, True, VIEWS).values():
            points += found["point"]
            angles += found["kyphosis"]
    minutes, count = np.mean([recipe.spent(steps, f) for f in folds], axis=0)
    row = {
        "group": COMPUTE,
        "name": f"{_name(steps)} ({count * _BATCH / 1000:.0f} thousand crops)",
        "overrides": "",
        "seeds": [0],
        "folds": folds,
        "minutes": [round(float(minutes), 1)],
        "n_bodies": len(angles),
        "point_median": [round(float(np.median(points)), 2)],
        "point_p95": [round(float(np.quantile(points, 0.95)), 2)],
        "vk_mae": [round(float(np.mean(angles)), 2)],
    }
    if all(recipe.steps()[name].shared for name in steps):
        row["films"] = 0  # simulated ones alone
    print(row["name"], row["point_median"], row["point_p95"], row["vk_mae"], row["minutes"])
    return row


def _name(steps: tuple[str, ...]) -> str:
    return steps[0] if len(steps) == 1 else f"{' + '.join(steps)}, weights averaged"


if __name__ == "__main__":
    main()
