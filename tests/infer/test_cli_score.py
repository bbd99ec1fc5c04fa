"""``endplate score`` around the networks: files, names, statuses, identity, bad inputs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from endplate.errors import InputError
from endplate.imaging.radiograph import Radiograph
from endplate.infer import cli, cli_score
from endplate.infer.cli_score import exit_status
from endplate.infer.outputs import stem_of
from endplate.reports.reading_json import read_reading, reading_schema
from endplate.study.reading import Quality, Reading, Reason

Capture = pytest.CaptureFixture[str]


class FakeReader:
    """Stands for the networks: gives the made-up reading for every film; black ones are rejected,
    white ones make it fail.
    """

    template: Reading
    calls: list[dict[str, Any]]

    def __init__(self, weights: Path | None = None, **settings: Any) -> None:
        self.calls.append(settings)

    def read(self, radiograph: Radiograph, **wishes: Any) -> Reading:
        self.calls.append(wishes)
        if radiograph.pixels.min() == 255:
            raise RuntimeError("out\nof order")
        source = replace(
            self.template.source,
            path=radiograph.path,
            sha256=radiograph.sha256,
            rows=radiograph.rows,
            columns=radiograph.columns,
        )
        found = replace(self.template, source=source, calibration=radiograph.calibration)
        if radiograph.pixels.max() == 0:
            rejected = Quality("rejected", (Reason("not_a_spine", "No spine was found."),))
            return replace(found, quality=rejected, vertebrae=(), measurements=())
        return found


@pytest.fixture(autouse=True)
def fake(reading: Reading, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[FakeReader]:
    monkeypatch.setattr(FakeReader, "template", reading, raising=False)
    monkeypatch.setattr(FakeReader, "calls", [], raising=False)
    monkeypatch.setattr(cli_score, "FilmReader", FakeReader)
    monkeypatch.chdir(tmp_path)
    return FakeReader


def film(path: str, grey: int = 100) -> str:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(target), np.full((700, 500), grey, np.uint8))
    return path


def run(*arguments: str) -> int:
    return cli.main(["score", *arguments])


def names(folder: str) -> set[str]:
    return {p.name for p in Path(folder).iterdir()}


def test_files_and_table(capsys: Capture) -> None:
    assert run(film("in/a.png"), "--index", "L1", "--spacing", "0.2,0.2") == 0
    assert names("endplate-output") == {"a.json", "a-overlay.png", "a.html"}
    values = json.loads(Path("endplate-output/a.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(reading_schema()).validate(values)
    assert values["calibration"]["source"] == "user"
    out = capsys.readouterr().out
    assert "Vertebral kyphosis" in out
    assert "Wrote endplate-output/a.json" in out
    picture = cv2.imread("endplate-output/a-overlay.png")
    assert picture is not None
    assert picture.shape[0] > 1600


def test_less_can_be_written() -> None:
    assert run(film("a.png"), "-o", "out", "--no-overlay", "--no-report") == 0
    assert names("out") == {"a.json"}


def test_json_alone_goes_to_standard_output(capsys: Capture) -> None:
    assert run(film("a.png"), "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "endplate/reading/1"
    assert not Path("endplate-output").exists()
    assert run("a.png", film("b.png"), "--json", "-", "-o", "out") == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert "a.json" in names("out")
    assert run("a.png", "--json", "all.json") == 0
    assert read_reading("all.json").id == "made-up"


def test_no_film_overwrites_the_files_of_another() -> None:
    same = [film("one/a.png"), film("two/a.png", 101)]
    assert run(*same, "-o", "out") == 0
    assert {"a.json", "a-2.json", "a-2-overlay.png", "a-2.html"} <= names("out")
    assert run(*reversed(same), "-o", "out") == 0
    assert len(names("out")) == 6, "each finds its own files of the earlier run again"
    first = read_reading("out/a.json").source.sha256
    Path("out/a.json").write_text("notes of my own", encoding="utf-8")
    assert run(same[0], "-o", "out") == 0
    assert Path("out/a.json").read_text("utf-8") == "notes of my own"
    assert read_reading("out/a-3.json").source.sha256 == first


def test_an_input_is_never_overwritten() -> None:
    inputs = [film("a.png"), film("a-overlay.png", 101)]
    before = [Path(p).read_bytes() for p in inputs]
    assert run(*inputs, "-o", ".") == 0
    assert [Path(p).read_bytes() for p in inputs] == before


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("a/chest.nii.gz", "chest"),
        ("STUDY.ZIP", "STUDY"),
        ("x/film.dcm", "film"),
        ("film.one.PNG", "film.one"),
        ("1.2.840.113619.2", "1.2.840.113619.2"),
        ("IM0001", "IM0001"),
        (".png", ".png"),
        ("y" * 300, "y" * 120),
    ],
)
def test_stems(path: str, stem: str) -> None:
    assert stem_of(path) == stem


def test_identity_is_off_by_default() -> None:
    assert run(film("Doe^John/a.png"), "-o", "out") == 0
    assert run("Doe^John/a.png", "-o", "kept", "--keep-identity") == 0
    source = read_reading("out/a.json").source
    assert (source.path, source.patient_id, source.study_uid) == ("a.png", "", "")
    assert b"Doe" not in b"".join(p.read_bytes() for p in Path("out").iterdir())
    kept = read_reading("kept/a.json").source
    assert (kept.path, kept.patient_id) == ("Doe^John/a.png", "P-1")


def test_one_bad_input_costs_no_other_its_result(capsys: Capture) -> None:
    Path("bad.dcm").write_bytes(b"text renamed")
    Path("folder").mkdir()
    inputs = ["bad.dcm", "none.png", "folder", film("white.png", 255), film("good.png")]
    assert run(*inputs, "-o", "out") == 1
    captured = capsys.readouterr()
    assert {"good.json", "good-overlay.png", "good.html"} == names("out")
    lines = captured.err.splitlines()
    assert len(lines) == 4, "one sentence for each"
    for line, path in zip(lines, inputs, strict=False):
        assert line.startswith(f"endplate: {path}: ")
    assert "unexpected RuntimeError (out of order)" in lines[3]
    assert "Traceback" not in captured.err


def test_all_inputs_bad(capsys: Capture) -> None:
    Path("bad.dcm").write_bytes(b"")
    assert run("bad.dcm") == 2
    assert run("bad.dcm", "none.png", "--json", "-") == 2
    assert capsys.readouterr().out == ""
    assert not Path("endplate-output").exists()


def test_a_rejected_film_has_its_reading_and_status_3(capsys: Capture) -> None:
    assert run(film("black.png", 0)) == 3
    assert read_reading("endplate-output/black.json").quality.status == "rejected"
    assert "No spine was found." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("inputs", "failures", "rejected", "status"),
    [
        (1, 0, 0, 0),
        (1, 1, 0, 2),
        (1, 0, 1, 3),
        (3, 0, 1, 3),
        (3, 1, 0, 1),
        (3, 1, 2, 1),
        (3, 3, 0, 2),
    ],
)
def test_exit_status(inputs: int, failures: int, rejected: int, status: int) -> None:
    assert exit_status(inputs, failures, rejected) == status


def test_wishes_reach_the_reader(fake: type[FakeReader]) -> None:
    arguments = ["--index", "T12", "--levels", "L1@10.5,20", "--provider", "cpu", "--threads", "2"]
    assert run(film("a.png"), *arguments, "--json", "-") == 0
    made, asked = fake.calls
    assert made == {"provider": "cpu", "threads": 2}
    assert asked["index_level"] == "T12"
    (anchor,) = asked["anchors"]
    assert (anchor.level, anchor.x, anchor.y) == ("L1", 10.5, 20.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--index", "L9"], "unknown level 'L9'"),
        (["--levels", "L1"], "expected LEVEL@x,y"),
        (["--levels", "L1@1,2", "b.png"], "--levels names a place on one film"),
        (["--spacing", "-1,1"], "spacing"),
        (["--threads", "x"], "Invalid value for '--threads'"),
        (["-o", "a.png"], "a.png: cannot be written to"),
    ],
)
def test_wrong_use(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(film("a.png"), *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1


def test_networks_that_cannot_be_loaded_are_said_once(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise InputError("detector.onnx: no such network")

    monkeypatch.setattr(cli_score, "FilmReader", missing)
    assert run(film("a.png"), film("b.png")) == 2
    assert capsys.readouterr().err == "endplate: detector.onnx: no such network\n"


def test_demo(capsys: Capture) -> None:
    status = cli.main(["demo", "-o", "demo"])
    captured = capsys.readouterr()
    if status == 2 and "no sample film" in captured.err:
        pytest.skip("the sample film is not there yet")
    assert status == 0
    assert "sample-overlay.png" in captured.out
    assert {"sample.json", "sample-overlay.png", "sample.html"} == names("demo")


def test_info(capsys: Capture) -> None:
    assert cli.main(["info", "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert "cpu" in info["providers"]
    assert info["codecs"]["JPEG 2000 lossless"]
    assert cli.main(["info"]) == 0
    assert "providers" in capsys.readouterr().out
