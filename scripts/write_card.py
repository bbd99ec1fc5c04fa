"""Write the model card and the README's table: ``scripts/write_card.py EVALUATION WEIGHTS``.

EVALUATION is the output folder of ``endplate evaluate``; WEIGHTS holds the ONNX files and
``history.md``. Figures come from EVALUATION alone, those on slabs of CT from the
``slab_calibration.json`` of WEIGHTS.
"""

import json
import sys
from pathlib import Path

from endplate.train.card import write_card
from endplate.train.slab_card import write_slabs
from endplate.train.tables import readme_markdown

START, END = "<!-- accuracy -->\n", "<!-- end of accuracy -->\n"


def fill_readme(accuracy: Path) -> None:
    """Put the table between the two marks of the README."""
    readme = Path(__file__).resolve().parent.parent / "README.md"
    before, rest = readme.read_text().split(START)
    after = rest.split(END)[1]
    table = readme_markdown(json.loads(accuracy.read_text()))
    readme.write_text(before + START + table + END + after)


if __name__ == "__main__":
    evaluation, weights = (Path(argument) for argument in sys.argv[1:])
    write_card(evaluation, weights, (weights / "history.md").read_text())
    write_slabs(weights)
    fill_readme(weights / "accuracy.json")
