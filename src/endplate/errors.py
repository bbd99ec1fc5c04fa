"""Every error that endplate raises on purpose.

EndplateError
|-- InputError            a file, a tag or a value from outside cannot be used
|   |-- UnreadableImage   the file is no image that can be decoded
|   |-- UnreachableFile   the operating system does not give the file
|   `-- AnnotationError   a landmark file breaks its format
|-- UnknownName           a level, measure, option or provider that does not exist
|-- GeometryError         landmarks from which nothing can be measured
`-- MissingDependency     an optional package is needed: the message says which extra
"""

from collections.abc import Iterable

__all__ = [
    "AnnotationError",
    "EndplateError",
    "GeometryError",
    "InputError",
    "MissingDependency",
    "UnknownName",
    "UnreachableFile",
    "UnreadableImage",
]


class EndplateError(Exception):
    """Root of all errors raised on purpose; its text is one sentence for the user."""


class InputError(EndplateError):
    """A file, a tag or a value from outside cannot be used."""


class UnreadableImage(InputError):
    """The file is not an image that can be decoded."""


class UnreachableFile(InputError):
    """A file is not there, or the operating system does not give it: that may change."""


class AnnotationError(InputError):
    """A landmark file breaks its format."""


class UnknownName(EndplateError):
    """A name that does not exist; the message lists those that do.

    Parameters
    ----------
    kind : str
        What was named, such as ``"level"``.
    name : object
        The name that was given.
    valid : iterable of str
        The names that exist, in the order in which they are to be listed.
    """

    def __init__(self, kind: str, name: object, valid: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; valid: {', '.join(valid)}")


class GeometryError(EndplateError):
    """Landmarks from which nothing can be measured."""


class MissingDependency(EndplateError):
    """An optional package is needed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, what: str) -> None:
        super().__init__(f"{what} needs the package {package}: pip install 'endplate[{extra}]'")
