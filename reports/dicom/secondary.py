"""The overlay picture as a DICOM secondary capture, for viewers that show nothing else."""

from functools import cache
from typing import Final

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from endplate import __version__
from endplate.reports.canvas import Picture
from endplate.reports.dicom import content
from endplate.reports.dicom.charset import UTF_8
from endplate.reports.dicom.encode import keep_sequence
from endplate.reports.dicom.film import Film
from endplate.reports.dicom.rle import encode_rle
from endplate.reports.dicom.shell import Shell
from endplate.reports.dicom.sr import MANUFACTURER
from endplate.reports.dicom.uids import UidMaker
from endplate.reports.dicom.when import when_read
from endplate.study.reading import Reading

__all__ = ["build_secondary_capture"]

_SERIES_NUMBER: Final = 9103


def build_secondary_capture(
    reading: Reading, film: Film, uids: UidMaker, picture: Picture
) -> Dataset:
    """A picture of a reading as an image of the film's study.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
        Blue, green, red, as `draw_overlay` gives it. The scale of the film does not hold for it,
        so it carries no spacing.
    """
    header = film.header
    series, instance = uids.make("series of the picture"), uids.make("picture")
    image = _shell().around(header, series, instance, when_read(reading, header))
    image.PatientOrientation = header.get("PatientOrientation", [])
    image.BodyPartExamined = film.body_part
    source = content.referred(str(header.SOPClassUID), str(header.SOPInstanceUID))
    keep_sequence(image, "SourceImageSequence", [source])
    image.Rows, image.Columns = picture.shape[:2]
    image.add_new("PixelData", "OB", encapsulate([encode_rle(picture[..., ::-1])]))
    image["PixelData"].is_undefined_length = True
    return image


@cache
def _shell() -> Shell:
    """What all pictures share."""
    made = hd.sc.SCImage(
        pixel_array=np.zeros((1, 1, 3), np.uint8),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.3",
        series_number=_SERIES_NUMBER,
        sop_instance_uid="1.2.3",
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="endplate",
        software_versions=__version__,
        device_serial_number="0",
        series_description="endplate overlay",
        patient_orientation=("L", "F"),
        specific_character_set=UTF_8[0],
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    made.BurnedInAnnotation = "YES"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.DerivationDescription = "Film with vertebral bodies and measurements drawn on it"
    own = ("DateOfSecondaryCapture", "TimeOfSecondaryCapture", "PixelData", "Rows", "Columns")
    return Shell(made, own, RLELossless)
