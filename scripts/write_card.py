"""Write the model card and its metadata: ``python scripts/write_card.py EVALUATION WEIGHTS``.

EVALUATION is the output folder of ``endplate evaluate``; WEIGHTS holds the ONNX files and
``history.md``. Figures of the card come from EVALUATION alone.
"""

import sys
from pathlib import Path

from endplate.train.card import write_card

if __name__ == "__main__":
    evaluation, weights = (Path(argument) for argument in sys.argv[1:])
    write_card(evaluation, weights, (weights / "history.md").read_text())
