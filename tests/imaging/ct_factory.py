"""CT slices, enhanced files and segmentations as DICOM, for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

__all__ = ["SPACING", "ct_slice", "ramp", "save", "write_enhanced", "write_seg", "write_series"]

#: Row, column and slice spacing of the test volumes, mm.
SPACING = (0.9, 0.8, 2.0)


def ramp(slices: int = 8, rows: int = 64, columns: int = 72) -> npt.NDArray[np.int16]:
    """Hounsfield units that tell slice, row and column."""
    k, j, i = np.mgrid[0:slices, 0:rows, 0:columns]
    volume: npt.NDArray[np.int16] = (100 * k + j - 2 * i).astype(np.int16)
    return volume


def ct_slice(plane: npt.NDArray[np.int16], k: int, **elements: Any) -> Dataset:
    """One axial slice; `elements` by keyword are set on top."""
    ds = Dataset()
    ds.SOPClassUID = uid.CTImageStorage
    ds.SOPInstanceUID = f"1.2.3.{k + 1}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.1", "1.2.2"
    ds.Modality, ds.PatientID, ds.StudyDate = "CT", "P1", "20240131"
    ds.SeriesDescription, ds.ConvolutionKernel, ds.PatientPosition = "thin bone", "Br60", "HFS"
    ds.SliceThickness, ds.SeriesNumber, ds.AcquisitionNumber = 2.0, 2, 1
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber = k + 1
    ds.ImagePositionPatient = [-30.0, -40.0, 10.0 + SPACING[2] * k]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [SPACING[0], SPACING[1]]
    ds.Rows, ds.Columns = plane.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.PixelData = (plane.astype(np.int32) + 1024).astype(np.uint16).tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def save(ds: Dataset, path: Path) -> None:
    """Write a data set as a DICOM file."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta = meta
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def write_series(folder: Path, voxels: npt.NDArray[np.int16], **elements: Any) -> None:
    """Write all slices, under names that say nothing of their order."""
    for k, plane in enumerate(voxels):
        save(ct_slice(plane, k, **elements), folder / f"{(k * 7919) % 1000:04d}")


def write_enhanced(path: Path, voxels: npt.NDArray[np.int16]) -> None:
    """Write an enhanced multi-frame CT, its frames from head to foot."""
    ds = ct_slice(voxels[0], 0)
    ds.SOPClassUID = uid.EnhancedCTImageStorage
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(ds, keyword)
    ds.NumberOfFrames = len(voxels)
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [SPACING[0], SPACING[1]], 2.0
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    ds.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(len(voxels))[::-1]:
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [-30.0, -40.0, 10.0 + SPACING[2] * k]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.PixelData = (voxels[::-1].astype(np.int32) + 1024).astype(np.uint16).tobytes()
    save(ds, path)


def write_seg(
    path: Path, masks: dict[str, npt.NDArray[np.bool_]], affine: npt.NDArray[np.float64]
) -> None:
    """Write a binary DICOM SEG with a frame for each segment and slice that it touches."""
    some = next(iter(masks.values()))
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = uid.SegmentationStorage, "1.2.9"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.1", "1.2.8", "SEG"
    ds.Rows, ds.Columns = some.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 1, 0, 0
    ds.SegmentationType = "BINARY"
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing = [affine[1, 1], affine[0, 0]]
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    ds.SharedFunctionalGroupsSequence = [shared]
    segments, frames, bits = [], [], []
    for number, (label, mask) in enumerate(masks.items(), start=1):
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentLabel = number, label
        segments.append(segment)
        for k in np.flatnonzero(mask.any(axis=(1, 2))):
            frame, place, which = Dataset(), Dataset(), Dataset()
            place.ImagePositionPatient = list(affine[:3, 3] + k * affine[:3, 2])
            which.ReferencedSegmentNumber = number
            frame.PlanePositionSequence = [place]
            frame.SegmentIdentificationSequence = [which]
            frames.append(frame)
            bits.append(mask[k].ravel())
    ds.SegmentSequence = segments
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.NumberOfFrames = len(frames)
    packed = np.packbits(np.concatenate(bits), bitorder="little").tobytes()
    ds.PixelData = packed + b"\0" * (len(packed) % 2)
    ds["PixelData"].VR = "OB"
    save(ds, path)
