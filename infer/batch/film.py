"""What a worker does with one film: decode, read, write the results, say what it found."""

import hashlib
import json
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from endplate.errors import EndplateError, UnreachableFile, UnreadableImage
from endplate.imaging.pseudonyms import Pseudonyms
from endplate.imaging.radiograph import Radiograph
from endplate.imaging.read import read_radiograph
from endplate.infer.batch.results import FilmResults, hidden_sha256
from endplate.infer.batch.sink import CannotWrite, Sink, open_sink
from endplate.infer.batch.task import (
    NOT_WRITTEN,
    UNREACHABLE,
    CellSetup,
    Outcome,
    Task,
    result_name,
)
from endplate.reports.canvas import Picture
from endplate.reports.overlay import draw_overlay
from endplate.reports.reading_json import reading_text
from endplate.reports.words import choose_index
from endplate.study.reading import Reader, Reading
from endplate.study.serialise import reading_from_dict

__all__ = ["FilmWorker", "ReadsFilms", "pixel_hash", "result_name", "shipped_reader"]

#: Names of reading ids: a version 5 UUID under this one.
_NAMESPACE: Final = uuid.UUID("6f1d6a0e-5a0b-4b52-9a53-3a54c35ab1e7")
_OVERLAY_SIDE: Final = 1000
_THUMB_SIDE: Final = 300
_TARGET_LEVELS: Final = ("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
#: Measures that the summary page and the list of films show.
_HEADLINES: Final = ("vertebral_kyphosis_deg", "regional_kyphosis_deg", "loss_ant_pct")


class ReadsFilms(Protocol):
    """Whatever turns films into readings."""

    @property
    def reader(self) -> Reader:
        """Who reads."""

    def read(self, radiograph: Radiograph, *, index_level: str | None = None) -> Reading:
        """The reading of a film."""


def shipped_reader(setup: CellSetup) -> ReadsFilms:
    """The networks, on one thread: a batch has one worker for each core."""
    from endplate.infer.pipeline import FilmReader

    weights = Path(setup.weights) if setup.weights else None
    return FilmReader(weights, provider=setup.provider, threads=1)


class _Clock:
    """Seconds of each step of a film, by the wall's clock and by the processor's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}
        self._last = time.perf_counter(), time.process_time()

    def lap(self, step: str) -> None:
        """A step is done."""
        now = time.perf_counter(), time.process_time()
        self.seconds[step] = round(now[0] - self._last[0], 4)
        self.cpu_seconds[step] = round(now[1] - self._last[1], 4)
        self._last = now


class FilmWorker:
    """Reads film after film with one loaded reader.

    Parameters
    ----------
    setup : CellSetup
    reader : ReadsFilms
    """

    def __init__(self, setup: CellSetup, reader: ReadsFilms) -> None:
        cv2.setNumThreads(1)
        # read_radiograph imports it late; here the time of the first film must not pay for it.
        import_module("endplate.imaging.dicom")
        self.setup, self.reader = setup, reader
        self.sink: Sink = open_sink(setup.output)
        self.pseudonyms = Pseudonyms(bytes.fromhex(setup.key)) if setup.key else None
        self.results = FilmResults(setup, self.sink, self.pseudonyms)

    def run(self, task: Task) -> Outcome:
        """Read one film; errors become outcomes, running out of memory does not."""
        try:
            return Outcome(task.number, self._again(task) if task.again else self._film(task))
        except MemoryError:
            raise
        except CannotWrite as error:
            return Outcome(task.number, None, NOT_WRITTEN, str(error))
        except EndplateError as error:
            return Outcome(task.number, None, _code_of(error), _sentence(str(error), task))
        except Exception as error:  # one film must not cost the others their result
            text = _sentence(f"{type(error).__name__}: {error}", task)
            return Outcome(task.number, None, "internal_error", f"Unexpected {text}")

    def _film(self, task: Task) -> dict[str, Any]:
        """Decode, read and write; what the journal keeps of the film."""
        clock = _Clock()
        radiograph = replace(read_radiograph(task.file), path=task.path)
        clock.lap("decode")
        reading = self.reader.read(radiograph, index_level=self.setup.index_level)
        reading = self._identified(reading, task)
        clock.lap("read")
        number = task.number
        self.sink.write(result_name("thumbs", number, ".jpg"), _thumb(radiograph.pixels))
        picture = cache(partial(self._drawn, radiograph.pixels, reading))
        if self.setup.overlays and reading.quality.status != "rejected":
            self.sink.write(result_name("overlays", number, ".jpg"), _jpeg(picture()))
        text = reading_text(reading)
        self.sink.write(result_name("readings", number, ".json"), text.encode())
        given = {}
        if self.setup.results:
            given["dicom"] = self.results.write(task, reading, text, picture)
        pixels = pixel_hash(radiograph.pixels)
        clock.lap("write")
        return {
            **_summary(reading, self.setup.index_level),
            "overlay": self.setup.overlays and reading.quality.status != "rejected",
            "pixels": pixels,
            "notes": list(radiograph.notes),
            "seconds": clock.seconds,
            "cpu_seconds": clock.cpu_seconds,
            **given,
        }

    def _again(self, task: Task) -> dict[str, Any]:
        """The DICOM results of a film that was read in an earlier call."""
        name = result_name("readings", task.number, ".json")
        text = self.sink.read(name).decode()
        reading = reading_from_dict(json.loads(text), name)

        def picture() -> Picture:
            return self._drawn(read_radiograph(task.file).pixels, reading)

        return {"dicom": self.results.write_later(task, reading, text, picture)}

    def _drawn(self, pixels: npt.NDArray[np.generic], reading: Reading) -> Picture:
        """The film with the reading drawn on it."""
        index = self.setup.index_level
        return draw_overlay(pixels, reading, index_level=index, long_side=_OVERLAY_SIDE)

    def _identified(self, reading: Reading, task: Task) -> Reading:
        """The reading under an id that depends on film and reader alone, perhaps pseudonymous."""
        source = reading.source
        name = "\0".join(
            (source.sha256, reading.reader.sha256, self.setup.index_level or "", task.path)
        )
        if self.pseudonyms is not None:
            hidden = self.pseudonyms
            name = hidden.uid(name)
            source = replace(
                source,
                path=f"{task.number:07d}",
                sha256=hidden_sha256(hidden, source.sha256),
                patient_id=hidden.subject(source.patient_id),
                study_date=hidden.date(source.study_date, source.patient_id),
                study_uid=hidden.uid(source.study_uid),
                series_uid=hidden.uid(source.series_uid),
                instance_uid=hidden.uid(source.instance_uid),
            )
        identifier = str(uuid.uuid5(_NAMESPACE, name))
        return replace(reading, id=identifier, created=self.setup.created, source=source)


def _code_of(error: EndplateError) -> str:
    if isinstance(error, UnreachableFile):
        return UNREACHABLE
    return "unreadable_image" if isinstance(error, UnreadableImage) else "unusable"


def _sentence(text: str, task: Task) -> str:
    """A message without the file's path, on one line."""
    for path in (task.file, task.path):
        text = text.replace(f"{path}: ", "").replace(path, "the file")
    return _as_sentence(" ".join(text.split())[:500])


def _as_sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _summary(reading: Reading, index_level: str | None) -> dict[str, Any]:
    """What lists, summary page and choice of the film to measure need of a reading."""
    index = choose_index(reading, index_level) if reading.vertebrae else None
    level = index.level if index is not None else None
    headlines = {
        m.name: [round(m.value, 2), m.unit]
        for m in reading.measurements
        if m.level == level and m.name in _HEADLINES and math.isfinite(m.value)
    }
    source = reading.source
    return {
        "id": reading.id,
        "status": reading.quality.status,
        "reasons": [[r.code, _as_sentence(r.message)] for r in reading.quality.reasons],
        "sha256": source.sha256,
        "size": [source.rows, source.columns],
        "view": source.view,
        "position": source.position,
        "subject": source.patient_id,
        "study_uid": source.study_uid,
        "instance_uid": source.instance_uid,
        "study_date": source.study_date,
        "calibration": reading.calibration.source,
        "levels": [v.level for v in reading.vertebrae],
        "target_levels": _target_levels(reading),
        "index_level": level,
        "headlines": headlines,
    }


def _target_levels(reading: Reading) -> int:
    return sum(v.level in _TARGET_LEVELS for v in reading.vertebrae)


def _thumb(pixels: npt.NDArray[np.generic]) -> bytes:
    """Small JPEG of a film, stretched between its 1st and 99th percentile."""
    rows, columns = pixels.shape
    scale = _THUMB_SIDE / max(rows, columns)
    size: Sequence[int] = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    # A few of the pixels show a stamp as well as all, in a fraction of the time.
    step = max(1, max(rows, columns) // (3 * _THUMB_SIDE))
    some = pixels[::step, ::step].astype(np.float32)
    small = cv2.resize(some, size, interpolation=cv2.INTER_AREA)
    low, high = np.percentile(small, (1, 99))
    grey = np.clip((small - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    return _jpeg(grey)


def _jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture as JPEG: PNG would take a third of the time of reading, and thrice the disk."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done, "OpenCV encodes any 8-bit picture as JPEG"
    return data.tobytes()


def pixel_hash(pixels: npt.NDArray[np.generic]) -> str:
    """Hash by which films of the same pixels are known, whatever file holds them."""
    digest = hashlib.sha256(f"{pixels.shape}{pixels.dtype}".encode())
    digest.update(np.ascontiguousarray(pixels).view(np.uint8).data)
    return digest.hexdigest()
