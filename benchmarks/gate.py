"""How the quality gate does on a bench of images: ``python benchmarks/gate.py``.

Real films are read by the networks of the fold that did not see them (``--weights`` with ``FOLD``),
all other images by the shipped ones. Weights and limits of the gate are fitted on four fifths of
the bench and judged on the rest, five times. Writes ``docs/accuracy/gate.json``, ``gate.md`` and
``gate.svg``; ``--write CALIBRATION.json`` puts what was fitted on the whole bench into that file,
as is due after networks were trained anew.

The bench is wider where pydicom-data, tptbox, nilearn and scikit-image are installed.
"""

import argparse
import json
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from endplate.datasets.gatebench.bench import DRAWN, BenchConfig, bench
from endplate.datasets.gatebench.pictures import PACKAGES
from endplate.infer.pipeline import FilmReader
from endplate.models.calibration import Calibrations
from endplate.train.gate import Observed, cross_judge, curve, fit_gate, observe, table

COMMAND = "python benchmarks/gate.py"


class Readers:
    """Networks by fold, loaded when first asked for, all with the shipped calibration."""

    def __init__(self, weights: str, shipped: Path | None) -> None:
        self.weights = weights
        self.shipped = FilmReader(shipped, threads=1)
        self.by_fold: dict[int, FilmReader] = {}

    def __call__(self, fold: int | None) -> FilmReader:
        """The networks that did not see films of this fold."""
        if fold is None:
            return self.shipped
        if fold not in self.by_fold:
            folder = Path(self.weights.replace("FOLD", str(fold)))
            calibrations = self.shipped.calibrations
            self.by_fold[fold] = FilmReader(folder, threads=1, calibrations=calibrations)
        return self.by_fold[fold]


def read_bench(options: argparse.Namespace, readers: Readers) -> list[Observed]:
    """Read every image, or take what an earlier run left."""
    kept = options.observations
    if kept is not None and kept.is_file():
        return list(pickle.loads(kept.read_bytes()))
    config = BenchConfig(options.data, options.drawn, options.share, options.folds)
    out = []
    for observed in observe(bench(config), readers):
        out.append(observed)
        if len(out) % 25 == 0:
            print(f"{len(out)} images, now {observed.kind}", flush=True)
    if kept is not None:
        kept.write_bytes(pickle.dumps(out))
    return out


