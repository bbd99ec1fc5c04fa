"""Tables of the store, for SQLite and PostgreSQL alike.

A subject has studies, a study has images, an image has readings, a reading has measurements. A
run is one call of endplate that added readings. Readings and their measurements are never
changed: the database itself refuses it (see the first migration).
"""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeEngine

__all__ = ["IMAGE", "MEASUREMENT", "METADATA", "READING", "RUN", "STUDY", "SUBJECT"]

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(declared: int) -> TypeEngine[str]:
    """A text of any length; SQLite keeps the declaration of the first migration, which it does
    not heed.
    """
    return Text().with_variant(String(declared), "sqlite")


#: A person: the patient id or pseudonym; where there is none, the study's name stands for it.
SUBJECT: Final = Table("subject", METADATA, Column("name", _text(200), primary_key=True))

#: `uid` is the Study Instance UID, or ``image <sha256>`` for a file without one.
STUDY: Final = Table(
    "study",
    METADATA,
    Column("uid", _text(200), primary_key=True),
    Column("subject", ForeignKey("subject.name"), nullable=False, index=True),
    Column("date", _text(40), nullable=False),
)

#: `sha256` is that of the file's bytes.
IMAGE: Final = Table(
    "image",
    METADATA,
    Column("sha256", _text(64), primary_key=True),
    Column("study", ForeignKey("study.uid"), nullable=False, index=True),
    Column("instance_uid", _text(200), nullable=False, index=True),
    Column("series_uid", _text(200), nullable=False),
    Column("path", Text, nullable=False),
    Column("modality", _text(16), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("columns", Integer, nullable=False),
)

#: One call of endplate, with the manifest that it wrote.
RUN: Final = Table(
    "run",
    METADATA,
    Column("id", _text(64), primary_key=True),
    Column("created", _text(40), nullable=False),
    Column("manifest", JSON, nullable=False),
)

#: `content` is the whole reading in the form ``endplate/reading/1``; `chosen` tells whether the
#: run took the image for the one of its study to measure.
READING: Final = Table(
    "reading",
    METADATA,
    Column("id", _text(64), primary_key=True),
    Column("image", ForeignKey("image.sha256"), nullable=False, index=True),
    Column("parent", _text(64)),
    Column("run", ForeignKey("run.id"), index=True),
    Column("created", _text(40), nullable=False),
    Column("reader", _text(200), nullable=False),
    Column("reader_version", _text(80), nullable=False),
    Column("reader_sha256", _text(64), nullable=False),
    Column("status", _text(16), nullable=False),
    Column("view", _text(16), nullable=False),
    Column("position", _text(40)),
    Column("calibration", _text(16), nullable=False),
    Column("chosen", Boolean, nullable=False),
    Column("content", JSON, nullable=False),
)

#: Missing numbers are NULL.
MEASUREMENT: Final = Table(
    "measurement",
    METADATA,
    Column("reading", ForeignKey("reading.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("name", _text(80), nullable=False),
    Column("level", _text(8), nullable=False),
    Column("between", _text(80), nullable=False),
    Column("value", Double),
    Column("unit", _text(16), nullable=False),
    Column("se", Double),
    Column("low90", Double),
    Column("high90", Double),
    Column("flags", _text(400), nullable=False),
    Index("ix_measurement_name_level", "name", "level"),
)
