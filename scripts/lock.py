"""Write constraints.txt: the versions, in this environment, of all that endplate depends on.

Run it with the Python of an environment that has ``.[train,dev]`` installed and tested::

    .venv/bin/python scripts/lock.py
"""

import re
from importlib import metadata
from pathlib import Path

EXTRAS = ("train", "dev")


def normal(name: str) -> str:
    """Name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(package: str, extras: tuple[str, ...] = ()) -> dict[str, str]:
    """Installed versions of all that `package` needs here, by normal name."""
    found: dict[str, str] = {}
    todo = [(package, extras)]
    while todo:
        name, wanted = todo.pop()
        for text in metadata.requires(name) or ():
            requirement, _, marker = text.partition(";")
            match = re.match(r"[A-Za-z0-9_.-]+", requirement.strip())
            if match is None or not _applies(marker, wanted):
                continue
            inner = re.search(r"\[([^\]]*)\]", requirement)
            key = normal(match[0])
            if key in found and not inner:
                continue
            try:
                found[key] = metadata.version(key)
            except metadata.PackageNotFoundError:
                continue  # for another platform or version of Python
            todo.append((key, tuple(inner[1].split(",")) if inner else ()))
    return found


def _applies(marker: str, extras: tuple[str, ...]) -> bool:
    """Whether a requirement is meant; other conditions than extras show in what is installed."""
    asked = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
    return asked is None or asked[1] in extras


def main() -> None:
    """Write the file."""
    pins = needed("endplate", EXTRAS)
    pins.pop("endplate", None)
    # Without its local part, which names a build for some hardware.
    torch = pins.pop("torch").partition("+")[0]
    lines = [
        "# Versions with which endplate was tested; written by scripts/lock.py.",
        f"torch=={torch}",
        *(f"{name}=={version}" for name, version in sorted(pins.items())),
    ]
    target = Path(__file__).resolve().parents[1] / "constraints.txt"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
