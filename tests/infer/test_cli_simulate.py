"""``endplate simulate`` as a user meets it."""

from pathlib import Path

import pytest

from endplate.datasets.coco import load_films
from endplate.infer import cli
from endplate.infer.cli_simulate import parse_settings


def test_a_small_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "films"
    wishes = ["mm_per_pixel=1.5", "fields_of_view.short=1"]
    assert cli.main(["simulate", "-o", str(out), "-n", "2", "--seed", "5", *wishes]) == 0
    assert "Wrote 2 films" in capsys.readouterr().out
    first, second = load_films(out / "annotations.json")
    assert first.complete
    assert second.spacing_mm == (1.5, 1.5)


def test_settings() -> None:
    settings = parse_settings(
        ["fractured=0.8", "bits=16", "view=frontal", "fields_of_view.whole=2"]
    )
    assert (settings.fractured, settings.bits, settings.view) == (0.8, 16, "frontal")
    assert settings.fields_of_view == {"whole": 2.0}


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("fractured", "expected KEY=VALUE"),
        ("nonsense=1", "unknown setting 'nonsense'; valid: mm_per_pixel"),
        ("fractured=often", "fractured=often: expected a number"),
        ("fractured=2", "fractured is 2.0: expected a share"),
        ("view=oblique", "unknown view 'oblique'"),
        ("fields_of_view.neck=1", "unknown setting"),
    ],
)
def test_wrong_settings(
    tmp_path: Path, wish: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", "-o", str(tmp_path / "x"), wish]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert cli.main(["simulate", "-o", str(tmp_path / "file" / "x")]) == 2
    assert "cannot be written to" in capsys.readouterr().err
