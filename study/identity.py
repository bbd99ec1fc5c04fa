"""Taking what identifies the patient out of a reading."""

from dataclasses import replace
from pathlib import PurePath

from endplate.study.reading import Reading

__all__ = ["without_identity"]


def without_identity(reading: Reading) -> Reading:
    """The reading without patient id, study date and DICOM unique identifiers.

    Of the path only the file name stays: folders of an export are often named after patients.
    The hash of the file stays too; whoever has the film can still tell which one was read.
    """
    path = reading.source.path
    source = replace(
        reading.source,
        path=PurePath(path.replace("\\", "/")).name or path,
        patient_id="",
        study_date="",
        study_uid="",
        series_uid="",
        instance_uid="",
    )
    return replace(reading, source=source)
