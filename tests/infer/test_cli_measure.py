"""``endplate measure`` and what all commands share, as a user meets them."""

import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from endplate import __version__
from endplate.infer import cli
from endplate.reports.reading_json import reading_schema

GOLDEN: Final = Path(__file__).parent / "golden"
ANNOTATIONS: Final = str(GOLDEN / "annotations.json")

Capture = pytest.CaptureFixture[str]


def run(*arguments: str) -> int:
    return cli.main(list(arguments))


def one_sentence(captured: Any) -> str:
    """The only line on standard error; nothing on standard output."""
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("endplate: ")
    assert "Traceback" not in line
    return str(line)


def test_tables_as_ever(capsys: Capture) -> None:
    # After a wanted change: endplate measure annotations.json --index L1 | sed 's/ *$//'
    assert run("measure", ANNOTATIONS, "--index", "L1") == 0
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    expected = (GOLDEN / "measure.txt").read_text(encoding="utf-8").splitlines()
    assert shown == expected


def test_values_as_ever(capsys: Capture) -> None:
    assert run("measure", ANNOTATIONS, "--index", "L1", "--image", "wedge.png", "--json", "-") == 0
    reading = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(reading_schema()).validate(reading)
    found = {f"{m['name']} {m['level']}": m["value"] for m in reading["measurements"]}
    expected = json.loads((GOLDEN / "wedge.json").read_text(encoding="utf-8"))
    assert {name: found.get(name) for name in expected} == pytest.approx(expected, abs=2e-4)
    assert reading["reader"]["kind"] == "person"
    assert reading["calibration"] == {
        "spacing_mm": [0.3, 0.25],
        "source": "unknown",
        "magnification": None,
        "aspect": 1.0,
    }
    assert reading["source"]["facing"] == "right"


def test_several_films_are_a_list_and_the_spacing_of_the_user_wins(
    tmp_path: Path, capsys: Capture
) -> None:
    target = tmp_path / "out.json"
    assert run("measure", ANNOTATIONS, "--spacing", "0.2", "--json", str(target)) == 0
    assert "Vertebral kyphosis" in capsys.readouterr().out
    wedge, plain = json.loads(target.read_text(encoding="utf-8"))
    assert wedge["calibration"]["spacing_mm"] == [0.2, 0.2]
    assert wedge["calibration"]["source"] == "user"
    assert plain["source"]["path"] == "more/plain.png"
    assert plain["source"]["facing"] == "left"
    assert plain["quality"]["status"] == "flagged"


def test_without_spacing_there_are_no_millimetres(capsys: Capture) -> None:
    assert run("measure", ANNOTATIONS, "--image", "plain.png", "--json", "-") == 0
    reading = json.loads(capsys.readouterr().out)
    assert {m["unit"] for m in reading["measurements"]} <= {"deg", "ratio", "%", "grade"}


def test_the_same_file_gives_the_same_reading(capsys: Capture) -> None:
    ids = set()
    for _ in range(2):
        run("measure", ANNOTATIONS, "--image", "wedge.png", "--json", "-")
        ids.add(json.loads(capsys.readouterr().out)["id"])
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "none.png"], "unknown image in annotations.json 'none.png'; valid: wedge.png"),
        (["--image", "empty.png"], "empty.png has no vertebra"),
        (["--index", "L9"], "unknown level 'L9'; valid: C7, T1"),
        (["--spacing", "a,b"], "--spacing 'a,b': expected R,C in mm"),
        (["--spacing", "1,2,3"], "expected R,C in mm"),
        (["--spacing", "nan"], "pixel spacing (nan, nan) mm: expected two numbers"),
        (["--spacing", "0"], "expected two numbers"),
        (["--nonsense"], "No such option: --nonsense; see endplate measure --help"),
        (["--json", "no/such/folder/x.json", "--image", "wedge.png"], "cannot be written"),
    ],
)
def test_wrong_use_is_one_sentence(arguments: list[str], message: str, capsys: Capture) -> None:
    assert run("measure", ANNOTATIONS, *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b"\x00\xff", b'{"images": [], "annotations": []}']
)
def test_unreadable_annotations_are_one_sentence(
    tmp_path: Path, content: bytes | None, capsys: Capture
) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    assert run("measure", str(path)) == 2
    assert "x.json" in one_sentence(capsys.readouterr())


def test_levels_in_the_wrong_order_on_one_film_do_not_stop_the_others(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from endplate.errors import GeometryError
    from endplate.infer import cli_measure

    real = cli_measure.reading_of

    def failing(film: Any, *rest: Any) -> Any:
        if film.file_name == "wedge.png":
            raise GeometryError("levels out of order")
        return real(film, *rest)

    monkeypatch.setattr(cli_measure, "reading_of", failing)
    assert run("measure", ANNOTATIONS) == 1
    captured = capsys.readouterr()
    assert captured.err == "endplate: annotations.json: wedge.png: levels out of order\n"
    assert "more/plain.png" in captured.out
    assert run("measure", ANNOTATIONS, "--image", "wedge.png") == 2


def test_version_and_help(capsys: Capture) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"endplate {__version__}\n"
    for command in ("score", "measure", "info", "demo", "simulate", "train", "evaluate", "export"):
        assert run(command, "--help") == 0
        assert command in capsys.readouterr().out


def test_unknown_command(capsys: Capture) -> None:
    assert run("sorce") == 2
    assert one_sentence(capsys.readouterr()) == (
        "endplate: No such command 'sorce'. Did you mean 'score'? see endplate --help"
    )


def test_a_fault_of_ours_is_a_sentence_and_a_traceback_only_on_request(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from endplate.infer import cli_measure

    def broken(*_: Any, **__: Any) -> int:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(cli_measure, "measure_file", broken)
    assert run("measure", ANNOTATIONS) == 2
    line = one_sentence(capsys.readouterr())
    assert "unexpected ZeroDivisionError (by zero)" in line
    assert "--debug" in line
    assert run("measure", ANNOTATIONS, "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_interrupt(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    from endplate.infer import cli_measure

    def interrupted(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_measure, "measure_file", interrupted)
    assert run("measure", ANNOTATIONS) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_the_data_set_is_measured(data_dir: Path, capsys: Capture) -> None:
    for name in ("lumbar-laterals", "whole-spine-laterals"):
        assert run("measure", str(data_dir / name / "annotations.json"), "--json", "-") == 0
        validator = jsonschema.Draft202012Validator(reading_schema())
        for reading in json.loads(capsys.readouterr().out):
            validator.validate(reading)
