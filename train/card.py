"""The model card: a readable page and a MONAI-bundle-style ``metadata.json`` beside the weights."""

import json
from pathlib import Path
from string import Template
from typing import Any, Final

from endplate import __version__
from endplate.geometry.levels import LEVELS, POINTS
from endplate.infer.pipeline import SECOND_DETECTOR, FilmReader
from endplate.infer.session import Network
from endplate.train.tables import accuracy_markdown

__all__ = ["write_card"]

_DATA: Final = (
    "lumbar-laterals: 19 lateral lumbar and thoracolumbar films; images of Fraiwan, Audat and"
    " Manasreh 2022 (Mendeley Data 10.17632/xkt857dsxk), believed to be CC BY 4.0, not verified",
    "whole-spine-laterals: 20 standing whole-spine lateral films published as an open test data"
    " set with a MICCAI paper (repository amyzethorrobot/vertebrae_detection); no licence stated",
    "negatives: 52 frontal films, same origin as lumbar-laterals",
    "dicom-radiographs: NEMA WG-04 test films of chest, hip and leg",
    "simulated films of endplate.datasets.simulator",
)

_INTENDED: Final = (
    "Research on lateral spine radiographs of adults: places and names vertebrae so that angles"
    " and heights can be measured and checked by a reader. Not a medical device."
)

_LIMITS: Final = (
    "39 annotated lateral films of two sources: accuracy on films of another hospital, another"
    " detector or another population is not known.",
    "There is no annotated set of fractured or cemented vertebrae: accuracy on them is known from"
    " simulated films only.",
    "The whole-spine films are all of patients who face right; most carry a radiopaque grid.",
    "Other anatomy to be rejected was tested on three films in several encodings, else on drawn"
    " bones, photographs and slices of CT and MR (docs/accuracy/gate.md); films of children were"
    " not tested.",
    "Intervals hold for the error of the points, not for wrong level names, tilted patients or"
    " changes of position.",
)

_SECOND_NAME: Final = Path(SECOND_DETECTOR).stem
_SECOND: Final = (
    "\nA second detector ({:.1f} MB) of another training takes turns with the first at looking at"
    "\nthe column."
)

_PAGE: Final = Template("""\
# Model card: endplate detector and refiner, version $version

Two small convolutional networks (MONAI residual units in a feature pyramid; detector
$detector_mb MB, refiner $refiner_mb MB, ONNX, 32-bit) that read lateral radiographs of the spine.
The detector finds vertebral bodies, their level, and whether the film is a lateral one at all; the
refiner places six points on each body.$second
Licence of the weights: Apache-2.0; see the licences of the data below.

**Intended use.** $intended

## Accuracy on subjects not used for training

Five-fold cross-validation by subject: five pairs of networks, trained like the shipped ones but
each without a fifth of the subjects. The shipped networks were trained on all of them, so nothing
is known of them that was not measured on their five siblings. Error model and naming were fitted,
for each fold, on the other folds. Command: `endplate evaluate weights=runs/folds/FOLD`
(docs/training.md); definitions: `train/accuracy.py`. The spread over three seeds of the refiner's
last round is in docs/accuracy.md; the detectors have one seed.

$table
Point errors are in percent of the superior depth of the body (about 35 mm in the lumbar spine).
Whole-spine films: finding and naming are judged on the publisher's labels, points on our six-point
readings. For comparison, a second human reader differs from the first by 1.7 % in the median (95th
percentile 4.2 %) and by 1.4 degrees of vertebral kyphosis, and gives 18 of 29 bodies the same level
(six lumbar films; `endplate accuracy`, docs/accuracy.md).

![Distribution of point errors, agreement of kyphosis, coverage of intervals](accuracy.png)

By level, film and body, with intervals, against a second human reader, and on simulated films and
patients: `docs/accuracy.md`, written by `endplate accuracy weights=runs/folds/FOLD`.

## Training

$training

$history

## Data

$data

## Limits

$limits
""")


def write_card(evaluation: Path, weights: Path, history: str) -> None:
    """Write ``MODEL_CARD.md``, ``metadata.json`` and ``accuracy.json`` into `weights`.

    Parameters
    ----------
    evaluation : Path
        Output folder of ``endplate evaluate``.
    weights : Path
        Folder with the two ONNX files.
    history : str
        How the shipped files were made, in Markdown.
    """
    accuracy: dict[str, Any] = json.loads((evaluation / "accuracy.json").read_text())
    networks = {Path(n.path).stem: n for n in FilmReader(weights).networks}
    sizes = {n: (weights / f"{n}.onnx").stat().st_size / 1e6 for n in networks}
    page = _PAGE.substitute(
        version=__version__,
        detector_mb=f"{sizes['detector']:.1f}",
        refiner_mb=f"{sizes['refiner']:.1f}",
        second=_SECOND.format(sizes[_SECOND_NAME]) if _SECOND_NAME in sizes else "",
        intended=_INTENDED,
        table=accuracy_markdown(accuracy),
        training=_training_rows(networks),
        history=history.strip(),
        data="\n".join(f"- {line}" for line in _DATA),
        limits="\n".join(f"- {line}" for line in _LIMITS),
    )
    (weights / "MODEL_CARD.md").write_text(page)
    (weights / "accuracy.json").write_text(json.dumps(accuracy, indent=1) + "\n")
    (weights / "metadata.json").write_text(json.dumps(_bundle(networks, accuracy), indent=1) + "\n")


def _training_rows(networks: dict[str, Network]) -> str:
    rows = ["| | " + " | ".join(n.replace("_", " ") for n in networks) + " |"]
    rows.append("|---" * (len(networks) + 1) + "|")
    training = [n.metadata.training for n in networks.values()]
    labels = {
        "command": "command",
        "seed": "seed",
        "steps": "steps",
        "batch": "batch",
        "seconds": "seconds",
    }
    for key, label in labels.items():
        cells = [f"`{t[key]}`" if key == "command" else str(t[key]) for t in training]
        rows.append(f"| {label} | " + " | ".join(cells) + " |")
    rows.append(
        "| SHA-256 of the file | " + " | ".join(f"`{n.sha256}`" for n in networks.values()) + " |"
    )
    return "\n".join(rows)


def _bundle(networks: dict[str, Network], accuracy: dict[str, Any]) -> dict[str, Any]:
    """Metadata in the manner of a MONAI bundle."""
    return {
        "name": "endplate",
        "version": __version__,
        "description": "Finds, names and outlines vertebral bodies on lateral spine radiographs",
        "task": "landmark detection",
        "copyright": "the endplate authors",
        "license": "Apache-2.0",
        "intended_use": _INTENDED,
        "data_source": list(_DATA),
        "limits": list(_LIMITS),
        "eval_metrics": accuracy,
        "points": list(POINTS),
        "levels": list(LEVELS),
        "networks": {
            name: {
                "file": f"{name}.onnx",
                "sha256": n.sha256,
                "stride": n.metadata.stride,
                "input": "N x 1 x 128 x 128" if name == "refiner" else "N x 2 x H x W",
                "multiple": n.metadata.multiple,
                "normalisation": n.metadata.normalisation,
                "spacing": n.metadata.spacing,
                "training": n.metadata.training,
                "config_sha256": n.metadata.config_sha256,
            }
            for name, n in networks.items()
        },
    }
