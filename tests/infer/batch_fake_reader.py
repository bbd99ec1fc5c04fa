"""A reader of films for the tests of batches: quick, and as nasty as a film asks it to be.

The number of rows of a film says what reading it does; see `NASTY`. The tests put this file where
workers can import it.
"""

import os
import time

import numpy as np

from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.imaging.radiograph import Radiograph
from endplate.study.reading import Quality, Reader, Reading, Reason, Source

__all__ = ["NASTY", "make"]

NASTY = {"crash": 201, "hang": 202, "memory": 203, "frontal": 204, "bug": 205, "slow": 206}
_LEVELS = ("T12", "L1", "L2", "L3")


class FakeReader:
    """Finds four bodies whose wedge depends on the film's pixels."""

    reader = Reader("model", "fake", "1.0", "ab" * 32)

    def read(self, radiograph: Radiograph, *, index_level: str | None = None) -> Reading:
        rows = radiograph.rows
        if rows == NASTY["crash"]:
            os.abort()
        if rows == NASTY["hang"]:
            time.sleep(1000)
        if rows == NASTY["memory"]:
            np.ones(1 << 36, np.uint8)
        if rows == NASTY["bug"]:
            raise ZeroDivisionError("a bug")
        if rows == NASTY["slow"]:
            time.sleep(0.3)
        rejected = rows == NASTY["frontal"]
        wedge = float(radiograph.pixels.astype(np.float64).mean() % 7)
        bodies = tuple(_body(level, 20.0 + 40.0 * i, wedge) for i, level in enumerate(_LEVELS))
        vertebrae = () if rejected else bodies
        reason = Reason("not_lateral", "The film is a frontal one.")
        return Reading(
            id="",
            created="",
            reader=self.reader,
            source=Source(
                radiograph.path,
                radiograph.sha256,
                rows,
                radiograph.columns,
                radiograph.modality,
                radiograph.study_uid,
                radiograph.series_uid,
                radiograph.instance_uid,
                radiograph.patient_id,
                radiograph.study_date,
                "frontal" if rejected else "lateral",
                None if rejected else "right",
                radiograph.position,
            ),
            calibration=radiograph.calibration,
            quality=Quality("rejected", (reason,)) if rejected else Quality("accepted"),
            vertebrae=vertebrae,
            measurements=measure(vertebrae, radiograph.calibration, index_level=index_level),
        )


def make(setup: object) -> FakeReader:
    """What a worker calls."""
    return FakeReader()


def _body(level: str, top: float, wedge: float) -> Vertebra:
    points = [[110, top + wedge], [85, top + 1], [60, top], [60, top + 30], [85, top + 29]]
    return Vertebra(level, np.array([*points, [110, top + 30]]), np.eye(12), 0.9, 0.9)
