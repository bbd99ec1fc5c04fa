"""The whole recipe: its jobs, and a tiny one from nothing to a network."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs endplate[train]")
pytest.importorskip("hydra", reason="needs endplate[train]")

from endplate.errors import InputError, UnknownName
from endplate.infer.session import Network
from endplate.train import recipe_run
from endplate.train.config import TrainConfig, compose_config
from endplate.train.export import ExportConfig
from endplate.train.main import recipe
from endplate.train.recipe import Job, RecipeConfig, plan
from endplate.train.recipe_run import RecipeFailed, run_recipe


def jobs_of(*overrides: str) -> tuple[Job, ...]:
    config, _ = compose_config("recipe", RecipeConfig, ["data=films", "out=runs/r", *overrides])
    return plan(config)


def test_every_job_comes_after_those_it_needs_and_takes_what_they_made():
    made: dict[str, Path] = {}
    for job in jobs_of("folds=[0,3,all]", "cts=cts.json"):
        assert set(job.after) <= made.keys()
        needed = {str(made[name]) for name in job.after if not name.startswith("simulate")}
        text = " ".join(job.arguments)
        assert all(path in text for path in needed)
        made[job.name] = job.product
    assert len(set(made.values())) == len(made)


def test_its_trainings_and_exports_are_valid_commands():
    for job in jobs_of("folds=[2,all]", "cts=cts.json", "device=cpu", "workers=3", "scale=0.5"):
        command, *overrides = job.arguments
        if command == "train":
            config, _ = compose_config("train", TrainConfig, overrides)
            assert config.loop.steps == job.units
            assert (config.loop.device, config.loop.workers) == ("cpu", 3)
            assert config.fold == (2 if job.name.endswith("-2") else None)
            real = {"lumbar", "whole_spine", "ct_slabs"} & config.sets.keys()
            assert bool(real) == job.name.endswith(("-2", "-all"))
        elif command == "export":
            compose_config("export", ExportConfig, overrides)


def test_calibration_is_fitted_only_with_all_folds():
    names = [job.name for job in jobs_of("folds=[0,1,2,3,4,all]")]
    assert names[-1] == "evaluate"
    assert "evaluate" not in [job.name for job in jobs_of("folds=[0,1,2,3,all]")]
    assert "evaluate" not in [job.name for job in jobs_of("folds=[0,1,2,3,4]", "evaluate=false")]


def test_a_step_may_see_several_sets_of_films():
    jobs = {
        j.name: j for j in jobs_of("steps.detector-last.films=[long,usual]", "~weights.refiner")
    }
    assert {"simulate-long", "simulate-usual", "simulate-frontal"} < set(jobs)
    last = jobs["detector-last-all"]
    assert {"simulate-long", "simulate-usual"} <= set(last.after)
    films = {name: Path("runs/r/films") / name for name in ("long", "usual")}
    assert f"simulated={films['long']}" in last.arguments
    config, _ = compose_config("train", TrainConfig, list(last.arguments[1:]))
    assert config.sets["simulated"].more == [str(films["usual"])]


def test_steps_that_lead_nowhere_are_left_out():
    names = [job.name for job in jobs_of("weights.refiner=[refiner-mixed]", "~weights.detector")]
    assert names == [
        *("simulate-injured", "simulate-frontal", "refiner-simulated"),
        *("refiner-mixed-all", "export-refiner-all"),
    ]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("folds=[5]", "0, 1, 2, 3, 4, all"),
        ("scale=0", "scale=0"),
        ("at_once=0", "at_once=0"),
        ("weights.refiner=[refiner-mixt]", "refiner-mixed"),
        ("weights.refiner=[refiner-simulated]", "weights.refiner"),
        ("weights.refiner=[detector-mixed]", "weights.refiner"),
        ("steps.refiner-mixed.after=detector-simulated", "refiner"),
        ("steps.refiner-mixed.after=refiner-last", "refiner-simulated"),
        ("steps.refiner-mixed.network=finder", "detector, refiner"),
        ("~films.frontal", "films.frontal"),
        ("steps.refiner-mixed.films=[usual,frontal]", "usual, long, metal, injured, operated"),
        ("steps.refiner-mixed.films=[]", "steps.refiner-mixed.films: empty"),
        ("stepz=3", "stepz"),
    ],
)
def test_what_does_not_fit_is_refused(override, said):
    with pytest.raises((InputError, UnknownName)) as caught:
        jobs_of(override)
    assert said in str(caught.value)


def test_from_nothing_to_a_network_and_not_twice(tmp_path, film_set, capsys):
    sizes = ("channels=[8,8,16,16,16]", "width=8", "units=[1,1,1,1,1]")
    small = ("detector_task.rows=64", "detector_task.columns=64", "loop.batch=2")
    marks = f"sets.lumbar.annotations={film_set / 'annotations.json'}"
    command = [
        *(f"data={film_set}", f"out={tmp_path / 'run'}", "scale=0.001", "device=cpu"),
        *("mixed=lumbar", "~weights.refiner"),
        "weights.detector=[detector-mixed]",
        f"films.usual.settings={json.dumps(['mm_per_pixel=1.5'])}",
        f"networks.detector={json.dumps([f'detector.{s}' for s in sizes])}",
        f"common={json.dumps(small)}",
        f"steps.detector-mixed.settings={json.dumps([marks])}",
    ]
    assert recipe(command) == 0
    first = capsys.readouterr().out
    assert "5 jobs, 0 of them done" in first
    assert "5 of 5 done  export-detector-all" in first
    network = tmp_path / "run" / "weights" / "detector.onnx"
    assert Network.load(network).metadata.task == "detector"
    assert recipe(command) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("5 jobs, 5 of them done")
    with pytest.raises(InputError, match="another scale"):
        recipe([*command, "scale=0.002"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data=nowhere", "nowhere/lumbar-laterals/annotations.json: not there"),
        ('steps.refiner-last.settings=["loop.stepz=4"]', "stepz"),
        ("cts=nowhere.json", "nowhere.json"),
    ],
)
def test_what_would_fail_later_is_said_at_once(tmp_path, film_set, override, said):
    data = tmp_path / "data"
    data.mkdir()
    (data / "lumbar-laterals").symlink_to(film_set)
    wanted = ["mixed=no_whole_spine", "~weights.detector"]
    command = [f"data={data}", f"out={tmp_path / 'run'}", *wanted]
    with pytest.raises(InputError, match=re.escape(said)):
        recipe([*command, override])
    assert not (tmp_path / "run").exists()


def test_a_job_that_fails_stops_the_others_and_says_why(tmp_path, monkeypatch):
    out = tmp_path / "run"
    product = out / "films" / "annotations.json"
    slow = ("simulate", "-o", str(product.parent), "-n", "500")
    wrong = ("simulate", "-o", str(tmp_path / "x"), "nonsense=1")
    jobs = (Job("slow", slow, product, units=500), Job("wrong", wrong, tmp_path / "x" / "a.json"))
    monkeypatch.setattr(recipe_run, "plan", lambda config: jobs)
    with pytest.raises(RecipeFailed, match=r"wrong failed \(endplate: .*nonsense"):
        run_recipe(RecipeConfig(out=str(out)), {})
    assert not product.exists()
    assert json.loads((out / "recipe.json").read_text())["done"] == {}


def test_killed_it_ends_its_jobs_and_two_do_not_share_a_folder(tmp_path):
    out = tmp_path / "run"
    script = (
        "import sys; from pathlib import Path; from endplate.train import recipe_run as r;"
        "from endplate.train.recipe import Job, RecipeConfig;"
        "out = Path(sys.argv[1]); made = out / 'films' / 'annotations.json';"
        "job = Job('slow', ('simulate', '-o', str(made.parent), '-n', '2000'), made, units=2000);"
        "r.plan = lambda config: (job,);"
        "r.run_recipe(RecipeConfig(out=str(out)), {})"
    )
    command = [sys.executable, "-P", "-c", script, str(out)]

    def made() -> int:
        return len(list((out / "films" / "images").glob("*.png")))

    def started() -> subprocess.Popen[bytes]:
        before = made()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            if made() > before:
                return process
            time.sleep(0.1)
        raise AssertionError("nothing was simulated")

    first = started()
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "still running there" in second.stderr
    first.terminate()
    assert first.wait(30) != 0
    time.sleep(0.5)
    films = made()
    time.sleep(1.5)
    assert made() == films
    third = started()
    third.kill()  # cannot be caught: its job goes on, and holds the folder
    third.wait(30)
    fourth = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "still running there" in fourth.stderr
    subprocess.run(["pkill", "-f", str(out / "films")], check=False)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "recipe.json").write_text("[]")
    with pytest.raises(InputError, match="not the state of a recipe"):
        recipe([f"out={tmp_path}"])
    assert (tmp_path / "recipe.json").read_text() == "[]"
