"""The benchmark of networks on CT: what it counts, and that it never asks a network that knows."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from endplate.datasets.ct_simulator.api import CtPair
from endplate.imaging.ct.labels import LabelVolume
from endplate.imaging.ct.volume import Provenance, Volume
from endplate.infer.ct import CtReading, read_ct_labels

from ..benchmarks_path import load_benchmark
from .ct_phantom import PhantomSpine, make_phantom, verse_number

LEVELS = ("T12", "L1", "L2")


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return load_benchmark("ct")


@pytest.fixture(scope="module")
def truth() -> CtReading:
    phantom = make_phantom(PhantomSpine(levels=LEVELS), (1.2, 1.2, 1.5))
    numbers = {x: (verse_number(x),) for x in LEVELS}
    return read_ct_labels(phantom.ct, LabelVolume(phantom.labels, numbers, "verse"))


def test_a_reading_against_itself(benchmark, truth):
    row = benchmark.compare(truth, truth)
    assert (row["found"], row["levels_right"], row["missed"]) == (3, 3, [])
    assert row["n_points"] == 18
    assert row["point_median_mm"] == pytest.approx(0, abs=0.02)
    assert row["vk_mae_deg"] == pytest.approx(0, abs=0.05)


def test_points_that_are_off_and_names_that_are_wrong(benchmark, truth):
    first, second, _ = truth.reading.vertebrae
    off = 2.0 / truth.slab.spacing
    moved = replace(first, points=first.points + np.array([off, 0.0]))
    renamed = replace(second, level="L3")
    seen = replace(truth, reading=replace(truth.reading, vertebrae=(moved, renamed)))
    row = benchmark.compare(truth, seen)
    assert (row["found"], row["levels_right"], row["missed"]) == (2, 1, ["L2"])
    assert row["point_p95_mm"] == pytest.approx(2.0, abs=0.05)
    none = replace(truth, reading=replace(truth.reading, vertebrae=()))
    assert benchmark.compare(truth, none)["point_median_mm"] is None


def test_each_ct_is_read_by_the_fold_that_left_it_out(benchmark, monkeypatch, tmp_path):
    from endplate.datasets.splits import assign_folds

    names = [f"ct-{i}" for i in range(4)]
    asked: dict[str, int] = {}

    parts = []

    def judge(pair, weights, fold, part):
        assert weights == "runs/FOLD"
        asked[pair.name] = fold
        parts.append(part)
        return {"name": pair.name}

    pairs = tuple(CtPair(n, "ct.nii", "mask.nii") for n in names)
    monkeypatch.setattr(benchmark, "read_pairs", lambda _: pairs)
    monkeypatch.setattr(benchmark, "judge", judge)
    result = tmp_path / "new" / "ct.json"
    arguments = ["ct.py", "--cts", "x.json", "--weights", "runs/FOLD", "--result", str(result)]
    monkeypatch.setattr("sys.argv", arguments)
    benchmark.main()
    assert asked == assign_folds(names, 5)
    assert parts == [None] * 4
    assert result.is_file()
    monkeypatch.setattr("sys.argv", [*arguments, "--parts"])
    benchmark.main()
    assert len(parts) == 4 + 4 * (1 + len(benchmark.PARTS))


def test_parts_are_counted_from_the_foot(benchmark):
    voxels = np.zeros((10, 3, 3), np.int16)
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    part = benchmark.cut(Volume(voxels, affine, Provenance("made", "")), (0.2, 0.6))
    assert part.size == (3, 3, 4)
    assert part.affine[2, 3] == 4.0
