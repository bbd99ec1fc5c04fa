"""Seeded random damage: a radiograph or an `EndplateError`, never anything else."""

import random
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from endplate.errors import EndplateError
from endplate.imaging.read import read_radiograph

from .factory import code, dicom_bytes, grey_ramp, png_bytes, radiograph, tiff_bytes

RAMP = grey_ramp()
SMALL = grey_ramp(top=255).astype(np.uint8)


def film() -> Dataset:
    """A film whose header has something of everything."""
    ds = radiograph(
        RAMP,
        BitsStored=12,
        HighBit=11,
        PixelSpacing=[0.3, 0.3],
        WindowCenter=2000,
        WindowWidth=3000,
        RescaleSlope=1,
        RescaleIntercept=0,
        PixelPaddingValue=0,
        PatientOrientation=["A", "F"],
        ViewCodeSequence=[code("399198007", "right lateral")],
    )
    item = Dataset()
    item.add_new(0x00283002, "US", [4096, 0, 12])
    item.add_new(0x00283006, "US", list(range(4096)))
    ds.VOILUTSequence = [item]
    return ds


SOURCES: dict[str, Callable[[], bytes]] = {
    "explicit": lambda: dicom_bytes(film()),
    "implicit without preamble": lambda: dicom_bytes(
        film(), uid.ImplicitVRLittleEndian, preamble=False
    ),
    "deflated": lambda: dicom_bytes(film(), uid.DeflatedExplicitVRLittleEndian),
    "rle": lambda: dicom_bytes(film(), uid.RLELossless, compress=True),
    "png": lambda: png_bytes(RAMP.byteswap().view(np.uint8), 0, 16, RAMP.shape[1]),
    "jpeg": lambda: cv2.imencode(".jpg", SMALL)[1].tobytes(),
    "tiff": lambda: tiff_bytes(SMALL),
}


def damage(data: bytes, rng: random.Random) -> bytes:
    """Cut, drop, insert or overwrite bytes, mostly in the header."""
    out = bytearray(data)
    reach = min(len(out), 1500) if rng.random() < 0.7 else len(out)
    at = rng.randrange(reach)
    kind = rng.random()
    if kind < 0.1:
        return bytes(out[: rng.randrange(len(out))])
    if kind < 0.2:
        del out[at : at + rng.randrange(1, 40)]
    elif kind < 0.3:
        out[at:at] = rng.randbytes(rng.randrange(1, 40))
    else:
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            out[rng.randrange(reach)] = rng.choice((0, 255, 127, 128, rng.randrange(256)))
    return bytes(out)


@pytest.mark.parametrize("source", SOURCES)
def test_random_damage(source: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = SOURCES[source]()
    rng = random.Random(20240131)
    path = tmp_path / "film"
    messages: list[str] = []
    path.write_bytes(whole)
    read_radiograph(path)
    for _ in range(150):
        path.write_bytes(damage(whole, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = read_radiograph(path)
                assert min(found.pixels.shape) >= 64
            except EndplateError as error:
                messages.append(str(error))
    assert len(messages) > 10
    assert all(message.startswith(f"{path}: ") for message in messages)
    assert not any("\n" in message for message in messages)
    assert capfd.readouterr() == ("", "")
