"""What each step of a reading brings: ``python -P benchmarks/reading.py --weights FOLDS/FOLD``.

The same networks read the same annotated films with steps left out: looks of the detector, crops
of the refiner, the refiner itself. Every film is read by the networks of the fold that did not see
its subject; names are those of the weights fitted on simulated films. Writes
``docs/accuracy/reading.json``, from which ``endplate accuracy`` takes its table.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from tqdm import tqdm

from endplate.geometry.landmarks import FloatArray
from endplate.imaging.read import read_radiograph
from endplate.infer.pipeline import FilmReader
from endplate.infer.refine import Refined, View, refine
from endplate.models.calibration import Calibrations
from endplate.models.heatmaps import MARKS
from endplate.train.accuracy import FilmResult, judge_film, summarise
from endplate.train.config import TrainConfig, compose_config
from endplate.train.truths import Case, load_cases

FIGURES = (
    "found_pct",
    "unmatched_per_film",
    "point_median_pct",
    "point_p95_pct",
    "vertebral_kyphosis_deg_mae",
    "levels_right_sacrum_visible_pct",
)


@dataclass(frozen=True)
class Variant:
    """One row: scales that the detector looks at, both ways round or not, and the refiner's crops.

    `refiner` is ``none`` (the detector's own points), ``one`` (one crop, after the wide one that
    places it) or ``all``.
    """

    name: str
    scales: int = 3
    both_ways: bool = True
    refiner: str = "all"


VARIANTS = (
    Variant("one look, no refiner", 1, False, "none"),
    Variant("six looks, no refiner", refiner="none"),
    Variant("one look, one crop", 1, False, "one"),
    Variant("six looks, one crop", refiner="one"),
    Variant("one look, five crops", 1, False),
    Variant("two looks (both ways round), five crops", 1),
    Variant("six looks, five crops (as shipped)"),
)


def coarse(
    pyramid: Any, bodies: Sequence[FloatArray], *others: Any, **options: Any
) -> list[Refined]:
    """In place of the refiner: the points as the detector put them, nothing known of errors."""
    out = []
    for body in bodies:
        depth = float(np.hypot(*(body[0] - body[2])))
        unknown, spread = np.full((12, 12), np.nan), np.full((6, 2), np.nan)
        marks = np.full(len(MARKS), np.nan)
        out.append(Refined(body, unknown, spread, np.ones(6), depth, np.eye(2), marks))
    return out


def one_crop(*arguments: Any, **options: Any) -> list[Refined]:
    """The refiner with a single crop, cut where a wider one showed the body."""
    return refine(*arguments, **{**options, "views": (View(),)})


@contextmanager
def reading_as(variant: Variant) -> Iterator[None]:
    """Read with the steps of a variant."""
    import endplate.infer.looks as looks

    pair = looks._pair

    def straight(*arguments: Any) -> list[Any]:
        return pair(*arguments)[: None if variant.both_ways else 1]

    refiner = {"none": coarse, "one": one_crop, "all": refine}[variant.refiner]
    with (
        mock.patch.object(looks, "_SCALES", looks._SCALES[: variant.scales]),
        mock.patch.object(looks, "_pair", straight),
        mock.patch("endplate.infer.pipeline.refine", refiner),
    ):
        yield


def judge(
    variant: Variant, cases: Sequence[Case], readers: Mapping[int, FilmReader]
) -> dict[str, Any]:
    """Figures of one variant."""
    results: list[FilmResult] = []
    spent = 0.0
    with reading_as(variant):
        for path, truth, fold in tqdm(cases, desc=variant.name, disable=None):
            assert truth is not None  # no negatives among the sets
            film = read_radiograph(path)
            began = time.perf_counter()
            reading = readers[fold].read(film)
            spent += time.perf_counter() - began
            results.append(judge_film(truth, reading))
    table = summarise(results)
    row: dict[str, Any] = {"name": variant.name, "films": len(results), "bodies": table["bodies"]}
    row |= {key: table[key] for key in FIGURES}
    row["seconds_per_film"] = round(spent / len(results), 3)
    return row


def main() -> None:
    """Read, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", required=True, help="networks of the folds, with FOLD")
    parser.add_argument("--data", default=os.environ.get("ENDPLATE_DATA", "../shared/data"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("docs/accuracy/reading.json"))
    options = parser.parse_args()
    config, _ = compose_config(
        "train", TrainConfig, ["task=refiner", "dataset=real", f"data={options.data}"]
    )
    annotated = [one for one in config.sets.values() if one.annotations]
    cases = [case for one in annotated for case in load_cases(one, config.folds)]
    readers = {
        fold: FilmReader(
            Path(options.weights.replace("FOLD", str(fold))),
            threads=options.threads,
            calibrations=Calibrations.uncalibrated(),
        )
        for fold in sorted({fold for *_, fold in cases})
    }
    rows = []
    for variant in VARIANTS:
        rows.append(judge(variant, cases, readers))
        print(json.dumps(rows[-1]))
    options.out.write_text(json.dumps({"threads": options.threads, "rows": rows}, indent=1) + "\n")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
