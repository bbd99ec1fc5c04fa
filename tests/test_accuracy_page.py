"""docs/accuracy.md is what the figures beside it say, and is linked from where people look."""

from pathlib import Path

from endplate.train.report.page import render_page

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "accuracy"


def test_the_page_agrees_with_its_figures() -> None:
    made = render_page(FOLDER)
    assert (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8") == made, (
        "docs/accuracy.md is not what docs/accuracy/*.json and notes.md say:"
        " endplate accuracy 'steps=[]' writes it anew"
    )
    assert "](accuracy/points.svg)" in made


def test_the_pictures_are_there_and_small() -> None:
    shown = (ROOT / "docs" / "accuracy.md").read_text().split("](accuracy/")[1:]
    for name in (text.partition(")")[0] for text in shown):
        assert (FOLDER / name).is_file(), name
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 1.5e6


def test_the_page_is_linked() -> None:
    assert "(docs/accuracy.md)" in (ROOT / "README.md").read_text()
