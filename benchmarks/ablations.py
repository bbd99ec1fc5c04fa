"""What each part of the refiner's recipe is worth: ``python -P benchmarks/ablations.py``.

Trains the refiner in variants that differ in one thing, at equal numbers of crops, and judges each
on films of subjects that it was not trained on: six points from the true place of each vertebra,
moved, turned and scaled as a detector would. Every variant, fold and seed is one unit of work; a
unit that is done is not done again, and several processes may share the work. The result goes to
``docs/accuracy/ablations.json``.

    python -P benchmarks/ablations.py --data $ENDPLATE_DATA --simulated runs/simulated
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from endplate.geometry.landmarks import FloatArray, Vertebra, endplate_angle_deg
from endplate.imaging.read import read_radiograph
from endplate.infer.refine import VIEWS, View, refine
from endplate.models.calibration import PointErrors
from endplate.models.metadata import ModelMetadata
from endplate.models.resample import ImagePyramid
from endplate.train.config import TrainConfig, compose_config
from endplate.train.export import load_checkpoint
from endplate.train.own_points import write_own_points
from endplate.train.truths import load_cases

FOLDS: Final = (0, 1)
STEPS: Final = 300
BATCH: Final = 32
JUDGED: Final = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
#: Spread of the places that the refiner starts from: depths, degrees, logarithm of the scale.
SHIFT, TURN, SCALE = 0.06, 5.0, 0.06
NARROW = "refiner.channels=[10,16,24,32,48] refiner.width=20"
#: Of all rows but those of the width; the shipped refiner is wider than that.
BASE = "refiner.channels=[20,32,48,64,96] refiner.width=40"
WIDE = "refiner.channels=[30,48,72,96,144] refiner.width=60"


#: Rows of ``benchmarks/recipe.py``, which stay as they are.
COMPUTE = "compute"
SIMULATED = "simulated films only"
LONGER = "600 steps on real films"


@dataclass(frozen=True)
class Variant:
    """One row: what it is called, how it is trained, with how many seeds.

    `after`: the row whose network of the first seed it starts from, where that saw no real film.
    `teacher`: the row whose network of the same seed and fold reads the coarsely annotated bodies
    of the films it was trained on, which are then learnt as if they had been read well.
    `members`: the row whose networks of all seeds read together; nothing is trained.
    """

    group: str
    name: str
    overrides: str
    seeds: int = 1
    folded: bool = True
    steps: int = STEPS
    after: str = ""
    teacher: str = ""
    members: str = ""


VARIANTS: Final = (
    Variant("films", SIMULATED, "dataset=simulated", folded=False),
    Variant("films", "real films only", "dataset=real", 2),
    Variant("films", "real and simulated films", "dataset=all", 2),
    Variant("count", "2 real subjects of each set, and simulated", "dataset=all subjects=2"),
    Variant("count", "5 real subjects of each set, and simulated", "dataset=all subjects=5"),
    Variant("count", "10 real subjects of each set, and simulated", "dataset=all subjects=10"),
    Variant("count_real", "2 real subjects of each set", "dataset=real subjects=2"),
    Variant("count_real", "5 real subjects of each set", "dataset=real subjects=5"),
    Variant("count_real", "10 real subjects of each set", "dataset=real subjects=10"),
    Variant("start", LONGER, "dataset=real", 2, steps=2 * STEPS),
    Variant(
        "start",
        "300 steps on simulated films, then 300 on real ones",
        "dataset=real",
        2,
        after=SIMULATED,
    ),
    Variant("width", "half as wide", f"dataset=all {NARROW}"),
    Variant("width", "half as wide again", f"dataset=all {WIDE}"),
    Variant(
        "resolution", "96 pixels, 600 steps", "dataset=real refiner.crop=96", 2, steps=2 * STEPS
    ),
    Variant(
        "resolution", "192 pixels, 600 steps", "dataset=real refiner.crop=192", 2, steps=2 * STEPS
    ),
    Variant(
        "labels",
        "600 steps on real films, coarse points replaced by its own",
        "dataset=real",
        2,
        steps=2 * STEPS,
        teacher=LONGER,
    ),
    Variant("labels", "two networks of 600 steps on real films, averaged", "", members=LONGER),
)
#: Ways of reading with the same network, from the row "real and simulated films".
READINGS: Final = {
    "one pass, one view": (False, (View(),)),
    "two passes, one view": (True, (View(),)),
    "two passes, four views averaged": (True, VIEWS),
}


class TorchNetwork:
    """A checkpoint that answers like an exported network."""

    def __init__(self, checkpoint: Path, *averaged_with: Path) -> None:
        self.model, self.metadata = load_checkpoint(checkpoint, averaged_with)

    metadata: ModelMetadata

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [o.numpy() for o in self.model(torch.from_numpy(images))]


class Together(TorchNetwork):
    """Several checkpoints whose heat maps are averaged, as probabilities."""

    def __init__(self, checkpoints: Sequence[Path]) -> None:
        self.members = [TorchNetwork(c) for c in checkpoints]
        self.metadata = self.members[0].metadata

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        outputs = [m.run(images) for m in self.members]
        maps = [torch.from_numpy(o[0]).flatten(2).softmax(dim=-1) for o in outputs]
        mean = torch.stack(maps).mean(dim=0).clamp_min(1e-12).log()
        return [mean.view(outputs[0][0].shape).numpy(), np.mean([o[1] for o in outputs], axis=0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("ENDPLATE_DATA", "../shared/data"))
    parser.add_argument("--simulated", default="runs/simulated", help="folder of endplate simulate")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--result", type=Path, default=Path("docs/accuracy/ablations.json"))
    parser.add_argument("--collect", action="store_true", help="only collect what is done")
    parser.add_argument("--only", nargs="+", choices=sorted({v.group for v in VARIANTS}))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.collect:
        for variant in VARIANTS:
            if options.only and variant.group not in options.only:
                continue
            for seed in range(variant.seeds):
                for fold in FOLDS if variant.folded else (None,):
                    work(variant, seed, fold, options)
    collect(options.out, options.result)


def work(variant: Variant, seed: int, fold: int | None, options: argparse.Namespace) -> None:
    """Train and judge one unit, unless it is done or another process does it."""
    run = options.out / unit(variant.group, variant.name, seed, fold)
    run.mkdir(parents=True, exist_ok=True)
    if (run / "result.json").exists():
        return
    try:
        (run / "claimed").touch(exist_ok=False)
    except FileExistsError:
        return
    start = time.monotonic()
    if variant.members:
        network: TorchNetwork = Together(
            [_checkpoint(variant.members, s, fold, options) for s in (0, 1)]
        )
    else:
        _train(variant, seed, fold, options, run)
        network = TorchNetwork(run / "model.pt")
    minutes = (time.monotonic() - start) / 60
    readings = READINGS if variant.name == "real and simulated films" else _usual()
    folds = FOLDS if fold is None else (fold,)
    errors = {name: judge(network, folds, options, *how) for name, how in readings.items()}
    result = {"variant": variant.name, "seed": seed, "fold": fold, "minutes": minutes}
    (run / "result.json").write_text(json.dumps({**result, "errors": errors}))
    print(f"{variant.name}, seed {seed}, fold {fold}: {minutes:.1f} min", flush=True)


def _train(
    variant: Variant, seed: int, fold: int | None, options: argparse.Namespace, run: Path
) -> None:
    where = [f"data={options.data}", f"simulated={options.simulated}"]
    width = "" if "refiner.channels" in variant.overrides else BASE
    overrides = ["model=refiner", *variant.overrides.split(), *width.split(), *where]
    if variant.after:
        overrides += [f"start_from={_checkpoint(variant.after, 0, None, options)}"]
    if variant.teacher:
        own = run / "own-points.json"
        teacher = TorchNetwork(_checkpoint(variant.teacher, seed, fold, options))
        config, _ = compose_config("train", TrainConfig, ["dataset=real", where[0]])
        one = config.sets["whole_spine"]
        write_own_points(teacher, one, fold, config.folds, own)  # type: ignore[arg-type]
        images = Path(one.annotations).parent / "images"
        overrides += [f"sets.whole_spine.{k}={v}" for k, v in (("exact", own), ("images", images))]
    overrides += [
        f"loop.steps={variant.steps}",
        f"loop.seed={seed}",
        f"out={run}",
        "loop.threads=1",
    ]
    overrides += [] if fold is None else [f"fold={fold}"]
    train = [sys.executable, "-P", "-m", "endplate.train.main", *overrides]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)


def _checkpoint(name: str, seed: int, fold: int | None, options: argparse.Namespace) -> Path:
    """Networks of another row, once they are there: another process may still train them."""
    group = next(v.group for v in VARIANTS if v.name == name)
    run: Path = options.out / unit(group, name, seed, fold)
    if not (run / "claimed").exists():
        raise SystemExit(f"{run}: not trained yet, run --only {group} first")
    while not (run / "result.json").exists():
        time.sleep(5)
    return run / "model.pt"


def unit(group: str, name: str, seed: int, fold: int | None) -> str:
    """Name of the folder of one unit of work."""
    key = f"{group}-{name}".replace(" ", "_").replace(",", "")
    return f"{key}-seed{seed}-fold{'all' if fold is None else fold}"


def _usual() -> dict[str, Any]:
    return {k: v for k, v in READINGS.items() if v[1] is VIEWS}


def judge(
    network: TorchNetwork,
    folds: Sequence[int],
    options: argparse.Namespace,
    twice: bool,
    views: tuple[View, ...],
) -> dict[str, dict[str, list[float]]]:
    """Errors of points (% of depth) and kyphosis (degrees) by set of films."""
    config, _ = compose_config("train", TrainConfig, ["dataset=real", f"data={options.data}"])
    out: dict[str, dict[str, list[float]]] = {}
    for one in config.sets.values():
        found: dict[str, list[float]] = {"point": [], "kyphosis": []}
        for path, truth, fold in load_cases(one, config.folds):
            if truth is None or fold not in folds:
                continue
            bodies = [v for k, v in truth.exact.items() if k in JUDGED and v.has(*_ALL)]
            film = ImagePyramid(read_radiograph(path).pixels)
            rng = np.random.default_rng(7)
            places = [_moved(v, rng) for v in bodies]
            downs = [np.array([0.0, 1.0])] * len(bodies)
            how: Any = {"views": (View(),), "twice": False}
            if twice:
                first = refine(film, places, network, _ERRORS, downs, **how)  # type: ignore[arg-type]
                places = [seen.points for seen in first]
            how["views"] = views
            refined = refine(film, places, network, _ERRORS, downs, **how)  # type: ignore[arg-type]
            for true, seen in zip(bodies, refined, strict=True):
                away = np.hypot(*(seen.points - true.points).T) / true.depth_px
                found["point"] += [float(100 * a) for a in away if np.isfinite(a)]
                found["kyphosis"].append(
                    abs(endplate_angle_deg(seen.points) - endplate_angle_deg(true.points))
                )
        out[one.name] = found
    return out


_ALL = ("superior_anterior", "superior_posterior", "inferior_anterior", "inferior_posterior")
_ERRORS = PointErrors(np.full(12, 0.025), 1.0, np.eye(12))


def _moved(vertebra: Vertebra, rng: np.random.Generator) -> FloatArray:
    centre, depth = vertebra.centre, vertebra.depth_px
    angle, scale = np.deg2rad(rng.normal(0, TURN)), np.exp(rng.normal(0, SCALE))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = rng.normal(0, SHIFT * depth, 2)
    moved: FloatArray = (vertebra.points - centre) @ turn.T * scale + centre + shift
    return moved


def collect(folder: Path, result: Path) -> None:
    """Put the units together: folds pooled, seeds apart; rows without any stay as they were."""
    before = json.loads(result.read_text())["rows"] if result.is_file() else []
    units = [json.loads(p.read_text()) for p in sorted(folder.glob("*/result.json"))]
    rows = []
    for variant in VARIANTS:
        own = [u for u in units if u["variant"] == variant.name]
        wanted_rows = [(_usual(), variant.group, variant.name)]
        if variant.name == "real and simulated films":
            wanted_rows += [({name: how}, "reading", name) for name, how in READINGS.items()]
        for readings, group, name in wanted_rows:
            kept = [r for r in before if (r["group"], r["name"]) == (group, name)]
            rows += _rows(variant, own, readings, group, name) or kept
    rows += [r for r in before if r["group"] == COMPUTE]
    wanted = {"steps": STEPS, "batch": BATCH, "crops": STEPS * BATCH, "folds": list(FOLDS)}
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps({**wanted, "rows": rows}, indent=1) + "\n")
    for row in rows:
        print(row["group"], "|", row["name"], row["point_median"], row["vk_mae"])


def _rows(
    variant: Variant, units: list[Any], readings: dict[str, Any], group: str, name: str
) -> list[dict[str, Any]]:
    (reading,) = readings
    folds: Sequence[int | None] = FOLDS if variant.folded else (None,)
    by_seed: dict[int, list[Any]] = {}
    for unit in units:
        by_seed.setdefault(unit["seed"], []).append(unit)
    whole = {s: u for s, u in sorted(by_seed.items()) if len(u) == len(folds)}
    if not whole:
        return []
    row: dict[str, Any] = {
        "group": group,
        "name": name,
        "overrides": variant.overrides,
        "seeds": list(whole),
        "crops": variant.steps * BATCH,
        "folds": list(FOLDS),
        "minutes": [round(sum(u["minutes"] for u in us) / len(us), 1) for us in whole.values()],
    }
    for label, sets in (("", None), ("lumbar_", "lumbar"), ("whole_spine_", "whole_spine")):
        points, angles = [], []
        for us in whole.values():
            parts = [u["errors"][reading] for u in us]
            kept = [p[s] for p in parts for s in p if sets is None or s == sets]
            points.append(np.concatenate([k["point"] for k in kept]))
            angles.append(np.concatenate([k["kyphosis"] for k in kept]))
        row[f"{label}n_bodies"] = len(angles[0])
        row[f"{label}point_median"] = [round(float(np.median(p)), 2) for p in points]
        row[f"{label}point_p95"] = [round(float(np.quantile(p, 0.95)), 2) for p in points]
        row[f"{label}vk_mae"] = [round(float(np.mean(a)), 2) for a in angles]
    return [row]


if __name__ == "__main__":
    main()