def shares(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Sums over all kinds."""
    negatives, positives = figures["negatives"], figures["positives"]
    due = [p for p in positives if p["right_reason"] is not None]
    taken = [r for r in negatives if r["kind"] not in DRAWN]
    return {
        "negatives": sum(r["n"] for r in negatives),
        "negatives_rejected": sum(r["rejected"] for r in negatives),
        "taken": sum(r["n"] for r in taken),
        "taken_rejected": sum(r["rejected"] for r in taken),
        "laterals": sum(r["n"] for r in positives),
        "laterals_rejected": sum(r["rejected"] for r in positives),
        "undamaged": sum(r["n"] for r in positives if r["undamaged"]),
        "undamaged_rejected": sum(r["rejected"] for r in positives if r["undamaged"]),
        "due": sum(r["n"] for r in due),
        "right_reason": sum(r["right_reason"] for r in due),
    }


def markdown(report: Mapping[str, Any]) -> str:
    """The tables for a page."""
    total, before = report["total"], report["before"]
    lines = [
        f"{total['negatives_rejected']} of {total['negatives']} images that are no lateral film"
        f" of the spine are rejected: {total['taken_rejected']} of the {total['taken']} real ones"
        f" (films, photographs, views of CTs, ...) and"
        f" {total['negatives_rejected'] - total['taken_rejected']} of the"
        f" {total['negatives'] - total['taken']} drawn or simulated ones."
        f" {total['laterals_rejected']} of {total['laterals']} laterals, most"
        f" of them damaged on purpose, are rejected, wrongly, but {total['undamaged_rejected']}"
        f" of the {total['undamaged']} that are not damaged; by the view alone it would be"
        f" {before['negatives_rejected']} and {before['laterals_rejected']}. Weights and limits"
        " were fitted on other kinds of images, and other subjects, than they are judged by.",
        "",
        "| not a lateral film | n | rejected | reasons |",
        "|---|---|---|---|",
    ]
    for row in report["negatives"]:
        reasons = ", ".join(f"`{k}` {v}" for k, v in row["reasons"].items())
        lines.append(f"| {row['kind']} | {row['n']} | {row['rejected']} | {reasons} |")
    lines += [
        "",
        "| lateral film | n | rejected | flagged | flag that is due | given |",
        "|---|---|---|---|---|---|",
    ]
    for row in report["positives"]:
        due = ", ".join(f"`{code}`" for code in row["due"])
        given = "" if row["right_reason"] is None else row["right_reason"]
        cells = (row["kind"], row["n"], row["rejected"], row["flagged"], due, given)
        lines.append("| " + " | ".join(str(c) for c in cells) + " |")
    lines += ["", f"Packages with images that were at hand: {', '.join(report['packages'])}.", ""]
    return "\n".join(lines)


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Rejected negatives against rejected laterals, and the shares of each kind."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "endplate"
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    moved = np.array([p["moved"] for p in report["curve"]])
    for name, label in (
        ("negatives_rejected", "other images"),
        ("laterals_rejected", "laterals"),
    ):
        values = [100 * p[name] for p in report["curve"]]
        left.plot(moved, values, label=label)
    left.axvline(0, color="grey", linewidth=0.8)
    left.set(xlabel="limit moved by, log odds", ylabel="rejected, %")
    left.legend(frameon=False)
    x = [100 * p["laterals_rejected"] for p in report["curve"]]
    y = [100 * p["negatives_rejected"] for p in report["curve"]]
    right.plot(x, y, label="all evidence")
    alone = report["view_alone"]
    right.plot(
        [100 * p["laterals_rejected"] for p in alone],
        [100 * p["negatives_rejected"] for p in alone],
        "--",
        label="view alone",
    )
    right.set(xlabel="laterals rejected, %", ylabel="other images rejected, %")
    right.set(xlim=(-0.5, 20), ylim=(60, 100.5))
    right.legend(frameon=False)
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def report_of(observed: Sequence[Observed], calibrations: Calibrations) -> dict[str, Any]:
    """Everything that is written."""
    verdicts, margins = cross_judge(observed, calibrations)
    figures = table(observed, verdicts)
    plain = replace(calibrations, gate=replace(calibrations.gate, weights={}))
    before = table(observed, [o.judge(plain) for o in observed])
    view = [o.features["view"] if o.result.vertebrae else -99.0 for o in observed]
    packages = [name for name in PACKAGES if find_spec(name) is not None]
    return {
        "command": COMMAND,
        "total": shares(figures),
        "before": shares(before),
        **figures,
        "curve": curve(observed, margins),
        "view_alone": curve(observed, view),
        "packages": packages,
    }


def write_again(out: Path) -> None:
    """Sums and tables anew, from what an earlier run found."""
    report = json.loads((out / "gate.json").read_text())
    report["total"] = shares(report)
    (out / "gate.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "gate.md").write_text(markdown(report))


def main() -> None:
    """Read, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("ENDPLATE_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) if data else None)
    parser.add_argument("--weights", default="runs/folds/FOLD", help="networks of each fold")
    parser.add_argument("--shipped", type=Path, help="folder of the networks that are shipped")
    parser.add_argument("--drawn", type=int, default=3, help="images of each drawn kind")
    parser.add_argument("--share", type=int, default=3, help="damage every n-th lateral")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--observations", type=Path, help="keep what was read, or use it")
    parser.add_argument("--write", type=Path, help="calibration.json to put the limits into")
    parser.add_argument("--out", type=Path, default=Path("docs/accuracy"))
    parser.add_argument("--page", action="store_true", help="only the tables, from gate.json")
    options = parser.parse_args()
    if options.page:
        write_again(options.out)
        return
    if options.write is not None and options.data is None:
        parser.error("--write needs --data, or ENDPLATE_DATA: limits are fitted on real films too")
    for name in ("drawn", "share", "folds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: expected 1 or more")
    readers = Readers(options.weights, options.shipped)
    observed = read_bench(options, readers)
    calibrations = readers.shipped.calibrations
    report = report_of(observed, calibrations)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gate.json").write_text(json.dumps(report, indent=1) + "\n")
    text = markdown(report)
    (options.out / "gate.md").write_text(text)
    draw(report, options.out / "gate.svg")
    print(text)
    if options.write is not None:
        old = Calibrations.from_json(options.write.read_text(), str(options.write))
        options.write.write_text(replace(old, gate=fit_gate(observed)).to_json())
        print(f"{options.write}: limits of the gate written")


if __name__ == "__main__":
    main()
