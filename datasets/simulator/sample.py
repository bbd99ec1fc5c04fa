"""The bundled sample film: a thoracolumbar lateral with a wedge fracture of L1.

``python -m endplate.datasets.simulator.sample FOLDER`` writes ``sample.dcm`` and
``sample-truth.json`` into FOLDER.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from endplate.datasets.coco_writer import write_annotations
from endplate.datasets.film import AnnotatedFilm
from endplate.datasets.simulator.compose import Subject, compose
from endplate.datasets.simulator.detector import Look
from endplate.datasets.simulator.dicom import write_dicom
from endplate.datasets.simulator.draw import draw_spine
from endplate.datasets.simulator.hardware import Hardware
from endplate.datasets.simulator.pathology import break_body
from endplate.datasets.simulator.projection import Camera
from endplate.datasets.simulator.settings import SimulatorSettings

__all__ = ["sample_film", "write_sample"]

_SEED: Final = 12
_KYPHOSIS_DEG: Final = 15.0
_LOSS: Final = 0.30


def sample_film() -> AnnotatedFilm:
    """The sample: L1 with a kyphosis of 15 degrees and 30 % of its anterior height lost."""
    rng = np.random.default_rng(_SEED)
    plain = SimulatorSettings(scoliosis=0.0, listhesis=0.0, degenerative=0.0, variant=0.0)
    spine = draw_spine(rng, plain)
    l1 = spine.body("L1")
    assert l1 is not None  # a spine without variants
    # The intact anterior height is such that losing 30 % of it leaves the wanted kyphosis.
    lost = 1 - l1.anterior_of(_KYPHOSIS_DEG) / l1.anterior
    spine = break_body(rng, spine, "L1", "wedge", lost, 0.0)
    top = next(b for b in spine.bodies if b.level == "T9").centre
    bottom = spine.sacrum.centre
    middle = np.array([(top[0] + bottom[0]) / 2 + 12.0, (top[1] + bottom[1]) / 2 + 8.0])
    pixel = 0.18
    height = bottom[1] - top[1] + 70.0
    camera = Camera(
        source_mm=930.0,
        detector_mm=220.0,
        central=middle,
        centre=middle,
        roll=0.0,
        pixel_mm=pixel,
        shape=(round(height / pixel), round(190.0 / pixel)),
    )
    look = Look(
        blur=0.2, scatter=0.8, noise=0.012, sharpen=1.2, sharpen_width=6.0, compress=0.3, local=0.0,
        low=6.0, high=99.7, gamma=1.0, toe=0.15, anchored=True, grain=0.1, whole=False,
    )  # fmt: skip
    film = compose(rng, Subject(spine, Hardware()), camera, look, "left", 16, "sample", dirt=False)
    attributes = {"field_of_view": "thoracolumbar", **film.attributes}
    return replace(film, name="sample.dcm", attributes=attributes)


def write_sample(folder: str | Path) -> None:
    """Write the sample and its landmarks into `folder`."""
    film = sample_film()
    folder = Path(folder)
    write_dicom(film, folder / "sample.dcm", patient_name="Sample^Simulated")
    write_annotations(folder / "sample-truth.json", [film])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m endplate.datasets.simulator.sample FOLDER")
    write_sample(sys.argv[1])
