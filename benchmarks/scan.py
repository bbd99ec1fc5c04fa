"""How fast an export is scanned: ``python benchmarks/scan.py [--files 100000]``.

Makes an export of small mixed files (DICOM films and CT slices with headers of realistic length,
reports, pictures, texts; most of them hard links, so that 100,000 files take little disk), scans
it twice with the packaged rules, and prints files per second and the memory of the process. The
second scan is warm: everything is in the operating system's cache.
"""

import argparse
import io
import os
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from endplate.imaging.scan import scan
from endplate.imaging.select import load_selection

FILES_OF_A_FOLDER = 1000


def dicom(modality: str, number: int, sop_class: str, elements: int = 120) -> bytes:
    """A DICOM file with a header of some length and a few pixels."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, f"1.2.3.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.1.{number // 9}", f"1.2.2.{number // 3}"
    ds.Modality, ds.PatientID, ds.StudyDate = modality, f"P{number // 9}", "20240131"
    ds.Manufacturer, ds.BodyPartExamined = "Maker", "LSPINE"
    ds.SeriesDescription = "L spine lateral"
    block = ds.private_block(0x0019, "MAKER", create=True)
    for i in range(elements):
        block.add_new(i, "LO", f"private value {i}")
    pixels = np.zeros((64, 64), np.uint16)
    ds.Rows, ds.Columns, ds.SamplesPerPixel = *pixels.shape, 1
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def originals() -> list[bytes]:
    """Files of every kind, as an export mixes them: mostly slices."""
    png = cv2.imencode(".png", np.zeros((80, 80), np.uint8))[1].tobytes()
    films = [dicom("DX", i, uid.DigitalXRayImageStorageForPresentation) for i in range(40)]
    slices = [dicom("CT", 100 + i, uid.CTImageStorage, 160) for i in range(130)]
    reports = [dicom("SR", 300 + i, uid.ComprehensiveSRStorage, 20) for i in range(10)]
    return [*films, *slices, *reports, *[png] * 8, *[b"%PDF-1.4 text"] * 6, *[b"words"] * 6]


def make_export(root: Path, count: int) -> None:
    """Write the originals of each folder once and link the rest to them."""
    kinds = originals()
    first: list[Path] = []
    for number in range(count):
        folder = root / f"{number // FILES_OF_A_FOLDER:04d}"
        if number % FILES_OF_A_FOLDER == 0:
            folder.mkdir(parents=True)
        path = folder / f"I{number:07d}"
        if number < len(kinds):
            path.write_bytes(kinds[number])
            first.append(path)
        else:
            os.link(first[number % len(first)], path)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    options = parser.parse_args()
    selection = load_selection()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "export"
        make_export(root, options.files)
        print(f"{'scan':>6} {'files':>8} {'seconds':>8} {'CPU s':>7} {'files/s':>8} {'RSS MB':>7}")
        for scan_name in ("first", "warm"):
            counts: Counter[str] = Counter()
            begun, cpu = time.perf_counter(), time.process_time()
            for entry in scan(root, Path(name) / "unpacked"):
                fault = entry.fault or selection.leaves_out(entry)
                counts[fault.code if fault else "read"] += 1
            spent, cpu = time.perf_counter() - begun, time.process_time() - cpu
            total = sum(counts.values())
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{scan_name:>6} {total:>8} {spent:>8.1f} {cpu:>7.1f} {total / spent:>8.0f}"
                f" {memory:>7.0f}"
            )
    print(", ".join(f"{count} {code}" for code, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
