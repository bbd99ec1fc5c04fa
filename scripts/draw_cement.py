"""Draw docs/images/cement.jpg: one broken body with each cement and each leak on the same film.

Run it from the root of the repository.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from endplate.datasets.film import GreyImage
from endplate.datasets.simulator.anatomy import SpineModel
from endplate.datasets.simulator.cement import CEMENTS, LEAKS, Cement
from endplate.datasets.simulator.cement_draw import draw_cement
from endplate.datasets.simulator.cement_leak import draw_leak
from endplate.datasets.simulator.compose import Subject, compose
from endplate.datasets.simulator.detector import Look
from endplate.datasets.simulator.draw import draw_spine
from endplate.datasets.simulator.hardware import Hardware
from endplate.datasets.simulator.pathology import break_body, with_body
from endplate.datasets.simulator.projection import Camera
from endplate.datasets.simulator.settings import SimulatorSettings

_PIXEL_MM: Final = 0.25
_LOOK: Final = Look(
    blur=0.2, scatter=1.2, noise=0.015, sharpen=0.8, sharpen_width=3.0, compress=0.3, local=0.0,
    low=6.0, high=99.5, gamma=1.0, toe=0.2, anchored=True, grain=0.1, whole=False,
)  # fmt: skip
#: Leak and seed of each column; the seeds show leaks that a lateral film tells from the body.
_COLUMNS: Final = (("", 1), ("disc", 1), ("paravertebral", 2), ("venous", 2), ("epidural", 5))


def main() -> None:
    """Write the picture: a row for each cement."""
    assert {leak for leak, _ in _COLUMNS} == {"", *LEAKS}
    rows = [
        np.hstack([_film(_broken(kind, leak, seed)) for leak, seed in _COLUMNS]) for kind in CEMENTS
    ]
    _, code = cv2.imencode(".jpg", np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])
    (Path("docs") / "images" / "cement.jpg").write_bytes(code.tobytes())


def _broken(kind: str, leak: str, seed: int) -> SpineModel:
    rng = np.random.default_rng(6)
    plain = SimulatorSettings(scoliosis=0.0, listhesis=0.0, degenerative=0.0, variant=0.0)
    spine = break_body(rng, draw_spine(rng, plain), "L1", "wedge", 0.2, 0.02)
    body = spine.body("L1")
    assert body is not None  # a spine without variants
    own = np.random.default_rng(seed)
    cement: Cement = draw_cement(own, body, kind, False)
    if leak:
        cement = draw_leak(own, body, cement, leak)
    return with_body(spine, replace(body, step=0.0, crease=0.0, cement=cement))


def _film(spine: SpineModel) -> GreyImage:
    body = spine.body("L1")
    assert body is not None
    middle = body.centre[:2]
    shape = (round(100 / _PIXEL_MM), round(72 / _PIXEL_MM))
    camera = Camera(930.0, 220.0, middle, middle, 0.0, _PIXEL_MM, shape)
    subject = Subject(spine, Hardware())
    rng = np.random.default_rng(3)
    return compose(rng, subject, camera, _LOOK, "right", 8, "x", dirt=False).image


if __name__ == "__main__":
    main()
