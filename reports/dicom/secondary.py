"""The overlay picture as a DICOM secondary capture, for viewers that show nothing else."""

from typing import Final

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from endplate import __version__
from endplate.reports.canvas import Picture
from endplate.reports.dicom.film import Film, names_as_they_are
from endplate.reports.dicom.rle import encode_rle
from endplate.reports.dicom.sr import MANUFACTURER, created_at, stamp
from endplate.reports.dicom.uids import UidMaker
from endplate.study.reading import Reading

__all__ = ["build_secondary_capture"]

_SERIES_NUMBER: Final = 9103


@names_as_they_are()
def build_secondary_capture(
    reading: Reading, film: Film, uids: UidMaker, picture: Picture
) -> hd.sc.SCImage:
    """A picture of a reading as an image of the film's study.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
        Blue, green, red, as `draw_overlay` gives it. The scale of the film does not hold for it,
        so it carries no spacing.
    """
    created = created_at(reading)
    header = film.header
    image = hd.sc.SCImage(
        pixel_array=picture[..., ::-1].copy(),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=header.StudyInstanceUID,
        series_instance_uid=uids.make("series of the picture"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=uids.make("picture"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="endplate",
        software_versions=__version__,
        device_serial_number="0",
        series_description="endplate overlay",
        patient_id=header.PatientID,
        patient_name=header.PatientName,
        patient_birth_date=header.PatientBirthDate or None,
        patient_sex=header.PatientSex or None,
        accession_number=header.AccessionNumber,
        study_id=header.StudyID,
        study_date=header.StudyDate or None,
        study_time=header.StudyTime or None,
        referring_physician_name=header.ReferringPhysicianName,
        patient_orientation=("L", "F"),
        specific_character_set="ISO_IR 192",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    image.PatientOrientation = header.get("PatientOrientation", [])
    image.BodyPartExamined = film.body_part
    image.BurnedInAnnotation = "YES"
    image.ImageType = ["DERIVED", "SECONDARY"]
    image.DerivationDescription = "Film with vertebral bodies and measurements drawn on it"
    source = Dataset()
    source.ReferencedSOPClassUID = header.SOPClassUID
    source.ReferencedSOPInstanceUID = header.SOPInstanceUID
    image.SourceImageSequence = [source]
    stamp(image, created)
    image.ContentDate, image.ContentTime = image.InstanceCreationDate, image.InstanceCreationTime
    for keyword in ("DateOfSecondaryCapture", "TimeOfSecondaryCapture"):
        if keyword in image:
            delattr(image, keyword)
    image.PixelData = encapsulate([encode_rle(picture[..., ::-1])])
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = RLELossless
    return image
