"""The model card."""

import json
from pathlib import Path

from endplate.infer.pipeline import SECOND_DETECTOR, WEIGHTS, weights_folder
from endplate.train.card import write_card


def written(folder: Path) -> str:
    """The card of the networks in a folder, with the figures of the shipped ones."""
    evaluation = folder / "evaluation"
    evaluation.mkdir(exist_ok=True)
    figures = (weights_folder() / "accuracy.json").read_text()
    (evaluation / "accuracy.json").write_text(figures)
    write_card(evaluation, folder, "They were trained.")
    return (folder / "MODEL_CARD.md").read_text()


def test_the_card_tells_of_each_network(tmp_path: Path) -> None:
    for name in WEIGHTS.values():
        (tmp_path / name).write_bytes((weights_folder() / name).read_bytes())
    card = written(tmp_path)
    assert "| | detector | refiner |\n|---|---|---|\n| command | `endplate train" in card
    assert "They were trained." in card
    assert "takes turns" not in card
    bundle = json.loads((tmp_path / "metadata.json").read_text())["networks"]
    assert {n: x["input"] for n, x in bundle.items()} == {
        "detector": "N x 2 x H x W",
        "refiner": "N x 1 x 128 x 128",
    }
    assert all(card.count(x["sha256"]) == 1 for x in bundle.values())
    (tmp_path / SECOND_DETECTOR).write_bytes((tmp_path / WEIGHTS["detector"]).read_bytes())
    card = written(tmp_path)
    assert "| | detector | refiner | second detector |\n|---|---|---|---|\n" in card
    assert "(6.8 MB) of another training takes turns" in card
    bundle = json.loads((tmp_path / "metadata.json").read_text())["networks"]
    assert bundle["second_detector"]["file"] == SECOND_DETECTOR
    assert bundle["second_detector"]["input"] == "N x 2 x H x W"
