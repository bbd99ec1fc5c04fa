"""What is shipped beside the networks agrees with them and with itself."""

import json
from pathlib import Path

import pytest

from endplate.infer.pipeline import weights_folder
from endplate.infer.session import Network
from endplate.models.calibration import Calibrations

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def accuracy() -> dict[str, dict[str, float]]:
    return dict(json.loads((weights_folder() / "accuracy.json").read_text()))


def test_the_model_card_and_the_readme_show_the_measured_figures(
    accuracy: dict[str, dict[str, float]],
) -> None:
    tables = pytest.importorskip("endplate.train.tables")
    card = (weights_folder() / "MODEL_CARD.md").read_text()
    assert tables.accuracy_markdown(accuracy) in card
    assert tables.readme_markdown(accuracy) in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", ["detector", "refiner"])
def test_metadata_names_the_very_files(name: str) -> None:
    metadata = json.loads((weights_folder() / "metadata.json").read_text())
    network = Network.load(weights_folder() / f"{name}.onnx", provider="cpu")
    entry = metadata["networks"][name]
    assert entry["sha256"] == network.sha256
    assert entry["training"] == network.metadata.training
    assert network.sha256 in (weights_folder() / "MODEL_CARD.md").read_text()


def test_weights_stay_small() -> None:
    for path in weights_folder().glob("*.onnx"):
        assert path.stat().st_size < 20e6


def test_the_shipped_calibration_can_be_read() -> None:
    path = weights_folder() / "calibration.json"
    calibrations = Calibrations.from_json(path.read_text(), path.name)
    assert calibrations.provenance["subjects"] > 30
