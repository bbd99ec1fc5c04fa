"""Time and memory of a large CT: ``python -P benchmarks/ct_size.py [--slices 600] [--ct CT]``.

Writes an axial series of 512 x 512 slices, 600 mm long, as DICOM, and labels as NIfTI; then runs
``endplate score`` on it as a command of its own, with the networks and with ``--labels``, and
prints wall time, processor time and the greatest resident memory of each, and what came of it.
The series shows a schematic spine; or, with ``--ct``, a real one over and over, head to foot, so
that the networks have some forty bodies to read (without labels then).
"""

import argparse
import json
import os
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from endplate.imaging.ct.read import read_ct

SIDE, PIXEL, LENGTH = 512, 0.7, 600.0
#: Height of a body with its disc, and of the body, mm.
STEP, BODY = 33.0, 25.0
#: VerSe numbers of T1 to L5.
NUMBERS = range(8, 25)


def planes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hounsfield units through a body and through a disc, and where the vertebra is."""
    y, x = (np.mgrid[0:SIDE, 0:SIDE] - SIDE / 2) * PIXEL
    trunk = (x / 160) ** 2 + (y / 110) ** 2 < 1
    body = (x / 21) ** 4 + (y / 16) ** 4 < 1
    far = np.hypot(x, y - 25)
    arch = (far > 9.5) & (far < 16) & (y > 14)
    spinous = (np.abs(x) < 3.5) & (y > 38) & (y < 65)
    soft = np.where(trunk, 50, -1000).astype(np.int16)
    bone = body | arch | spinous
    through = np.where(bone, 260, soft).astype(np.int16)
    disc = np.where(body, 80, np.where(arch, 260, soft)).astype(np.int16)
    return through, disc, bone


def in_body(place: float) -> int:
    """Number of the vertebra at a distance from the upper end, 0 between them."""
    number, rest = divmod(place - 15.0, STEP)
    within = 0 <= number < len(NUMBERS) and rest < BODY
    return NUMBERS[int(number)] if within else 0


def write_slice(path: Path, plane: np.ndarray, k: int, height: float, step: float) -> None:
    """One axial slice."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = uid.CTImageStorage, f"1.2.3.{k + 1}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.1", "1.2.2", "CT"
    ds.PatientID, ds.PatientPosition, ds.InstanceNumber = "P1", "HFS", k + 1
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ImagePositionPatient = [-SIDE / 2 * PIXEL, -SIDE / 2 * PIXEL, round(height, 4)]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [PIXEL, PIXEL], step
    ds.Rows, ds.Columns = plane.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept = 1, 0
    ds.PixelData = plane.tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(path, enforce_file_format=True)


def nifti_header(slices: int, step: float) -> bytes:
    """Of labels of one byte; NIfTI counts to the right, front and head."""
    half = SIDE / 2 * PIXEL
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, SIDE, SIDE, slices, 1, 1, 1, 1)
    struct.pack_into("<h", head, 70, 2)
    struct.pack_into("<3f", head, 108, 352, 1, 0)
    struct.pack_into("<2h", head, 252, 0, 1)
    rows = (-PIXEL, 0, 0, half, 0, -PIXEL, 0, half, 0, 0, step, 0)
    struct.pack_into("<12f", head, 280, *rows)
    head[344:348] = b"n+1\0"
    return bytes(head)


def write_study(folder: Path, slices: int) -> tuple[Path, Path]:
    """The series and its labels."""
    through, disc, bone = planes()
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 12, (SIDE + 64, SIDE)).astype(np.int16)
    step = LENGTH / slices
    series = folder / "series"
    series.mkdir()
    labels = np.zeros((SIDE, SIDE, slices), dtype=np.uint8, order="F")
    for k in range(slices):
        number = in_body(LENGTH - k * step)
        plane = through if number else disc
        shifted = noise[k % 64 : k % 64 + SIDE]
        write_slice(series / f"{k:05d}", plane + shifted, k, k * step, step)
        labels[:, :, k] = np.where(bone.T, number, 0)
    path = folder / "labels.nii"
    path.write_bytes(nifti_header(slices, step) + labels.tobytes(order="F"))
    return series, path


def real_planes(path: str, slices: int) -> Iterator[np.ndarray]:
    """Slices of a CT, foot to head and again, resampled to the size of the series."""
    ct = read_ct(path)
    y, x = (np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2) * PIXEL
    middle = ct.to_patient((np.array(ct.size) - 1) / 2)
    ends = ct.to_patient(np.array([[0.0, 0, 0], np.array(ct.size) - 1.0]))[:, 2]
    low, length = float(ends.min()), float(np.ptp(ends))
    for k in range(slices):
        height = np.full_like(x, low + k * LENGTH / slices % length)
        places = np.stack([x + middle[0], y + middle[1], height], axis=-1)
        yield np.rint(ct.sample(places)).astype(np.int16)


def write_real(folder: Path, path: str, slices: int) -> Path:
    """The series of a real CT."""
    series = folder / "series"
    series.mkdir()
    step = LENGTH / slices
    for k, plane in enumerate(real_planes(path, slices)):
        write_slice(series / f"{k:05d}", plane, k, k * step, step)
    return series


def score(arguments: list[str]) -> str:
    """Run the command; its cost in words."""
    code = "import sys; from endplate.infer.cli import main; sys.exit(main(sys.argv[1:]))"
    began = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", code, "score", *arguments],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    used = usage.ru_utime + usage.ru_stime
    rss = usage.ru_maxrss / 2**20
    exit_status = os.waitstatus_to_exitcode(status)
    return f"{wall:6.1f} s, {used:6.1f} s of processor, {rss:.2f} GiB, exit status {exit_status}"


def main() -> None:
    """Write, read and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=600)
    parser.add_argument("--how", choices=("both", "labels", "networks"), default="both")
    parser.add_argument("--ct", help="a real CT to make the series of")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, labels = Path(place), None
        if options.ct is None:
            series, labels = write_study(folder, options.slices)
        else:
            series = write_real(folder, options.ct, options.slices)
        out = folder / "out"
        for how in ("labels", "networks"):
            if options.how not in ("both", how) or (how == "labels" and labels is None):
                continue
            more = ["--labels", str(labels)] if how == "labels" else []
            for _ in range(options.repeats):
                cost = score([str(series), *more, "-o", str(out)])
                print(f"512 x 512 x {options.slices}, {how:8}: {cost}; {seen(out)}", flush=True)
    print(f"load of the machine over the last minute: {os.getloadavg()[0]:.1f}")


def seen(out: Path) -> str:
    """What the reading says."""
    reading = json.loads((out / "series.json").read_text())
    count = len(reading["vertebrae"])
    return f"{reading['quality']['status']}, {count} vertebrae"


if __name__ == "__main__":
    main()
