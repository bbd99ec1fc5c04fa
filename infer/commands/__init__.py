"""Commands that have a file of their own."""

import typer

from endplate.infer.commands import agree, followup

__all__ = ["register_commands"]


def register_commands(app: typer.Typer) -> None:
    """Add them to the application."""
    agree.register(app)
    followup.register(app)
