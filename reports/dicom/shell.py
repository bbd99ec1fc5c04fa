"""What all objects of a kind have in common: made once by highdicom, then kept as it is encoded.

highdicom holds each object against its definition, which takes longer than to say what is in it. So
it makes one of each kind in a process, of a film of nobody. Every object has its common elements
from there; what belongs to patient, study, film and reading is set anew in each.
"""

from collections.abc import Iterable
from io import BytesIO
from typing import Final

from pydicom import dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from endplate.reports.dicom.charset import UTF_8
from endplate.reports.dicom.content import item
from endplate.reports.dicom.encode import encoded_elements, keep_sequence
from endplate.reports.dicom.when import When

__all__ = ["NOBODY", "Shell"]

_Elements = dict[BaseTag, DataElement | RawDataElement]

#: Of the patient and the study.
_OF_FILM: Final = (
    *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyDescription"),
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("PatientAge", "StudyInstanceUID", "StudyID", "TimezoneOffsetFromUTC"),
)
#: Of the object. Not all kinds have a time of their content.
_OWN: Final = ("SOPInstanceUID", "SeriesInstanceUID")
_TIMES: Final = ("InstanceCreationDate", "InstanceCreationTime")
_CONTENT_TIMES: Final = ("ContentDate", "ContentTime")
_EQUIPMENT: Final = "ContributingEquipmentSequence"


def _nobody() -> Dataset:
    film = Dataset()
    film.SpecificCharacterSet = UTF_8[0]
    for keyword in _OF_FILM:
        setattr(film, keyword, "")
    film.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    film.SOPInstanceUID = film.StudyInstanceUID = film.SeriesInstanceUID = "1.2.3"
    film.Modality = "DX"
    film.Rows = film.Columns = film.SamplesPerPixel = 1
    film.PhotometricInterpretation = "MONOCHROME2"
    return film


#: Header of a film of nobody.
NOBODY: Final = _nobody()


class Shell:
    """The common elements of objects of one kind.

    Parameters
    ----------
    made : Dataset
        As highdicom made it of `NOBODY`.
    without : iterable of str
        Keywords of elements that are not common, besides those of patient, study and instance.
    syntax : str
        Transfer syntax of the objects.
    """

    def __init__(
        self, made: Dataset, without: Iterable[str] = (), syntax: str = ExplicitVRLittleEndian
    ) -> None:
        self._content_times = tuple(k for k in _CONTENT_TIMES if k in made)
        (equipment,) = made[_EQUIPMENT].value
        del equipment.ContributionDateTime
        self._equipment: _Elements = dict(equipment.items())
        for keyword in (*_OF_FILM, *_OWN, *_TIMES, *_CONTENT_TIMES, _EQUIPMENT, *without):
            if keyword in made:
                delattr(made, keyword)
        data = BytesIO()
        made.save_as(data)
        data.seek(0)
        kept = dcmread(data)
        self._elements: _Elements = {tag: kept.get_item(tag) for tag in kept.keys()}  # noqa: SIM118
        meta = made.file_meta
        meta.TransferSyntaxUID = UID(syntax)
        # These two are set in each object, which would change the element that all share.
        del meta.MediaStorageSOPInstanceUID, meta.FileMetaInformationGroupLength
        self._meta: _Elements = dict(meta.items())

    def around(self, header: Dataset, series: str, instance: str, created: When) -> Dataset:
        """An object with what it takes over from its film.

        Parameters
        ----------
        header : Dataset
            Of the film (`endplate.reports.dicom.film.Film`).
        series, instance : str
            Identifiers of the object.
        created : When
            At which the reading was made, and so the object, whenever it is written.
        """
        out = Dataset()
        out.update(self._elements)
        for keyword in _OF_FILM:
            if keyword in header:
                setattr(out, keyword, str(header[keyword].value or ""))
        out.SOPInstanceUID, out.SeriesInstanceUID = instance, series
        out.InstanceCreationDate, out.InstanceCreationTime = created.day, created.time
        for keyword in self._content_times:
            setattr(out, keyword, created.day if keyword.endswith("Date") else created.time)
        equipment = Dataset()
        equipment.update(self._equipment)
        equipment.ContributionDateTime = created.stamp
        keep_sequence(out, _EQUIPMENT, [item(encoded_elements(equipment))])
        out.file_meta = FileMetaDataset()
        out.file_meta.update(self._meta)
        out.file_meta.MediaStorageSOPInstanceUID = UID(instance)
        return out
