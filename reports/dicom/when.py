"""The time of a result, on the clock that its film goes by.

Dates and times of a DICOM object (DA, TM) are local; those of the study are taken over from the
film, so those of the result must be on the same clock: that of Timezone Offset From UTC (0008,0201)
where the film states one (PS3.3 C.12.1.1.8), else that of this machine.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from pydicom.dataset import Dataset

from endplate.errors import InputError
from endplate.study.reading import Reading

__all__ = ["OFFSET", "When", "when_read"]

#: Values of Timezone Offset From UTC.
OFFSET: Final = re.compile(r"(?!-0000)[+-](0\d|1[0-4])[0-5]\d")


@dataclass(frozen=True, slots=True)
class When:
    """A moment.

    Parameters
    ----------
    day : str
        As DA has it.
    time : str
        As TM has it.
    """

    day: str
    time: str

    @property
    def stamp(self) -> str:
        """As DT has it. Without its offset from UTC, which dcmpschk of DCMTK wrongly refuses."""
        return self.day + self.time


def when_read(reading: Reading, header: Dataset) -> When:
    """When a reading was made.

    Parameters
    ----------
    header : Dataset
        Of the film (`endplate.reports.dicom.film.Film`).

    Raises
    ------
    InputError
        If the time of the reading is no ISO 8601 time.
    """
    try:
        created = datetime.fromisoformat(reading.created)
    except ValueError as error:
        raise InputError(
            f"reading {reading.id}: created is {reading.created!r}; expected an ISO 8601 time"
        ) from error
    if created.tzinfo is not None:
        created = _on_clock_of(created, str(header.get("TimezoneOffsetFromUTC", "")))
    return When(created.strftime("%Y%m%d"), created.strftime("%H%M%S"))


def _on_clock_of(moment: datetime, offset: str) -> datetime:
    try:
        if not offset:
            return moment.astimezone()
        minutes = int(offset[:1] + "1") * (60 * int(offset[1:3]) + int(offset[3:5]))
        return moment.astimezone(timezone(timedelta(minutes=minutes)))
    except (OverflowError, OSError):  # years at the end of the calendar
        return moment
