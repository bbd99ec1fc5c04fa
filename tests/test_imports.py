"""Which room may import which, and that nothing but training needs PyTorch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]

#: Room -> rooms that it may import, itself apart.
ROOMS: Final[dict[str, set[str]]] = {
    "geometry": set(),
    "imaging": {"geometry"},
    "models": {"geometry"},
    "datasets": {"geometry", "imaging"},
    "study": {"geometry"},
    "reports": {"geometry", "study"},
    "infer": {"geometry", "imaging", "models", "study", "reports"},
    # Evaluation reads films as the shipped program does.
    "train": {"geometry", "imaging", "models", "datasets", "study", "reports", "infer", "configs"},
    "review": {"geometry", "imaging", "models", "datasets", "study", "reports", "infer"},
    "configs": set(),
}
#: What every room may import.
COMMON: Final = {"errors", "checked", "__version__"}
#: The command line reaches these, but only when a command is called.
DEFERRED: Final = {"datasets", "train", "review"}
#: Packages that training needs, and scoring must not.
HEAVY: Final = ("torch", "monai", "hydra", "omegaconf", "onnx", "onnxscript", "tensorboard")
UNWANTED: Final = (*HEAVY, "scipy", "matplotlib", "pandas")


@dataclass(frozen=True)
class Import:
    """One import statement: where, of what, and whether it runs at import time."""

    file: Path
    module: str
    names: tuple[str, ...]
    at_import: bool

    @property
    def rooms(self) -> set[str]:
        """Rooms (or common modules) of endplate that it names."""
        parts = self.module.split(".")
        if parts[0] != "endplate":
            return set()
        return {parts[1]} if len(parts) > 1 else set(self.names)


def imports_of(room: str) -> Iterator[Import]:
    for file in sorted((ROOT / room).rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        inside = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for node in ast.walk(function)
        }
        typing_only = {
            id(node)
            for test in ast.walk(tree)
            if isinstance(test, ast.If) and ast.unparse(test.test).endswith("TYPE_CHECKING")
            for statement in test.body
            for node in ast.walk(statement)
        }
        for node in ast.walk(tree):
            at_import = id(node) not in inside and id(node) not in typing_only
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(file, alias.name, (), at_import)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: relative import"
                names = tuple(alias.name for alias in node.names)
                yield Import(file, node.module or "", names, at_import)


def is_command(file: Path) -> bool:
    """Whether a module belongs to the command line."""
    inside = file.relative_to(ROOT).parts
    return inside[0] == "infer" and (inside[1].startswith("cli") or inside[1] == "commands")


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_they_may(room: str) -> None:
    found = list(imports_of(room))
    assert found or room == "configs"
    for statement in found:
        allowed = ROOMS[room] | COMMON | {room}
        if is_command(statement.file) and not statement.at_import:
            allowed = allowed | DEFERRED
        wrong = statement.rooms - allowed
        assert not wrong, f"{statement.file.relative_to(ROOT)} imports {sorted(wrong)}"


def test_every_room_has_its_rule() -> None:
    rooms = {p.parent.name for p in ROOT.glob("*/__init__.py") if p.parent.name != "src"}
    assert rooms == set(ROOMS)


def test_geometry_needs_numpy_only() -> None:
    for statement in imports_of("geometry"):
        package = statement.module.partition(".")[0]
        known = package in sys.stdlib_module_names or package in ("numpy", "endplate")
        assert known, f"{statement.file.relative_to(ROOT)} imports {package}"


@pytest.mark.parametrize(
    "room", ["geometry", "imaging", "datasets", "infer", "study", "reports", "review"]
)
def test_heavy_packages_stay_in_models_and_train(room: str) -> None:
    for statement in imports_of(room):
        package = statement.module.partition(".")[0]
        assert package not in UNWANTED, f"{statement.file.relative_to(ROOT)} imports {package}"


_BLOCKED = f"""
import importlib.abc, pkgutil, importlib, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {UNWANTED!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
        return None

sys.meta_path.insert(0, Blocker())
"""


def run_blocked(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process in which the packages of training cannot be imported."""
    command = [sys.executable, "-P", "-c", _BLOCKED + code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_everything_but_training_imports_without_its_packages() -> None:
    rooms = ["geometry", "imaging", "datasets", "infer", "study", "reports"]
    code = f"""
import endplate
for room in {rooms!r}:
    package = importlib.import_module(f"endplate.{{room}}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
"""
    done = run_blocked(code)
    assert done.returncode == 0, done.stderr


def test_the_command_line_works_without_the_packages_of_training(tmp_path: Path) -> None:
    annotations = ROOT / "tests" / "infer" / "golden" / "annotations.json"
    code = f"""
from endplate.infer.cli import main
assert main(["--help"]) == 0
assert main(["measure", {str(annotations)!r}]) == 0
assert main(["info"]) == 0
raise SystemExit(main(["train", "a=b"]))
"""
    done = run_blocked(code)
    assert done.returncode == 2, done.stderr
    assert "Vertebral kyphosis" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("endplate: endplate train needs the package ")
    assert "pip install 'endplate[train]'" in line


def test_the_command_line_starts_without_loading_much() -> None:
    code = """
from endplate.infer.cli import main
main(["--help"])
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"numpy", "cv2", "onnxruntime", "pydicom"}))
"""
    done = run_blocked(code)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
