"""Structured configuration of training, composed by Hydra."""

from dataclasses import dataclass, field
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from endplate.errors import InputError
from endplate.models.detector import DetectorConfig
from endplate.models.refiner import RefinerConfig
from endplate.train.data import FilmSet
from endplate.train.detector_task import DetectorTaskConfig
from endplate.train.loop import LoopConfig
from endplate.train.refiner_task import RefinerTaskConfig

__all__ = ["TrainConfig", "compose_config", "to_yaml"]


@dataclass
class TrainConfig:
    """Everything that decides what a run trains on and how.

    `task` is ``detector`` or ``refiner``; `fold` leaves out that fifth (or `folds`-th) of the
    subjects, null trains on all; `subjects` takes at most so many of each set that is split by
    subject, null takes all. `start_from` is the ``model.pt`` of a run, an exported ``.onnx``, or
    ``shipped``; with `widen` it may be a run of a narrower network.
    """

    task: str = "detector"
    out: str = "runs/detector"
    start_from: str | None = None
    widen: bool = False
    fold: int | None = None
    folds: int = 5
    subjects: int | None = None
    data: str = ""
    simulated: str = ""
    simulated_more: list[str] = field(default_factory=list)
    simulated_frontal: str = ""
    ct_slabs: str = ""
    ct_films: str = ""
    sets: dict[str, FilmSet] = field(default_factory=dict)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    refiner: RefinerConfig = field(default_factory=RefinerConfig)
    detector_task: DetectorTaskConfig = field(default_factory=DetectorTaskConfig)
    refiner_task: RefinerTaskConfig = field(default_factory=RefinerTaskConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)


def compose_config(name: str, schema: type, overrides: list[str]) -> tuple[Any, DictConfig]:
    """Compose a configuration of `endplate.configs` with overrides.

    Parameters
    ----------
    name : str
        Name of the YAML file, which includes ``<name>_schema``.
    schema : type
        Dataclass that the result is an instance of.
    overrides : list of str
        In Hydra's grammar, such as ``loop.steps=100``.

    Returns
    -------
    config : instance of `schema`
    resolved : DictConfig
        The same, for saving.

    Raises
    ------
    InputError
        If an override names nothing, or its value does not fit.
    """
    store = ConfigStore.instance()
    store.store(name=f"{name}_schema", node=schema)
    try:
        with initialize_config_module("endplate.configs", version_base="1.3"):
            composed = compose(name, overrides=overrides)
        OmegaConf.resolve(composed)
        return OmegaConf.to_object(composed), composed
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(f"configuration: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What Hydra says in a line: the override, the names that are valid, the cause."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    shown = lines[:2]
    options = [i for i, line in enumerate(lines) if line.startswith("Available options")]
    if options:
        names = [line for line in lines[options[0] + 1 :] if " " not in line]
        shown = [lines[0], f"expected one of {', '.join(names)}"]
    # Hydra names the override, the cause says what is wrong with it
    cause = str(error.__cause__ or "").strip().splitlines()[:1]
    return "; ".join([*shown, *(c for c in cause if c not in shown)])


def to_yaml(config: DictConfig) -> str:
    """The resolved configuration as YAML."""
    return OmegaConf.to_yaml(config)
