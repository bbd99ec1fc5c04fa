"""The bench of the quality gate, as `benchmarks/gate.py` has left it, for the page."""

from pathlib import Path
from typing import Final

__all__ = ["gate_section"]

_INTRODUCTION: Final = """
### On the bench of the gate

Images that are to be rejected, real and drawn, and laterals, most of them damaged on purpose, that
are to be read and flagged: `python benchmarks/gate.py --data DIR --weights runs/folds/FOLD`. Films
are read by the networks of their fold.
"""


def gate_section(folder: Path) -> list[str]:
    """Tables and curves of the bench; none if it was not run."""
    table = folder / "gate.md"
    if not table.is_file():
        return []
    blocks = [_INTRODUCTION, table.read_text(encoding="utf-8")]
    if (folder / "gate.svg").is_file():
        blocks.append(f"![Curves of the quality gate]({folder.name}/gate.svg)")
    return blocks
