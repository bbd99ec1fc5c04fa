"""Every command in the documentation is one that endplate takes."""

import contextlib
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main
from typer import Exit

from endplate.infer.cli import app

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")]
)
#: Commands of training, and the schema that holds their settings.
SCHEMAS: Final = {
    "train": ("train.config", "TrainConfig"),
    "recipe": ("train.recipe", "RecipeConfig"),
    "evaluate": ("train.evaluate", "EvaluateConfig"),
    "accuracy": ("train.report.build", "AccuracyConfig"),
    "export": ("train.export", "ExportConfig"),
}


def documented() -> Iterator[tuple[str, str]]:
    """Page and command, without comments, of every line of code that calls endplate."""
    for page in PAGES:
        fences = re.findall(r"^```[^\n]*\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)
        # within the text a command may be named by its option alone; a setting must exist there too
        trained = rf"`(endplate (?:{'|'.join(SCHEMAS)}) [^`]*)`"
        ticks = re.findall(trained, page.read_text("utf-8"))
        lines = "\n".join(fences).replace("\\\n", " ").splitlines()
        for line in (*lines, *(" ".join(tick.split()) for tick in ticks)):
            command = re.split(r"\s#|\s[|>&;]\s|;\s", line.strip())[0]
            if command.startswith("endplate ") and "..." not in command:
                yield page.name, re.sub(r" \[(--[^\]]*)\]", r" \1", command)


COMMANDS: Final = sorted(set(documented()))


def test_the_documentation_has_commands() -> None:
    assert len(COMMANDS) > 60


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_documented_command_is_understood(page: str, command: str) -> None:
    verb, *arguments = shlex.split(command.replace("$f", "0"))[1:]
    group: Any = typer.main.get_command(app)
    context = group.make_context("endplate", [verb, *arguments], resilient_parsing=True)
    assert verb in group.list_commands(context), f"{page}: no command {verb}"
    own = group.get_command(context, verb)
    with contextlib.suppress(Exit):  # an option that answers by itself
        own.make_context(verb, list(arguments), parent=context)
    if verb in SCHEMAS:
        _compose(verb, arguments)


def _compose(verb: str, overrides: list[str]) -> None:
    pytest.importorskip("hydra", reason="needs the extra train")
    from endplate.train.config import compose_config

    module, name = SCHEMAS[verb]
    schema = getattr(importlib.import_module(f"endplate.{module}"), name)
    needed = ["checkpoint=x", "out=y"] if verb == "export" else []
    compose_config(verb, schema, [*needed, *overrides])
