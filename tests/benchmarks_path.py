"""Programs of the folder ``benchmarks``, which is no package, as modules."""

import importlib.util
from pathlib import Path
from types import ModuleType

__all__ = ["load_benchmark"]


def load_benchmark(name: str) -> ModuleType:
    """The module of ``benchmarks/NAME.py``."""
    path = Path(__file__).resolve().parents[1] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
