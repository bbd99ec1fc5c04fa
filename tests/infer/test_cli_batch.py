"""The commands ``batch`` and ``pseudonymise`` as they are typed."""

from pathlib import Path

import pytest
from pydicom import dcmread

from endplate.imaging.pseudonyms import Pseudonyms
from endplate.infer.cli import main

from .batch_export import film


def test_rules_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "--print-rules"]) == 0
    assert "[[rule]]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nothing-there", "-o", "out"], "no such network|cannot be scanned"),
        ([".", "-o", "out", "--engine", "spark"], "valid: local, dask"),
        ([".", "-o", "out", "--index", "L9"], "L9"),
        ([".", "-o", "out", "--rules", "none.toml"], "none.toml"),
        ([".", "-o", "s3://bucket/out"], "--private"),
        ([".", "-o", "out", "--store", "oracle://host/x"], "SQLite or PostgreSQL"),
    ],
)
def test_wrong_use_is_one_sentence(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["batch", *arguments]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "scanning" not in x]
    assert any(word in line for word in named.split("|"))


def test_films_are_copied_without_identity(tmp_path: Path) -> None:
    pytest.importorskip("dicomanonymizer", reason="needs the extra privacy")
    root = tmp_path / "export"
    root.mkdir()
    (root / "film").write_bytes(film(3, PatientID="SECRET"))
    (root / "slice").write_bytes(film(4, Modality="CT"))
    (root / "broken").write_bytes(film(5)[:300])
    key = tmp_path / "key"
    status = main(["pseudonymise", str(root), "-o", str(tmp_path / "out"), "--key", str(key)])
    copies = list((tmp_path / "out").rglob("*.dcm"))
    hidden = Pseudonyms(bytes.fromhex(key.read_text()))
    assert hidden.subject("SECRET") in {str(dcmread(c).PatientID) for c in copies}
    assert status == 1
    assert len(copies) == 1
