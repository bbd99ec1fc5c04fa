"""``endplate simulate``: a data set of simulated films, its mix set by ``KEY=VALUE``."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from endplate.errors import InputError, UnknownName
from endplate.infer.terminal import show

if TYPE_CHECKING:
    from endplate.datasets.simulator.settings import SimulatorSettings

__all__ = ["parse_settings", "simulate"]

_WEIGHTS: Final = "fields_of_view"


def simulate(
    output: Path, count: int, seed: int, settings: Sequence[str], workers: int, dicom: bool
) -> int:
    """Write the films; returns the exit status.

    `settings` are texts such as ``fractured=0.8`` or ``fields_of_view.whole=1``, see
    `SimulatorSettings`.
    """
    from endplate.datasets.simulator.api import simulate_set

    chosen = parse_settings(settings)
    try:
        path = simulate_set(output, count, seed, chosen, workers, dicom)
    except OSError as error:
        raise InputError(f"{output}: cannot be written to: {error.strerror}") from error
    show(f"Wrote {count} films and their landmarks: {path}")
    return 0


def parse_settings(texts: Sequence[str]) -> "SimulatorSettings":
    """Settings of the simulator from ``KEY=VALUE``.

    A weight that is named (``fields_of_view.lumbar=1``) puts those not named to 0.

    Raises
    ------
    EndplateError
        If a text is no such pair, the key does not exist or the value is not of its kind.
    """
    from endplate.datasets.simulator.settings import FIELDS_OF_VIEW, SimulatorSettings

    defaults = SimulatorSettings()
    kinds = {f.name: type(getattr(defaults, f.name)) for f in fields(defaults)}
    del kinds[_WEIGHTS]
    valid = (*kinds, *(f"{_WEIGHTS}.{name}" for name in FIELDS_OF_VIEW))
    chosen: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{text!r}: expected KEY=VALUE, such as fractured=0.8")
        if key not in valid:
            raise UnknownName("setting", key, valid)
        if key in kinds:
            chosen[key] = _convert(key, value, kinds[key])
        else:
            weights = chosen.setdefault(_WEIGHTS, {})
            weights[key.partition(".")[2]] = _convert(key, value, float)
    return SimulatorSettings(**chosen)


def _convert(key: str, value: str, kind: type) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise InputError(f"{key}={value}: expected a number") from None
