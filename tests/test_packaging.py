"""What goes into the package: folders, data files, public names."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

import endplate

ROOT: Final = Path(__file__).resolve().parents[1]
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS: Final[dict[str, Any]] = PROJECT["tool"]["setuptools"]
FOLDERS: Final[dict[str, str]] = SETUPTOOLS["package-dir"]
NOT_PACKAGED: Final = {"tests", "benchmarks", "docs", "scripts", "build", "src"}


def folder_of(package: str) -> Path:
    """Folder of a package: that of its nearest listed ancestor, and the rest of its name."""
    parts = package.split(".")
    for end in range(len(parts), 0, -1):
        known = FOLDERS.get(".".join(parts[:end]))
        if known is not None:
            return ROOT.joinpath(known, *parts[end:])
    raise AssertionError(f"{package} has no folder in package-dir")


def modules() -> list[Path]:
    return sorted(p for package in SETUPTOOLS["packages"] for p in folder_of(package).glob("*.py"))


def test_every_folder_with_an_init_is_a_package() -> None:
    listed = {folder_of(package) for package in SETUPTOOLS["packages"]}
    found = {
        p.parent
        for p in ROOT.rglob("__init__.py")
        if not p.relative_to(ROOT).parts[0].startswith(".")
        and p.relative_to(ROOT).parts[0] not in NOT_PACKAGED
    }
    assert found | {ROOT / "src" / "endplate"} == listed


def test_every_room_is_mapped_and_linked_for_the_type_checker() -> None:
    rooms = {p for p in SETUPTOOLS["packages"] if p.count(".") == 1}
    mapped = {p: folder for p, folder in FOLDERS.items() if p != "endplate"}
    assert rooms <= set(mapped)
    for package, folder in mapped.items():
        assert folder == package.removeprefix("endplate.").replace(".", "/")
    links = ROOT / ".typecheck" / "endplate"
    for name in [p.partition(".")[2] for p in rooms]:
        assert (links / name).resolve() == ROOT / name
    for file in (ROOT / "src" / "endplate").glob("*.py"):
        assert (links / file.name).resolve() == file


def test_data_files_are_packaged() -> None:
    patterns: dict[str, list[str]] = SETUPTOOLS["package-data"]
    packaged = {
        p for name, globs in patterns.items() for g in globs for p in folder_of(name).glob(g)
    }
    data = {
        p
        for package in SETUPTOOLS["packages"]
        for p in folder_of(package).rglob("*")
        if p.suffix in (".csv", ".json", ".yaml", ".onnx", ".dcm", ".md", ".html")
    }
    assert {p.name for p in data - packaged} == set()


def test_versions_agree() -> None:
    assert PROJECT["project"]["version"] == endplate.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## {endplate.__version__}" in changelog


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_public_names_are_defined(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    defined: set[str] = set()
    public: list[str] | None = None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            defined |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {x.id for t in targets for x in ast.walk(t) if isinstance(x, ast.Name)}
            defined |= names
            if "__all__" in names and node.value is not None:
                public = ast.literal_eval(node.value)
    assert ast.get_docstring(tree) or not tree.body, "a module says what it is for"
    if public is None:
        assert path.name in ("__init__.py", "__main__.py"), "a module says what is public"
        return
    assert len(set(public)) == len(public)
    assert set(public) <= defined


def test_the_lock_pins_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins[0].startswith("torch=="), "so that a plain build of PyTorch is taken"
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[^ ]+", pin) for pin in pins)
    pinned = {_normal(pin.partition("==")[0]) for pin in pins}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *extras["train"], *extras["dev"]]
    names = {_normal(re.split(r"[\[<>=!~; ]", text)[0]) for text in wanted} - {"endplate"}
    assert names - pinned == set()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
