"""Put the figures of the calibration of slabs into docs/ct.md and the model card.

Usage: ``scripts/write_slabs.py``, after ``python -m endplate.train.calibrate_slabs``.
"""

from pathlib import Path

from endplate.infer.pipeline import SLAB_CALIBRATION
from endplate.models.slab_calibration import SlabCalibration
from endplate.train.slab_card import fill_between, slab_markdown, write_slabs

if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    weights = root / "models" / "weights"
    path = weights / SLAB_CALIBRATION
    calibration = SlabCalibration.from_json(path.read_text(), str(path))
    fill_between(root / "docs" / "ct.md", slab_markdown(calibration))
    write_slabs(weights)
