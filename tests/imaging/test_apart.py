"""Decoders that end their process."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom.pixels.decoders.base import Decoder

from endplate.imaging import apart
from endplate.imaging.apart import DecoderDied, run_apart
from endplate.imaging.read import read_radiograph
from endplate.infer.cli import main

from ..dicom_samples import tool
from .factory import dicom_bytes, grey_ramp, radiograph


def test_arrays_come_back() -> None:
    wanted = np.arange(3_000_000, dtype=np.uint16).reshape(1000, 3000)[:, ::2]
    got = run_apart(lambda: wanted)
    np.testing.assert_array_equal(got, wanted)
    assert got.dtype == np.uint16


def test_what_goes_wrong_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        raise ValueError("no bytes left")

    def ends() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        os.abort()

    def hangs() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        while True:
            pass

    with pytest.raises(RuntimeError, match="no bytes left"):
        run_apart(fails)
    with pytest.raises(DecoderDied, match=r"ended itself \(signal 6\)"):
        run_apart(ends)
    monkeypatch.setattr(apart, "_LIMIT", 0.3)
    with pytest.raises(DecoderDied, match="did not come back"):
        run_apart(hangs)


def test_a_decoder_that_aborts_costs_a_sentence_not_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = grey_ramp(200, 150)
    plain, packed = tmp_path / "plain.dcm", tmp_path / "packed.dcm"
    plain.write_bytes(dicom_bytes(radiograph(pixels)))
    subprocess.run([tool("dcmcjpeg", "dcmtk"), "+e1", plain, packed], check=True)
    np.testing.assert_array_equal(
        read_radiograph(packed).pixels, read_radiograph(plain).pixels
    )  # by the decoder in its child
    decode = Decoder.as_array

    def aborts(self: Decoder, *arguments: object, **options: object) -> object:
        if options.get("decoding_plugin") == "gdcm":
            os.abort()
        return decode(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Decoder, "as_array", aborts)
    assert main(["score", str(packed), "-o", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "packed.dcm: the compressed Pixel Data (JPEG Lossless" in line
    assert "is damaged: the decoder ended itself (signal 6)" in line
