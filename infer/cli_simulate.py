"""``endplate simulate``: a data set of simulated films, its mix set by ``KEY=VALUE``."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from endplate.errors import InputError, UnknownName
from endplate.infer.terminal import show

if TYPE_CHECKING:
    from endplate.datasets.simulator.settings import SimulatorSettings

__all__ = ["parse_settings", "simulate", "simulate_cts"]

_WEIGHTS: Final = "fields_of_view"
_DEFAULT_FRACTURED: Final = 0.5


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


def simulate_cts(
    output: Path,
    cts: Path,
    count: int,
    seed: int,
    kind: str,
    settings: Sequence[str],
    workers: int,
) -> int:
    """Write films or slabs made of CTs; returns the exit status.

    `settings` may hold ``fractured=SHARE``.
    """
    from endplate.datasets.ct_simulator.api import read_pairs, simulate_ct_set

    fractured = _DEFAULT_FRACTURED
    for key, value in _pairs(settings):
        if key != "fractured":
            raise UnknownName("setting of --cts", key, ("fractured",))
        fractured = _convert(key, value, float)
        if not 0 <= fractured <= 1:
            raise InputError(f"fractured={value}: expected a share from 0 to 1")
    pairs = read_pairs(cts)
    try:
        path = simulate_ct_set(output, pairs, count, seed, kind, fractured, workers)  # type: ignore[arg-type]
    except OSError as error:
        raise InputError(f"{output}: cannot be written to: {error.strerror}") from error
    show(f"Wrote {count * len(pairs)} films of {len(pairs)} CTs and their landmarks: {path}")
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
    for key, value in _pairs(texts):
        if key not in valid:
            raise UnknownName("setting", key, valid)
        if key in kinds:
            chosen[key] = _convert(key, value, kinds[key])
        else:
            weights = chosen.setdefault(_WEIGHTS, {})
            weights[key.partition(".")[2]] = _convert(key, value, float)
    return SimulatorSettings(**chosen)


def _pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    out = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{text!r}: expected KEY=VALUE, such as fractured=0.8")
        out.append((key, value))
    return out


def _convert(key: str, value: str, kind: type) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise InputError(f"{key}={value}: expected a number") from None
