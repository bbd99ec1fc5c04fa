"""A simulated film as a DICOM digital X-ray image."""

import hashlib
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from endplate.datasets.film import AnnotatedFilm
from endplate.errors import InputError, UnknownName

__all__ = ["write_dicom"]

_DX: Final = "1.2.840.10008.5.1.4.1.1.1.1"
_SYNTAXES: Final = {"none": ExplicitVRLittleEndian, "jpegls": JPEGLSLossless, "rle": RLELossless}
#: SNOMED CT codes (CID 4031, 4010, 19 and 20).
_REGIONS: Final = {
    "lumbar": ("122496007", "Lumbar spine", "LSPINE"),
    "thoracolumbar": ("1217256009", "Thoraco-lumbar spine", "TLSPINE"),
    "short": ("1217256009", "Thoraco-lumbar spine", "TLSPINE"),
    "whole": ("421060004", "Spine", "SPINE"),
}
_VIEWS: Final = {
    "lateral": ("399067008", "lateral projection", "LL"),
    "frontal": ("399348003", "antero-posterior projection", "AP"),
}


def write_dicom(
    film: AnnotatedFilm,
    path: str | Path,
    compression: Literal["none", "jpegls", "rle"] = "jpegls",
    patient_name: str = "Simulated^Film",
) -> None:
    """Write `film` as a DX image for presentation.

    The detector's pixel and the magnification are given apart, as radiographs do
    (ImagerPixelSpacing, EstimatedRadiographicMagnificationFactor), so that a reader has to
    divide one by the other to get the spacing of the film. All identifiers follow from the
    subject's name and the image, so the same film always gives the same file.

    Parameters
    ----------
    film : AnnotatedFilm
        With `spacing_mm`, and ``magnification`` and ``source_detector_mm`` in its attributes;
        ``study_date`` (YYYYMMDD) there, if it is one of several films of the subject.
    path : path
        File to write.
    compression : str
        ``none``, ``jpegls`` or ``rle``; all lossless.
    patient_name : str
        Of the made-up patient.

    Raises
    ------
    InputError
        If the film has no spacing.
    UnknownName
        If the compression is not one of the three.
    """
    if compression not in _SYNTAXES:
        raise UnknownName("compression", compression, _SYNTAXES)
    if film.spacing_mm is None:
        raise InputError(f"{film.name}: a DICOM film needs a spacing, spacing_mm is None")
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    uids = hashlib.sha256(film.subject.encode() + film.image.tobytes()).hexdigest()
    _add_identity(ds, film, uids, patient_name)
    _add_anatomy(ds, film)
    _add_acquisition(ds, film)
    _add_pixels(ds, film.image)
    ds.SOPClassUID = _DX
    ds.SOPInstanceUID = _uid(uids, "instance")
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    if compression != "none":
        ds.compress(_SYNTAXES[compression], generate_instance_uid=False)
    ds.save_as(path, enforce_file_format=True)


def _uid(source: str, what: str) -> str:
    """A UID of the 2.25 kind that depends on nothing but its source."""
    digest = hashlib.sha256(f"{source} {what}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _add_identity(ds: Dataset, film: AnnotatedFilm, uids: str, patient_name: str) -> None:
    """Patient, study, series and equipment; what is not known stays empty."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = patient_name
    ds.PatientID = film.subject
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    day = str(film.attributes.get("study_date", ""))
    ds.StudyInstanceUID = _uid(film.subject + day, "study")
    ds.SeriesInstanceUID = _uid(uids, "series")
    ds.StudyID = "1"
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = day or "20240115"
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = "093000"
    ds.AccessionNumber = ""
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Simulated spine film"
    ds.SeriesDescription = f"Spine {film.view}"
    ds.Modality = "DX"
    ds.SeriesNumber = 1
    ds.InstanceNumber = 1
    ds.Manufacturer = "endplate simulator"
    ds.ManufacturerModelName = "datasets.simulator"
    ds.ImageComments = "Simulated: no patient"


def _coded(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "SCT"
    item.CodeMeaning = meaning
    return item


def _add_anatomy(ds: Dataset, film: AnnotatedFilm) -> None:
    """Region, view and position of the patient."""
    code, meaning, part = _REGIONS[str(film.attributes.get("field_of_view", "lumbar"))]
    ds.BodyPartExamined = part
    ds.AnatomicRegionSequence = [_coded(code, meaning)]
    ds.ImageLaterality = "U"
    view, view_meaning, short = _VIEWS[film.view]
    ds.ViewPosition = short
    item = _coded(view, view_meaning)
    item.ViewModifierCodeSequence = []
    ds.ViewCodeSequence = [item]
    along = {"right": "A", "left": "P", None: "L"}[film.facing]
    ds.PatientOrientation = [along, "F"]
    standing = film.attributes.get("position") == "standing"
    position = _coded("C86043", "erect") if standing else _coded("102538003", "recumbent")
    if standing:
        position.CodingSchemeDesignator = "NCIt"
    position.PatientOrientationModifierCodeSequence = (
        [_coded("10904000", "standing")] if standing else []
    )
    ds.PatientOrientationCodeSequence = [position]


def _add_acquisition(ds: Dataset, film: AnnotatedFilm) -> None:
    """Spacing at the detector, magnification and distances."""
    assert film.spacing_mm is not None  # checked by write_dicom
    magnification = float(film.attributes.get("magnification", 1.0))
    pitch = [round(s * magnification, 6) for s in film.spacing_mm]
    ds.ImagerPixelSpacing = pitch
    ds.DetectorType = "SCINTILLATOR"
    ds.DetectorConfiguration = "AREA"
    ds.KVP = "81"
    ds.AcquisitionContextSequence = []
    if magnification != 1.0:
        ds.EstimatedRadiographicMagnificationFactor = round(magnification, 6)
    distance = film.attributes.get("source_detector_mm")
    if distance is not None:
        ds.DistanceSourceToDetector = round(float(distance), 1)
        ds.DistanceSourceToPatient = round(float(distance) / magnification, 1)


def _add_pixels(ds: Dataset, image: np.ndarray[Any, Any]) -> None:
    """Pixel data, bone bright, with the window of the whole range."""
    deep = image.dtype == np.uint16
    top = 4095 if deep and int(image.max()) <= 4095 else (65535 if deep else 255)
    ds.ImageType = ["DERIVED", "PRIMARY", ""]
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = image.shape
    ds.BitsAllocated = 16 if deep else 8
    ds.BitsStored = int(top).bit_length()
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = 0
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = -1
    ds.RescaleIntercept = "0"
    ds.RescaleSlope = "1"
    ds.RescaleType = "US"
    ds.WindowCenter = str((top + 1) / 2)
    ds.WindowWidth = str(top + 1)
    ds.PresentationLUTShape = "IDENTITY"
    ds.LossyImageCompression = "00"
    ds.BurnedInAnnotation = "NO"
    ds.PixelData = image.tobytes()
