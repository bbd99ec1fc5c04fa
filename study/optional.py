"""Packages of an extra, imported when they are needed."""

from importlib import import_module
from typing import Any

from endplate.errors import MissingDependency

__all__ = ["optional"]


def optional(module: str, extra: str, what: str) -> Any:
    """The module, which the extra brings.

    Raises
    ------
    MissingDependency
        If it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependency(module.partition(".")[0], extra, what) from error
