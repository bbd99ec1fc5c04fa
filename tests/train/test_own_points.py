"""Self-training: what was read well stays, the rest is as the network reads it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from endplate.datasets.coco import read_annotations
from endplate.datasets.splits import assign_folds
from endplate.train import own_points
from endplate.train.data import FilmSet
from endplate.train.own_points import write_own_points

from .films import write_set

FOLDS = 3


@pytest.fixture
def coarse_set(tmp_path, monkeypatch) -> FilmSet:
    """Films of which L1 and L2 are read exactly, L4 has corners only and L5 lacks one."""
    path = write_set(tmp_path, 6)
    document = json.loads(path.read_text())
    kept = [a for a in document["annotations"] if a["attributes"]["level"] in ("L1", "L2")]
    exact = tmp_path / "exact.json"
    exact.write_text(json.dumps(document | {"annotations": kept}))
    for entry in document["annotations"]:
        gone = {"L4": (1, 4), "L5": (0,)}.get(entry["attributes"]["level"], ())
        for point in gone:
            entry["keypoints"][3 * point : 3 * point + 3] = [0, 0, 0]
    path.write_text(json.dumps(document))

    def refine(pyramid, bodies, network, errors, downward):
        assert all(np.isfinite(b).all() for b in bodies)
        return [SimpleNamespace(points=b + 1.0) for b in bodies]

    monkeypatch.setattr(own_points, "refine", refine)
    return FilmSet("films", annotations=str(path), exact=str(exact))


def test_bodies_without_exact_points_get_those_of_the_network(coarse_set, tmp_path):
    out = tmp_path / "own.json"
    counts = write_own_points(None, coarse_set, 1, FOLDS, out)  # type: ignore[arg-type]
    films = {f.file_name: f for f in read_annotations(out)}
    given = {f.file_name: f for f in read_annotations(coarse_set.annotations)}
    where = assign_folds((f.subject for f in given.values()), FOLDS)
    assert set(films) == {name for name, f in given.items() if where[f.subject] != 1}
    # of nine bodies two are exact, L5 and S1 lack corners
    assert counts == (2 * len(films), 5 * len(films))
    for name, film in films.items():
        bodies = {v.level: v.points for v in film.vertebrae}
        before = {v.level: v.points for v in given[name].vertebrae}
        assert set(bodies) == set(before) - {"L5", "S1"}
        np.testing.assert_allclose(bodies["L1"], before["L1"], atol=1e-3)
        np.testing.assert_allclose(bodies["T12"], before["T12"] + 1, atol=2e-3)
        middle = bodies["L4"][[0, 2]].mean(axis=0)
        np.testing.assert_allclose(bodies["L4"][1], middle, atol=2e-3)


def test_no_fold_is_left_out_of_all(coarse_set, tmp_path):
    write_own_points(None, coarse_set, None, FOLDS, tmp_path / "own.json")  # type: ignore[arg-type]
    assert len(read_annotations(tmp_path / "own.json")) == 6
