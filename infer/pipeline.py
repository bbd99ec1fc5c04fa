"""From a radiograph to a reading: find, name, refine, measure, judge."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np

from endplate.errors import InputError
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.levels import check_level
from endplate.geometry.measure import measure
from endplate.geometry.uncertainty import rescaled
from endplate.imaging.radiograph import Radiograph
from endplate.infer.filmlook import look_at
from endplate.infer.find import Anchor, Found, find_column
from endplate.infer.gate import LEANS, column_tilt, judge_quality, may_lean
from endplate.infer.naming_report import naming_of
from endplate.infer.refine import Refined, along_column, refine
from endplate.infer.session import Network
from endplate.infer.square import from_square, shrink_covariance, stretch_of, to_square, with_square
from endplate.models.calibration import Calibrations, PointErrors
from endplate.models.frames import body_frame
from endplate.models.naming import NamingConfig
from endplate.models.resample import GreyArray, ImagePyramid
from endplate.models.slab_calibration import SlabCalibration
from endplate.study.reading import Naming, Reader, Reading, Source

__all__ = ["SECOND_DETECTOR", "FilmReader", "FilmResult", "weights_folder"]

#: Files that make up a reader.
WEIGHTS: Final = {"detector": "detector.onnx", "refiner": "refiner.onnx"}
SECOND_DETECTOR: Final = "second_detector.onnx"
CALIBRATION: Final = "calibration.json"
SLAB_CALIBRATION: Final = "slab_calibration.json"
_COARSE_ERROR: Final = 0.25
"""Depths by which the detector's points may be off, a standard deviation with room to spare: it is
to keep the refiner from reading single bodies back to front, and has no say in a sharp point."""
_LEANS_MUCH: Final = 28.0
"""Degrees between column and film beyond which the column is read again along itself. Columns of
standing patients lean by up to 20 on the annotated films; of simulated ones that lean by 15 to 25
more are named right as they are, beyond 30 more are along themselves."""
_FEWEST_ALONG: Final = 2
_LEAST_SHARE: Final = 0.4
"""Depth of a refined body against that of the detector's: a body that shrinks more is none."""


def weights_folder() -> Path:
    """Folder of the weights that came with the package."""
    return Path(str(resources.files("endplate.models.weights")))


@dataclass(frozen=True, eq=False)
class FilmResult:
    """What the networks made of one film, before measuring.

    Parameters
    ----------
    found : Found
    vertebrae : tuple of Vertebra
        Head to foot, in pixels of the stored image.
    refined : tuple of Refined
        One for each vertebra; in square pixels of the resampled film if the aspect was not 1.
    level_probability : float
        Probability that the naming as a whole is right.
    naming : Naming or None
        The same with that of every other naming; None without vertebrae.
    """

    found: Found
    vertebrae: tuple[Vertebra, ...]
    refined: tuple[Refined, ...]
    level_probability: float
    naming: Naming | None = None


class FilmReader:
    """Reads lateral films with the two networks.

    Parameters
    ----------
    weights : Path or None
        Folder with ``detector.onnx``, ``refiner.onnx``, ``calibration.json`` and, for CT,
        ``slab_calibration.json``; None takes those of the package. With a
        ``second_detector.onnx`` the two detectors take turns at looking at the column of a film.
    provider : str
        ``auto``, ``cuda``, ``tensorrt``, ``openvino`` or ``cpu``.
    threads : int
        Threads of ONNX Runtime; 0: all cores.
    calibrations : Calibrations or None
        In place of ``calibration.json`` of the folder.
    slabs : SlabCalibration or None
        In place of ``slab_calibration.json`` of the folder; where there is neither, slabs are
        read in the calibration of films.

    Raises
    ------
    InputError
        If the weights are missing or unreadable, or the provider is not installed.
    """

    def __init__(
        self,
        weights: Path | None = None,
        *,
        provider: str = "auto",
        threads: int = 0,
        calibrations: Calibrations | None = None,
        slabs: SlabCalibration | None = None,
    ) -> None:
        folder = weights if weights is not None else weights_folder()
        self.detector = Network.load(
            folder / WEIGHTS["detector"], provider=provider, threads=threads
        )
        self.refiner = Network.load(folder / WEIGHTS["refiner"], provider=provider, threads=threads)
        self.second: Network | None = None
        if (folder / SECOND_DETECTOR).is_file():
            self.second = Network.load(folder / SECOND_DETECTOR, provider=provider, threads=threads)
        for network, task in zip(self.networks, ("detector", "refiner", "detector"), strict=False):
            if network.metadata.task != task:
                raise InputError(f"{network.path}: is a {network.metadata.task}, not a {task}")
        path = folder / CALIBRATION
        if calibrations is not None:
            self.calibrations = calibrations
        elif path.is_file():
            self.calibrations = Calibrations.from_json(path.read_text(), str(path))
        else:
            self.calibrations = Calibrations.uncalibrated()
        path = folder / SLAB_CALIBRATION
        if slabs is None and path.is_file():
            slabs = SlabCalibration.from_json(path.read_text(), str(path))
        self.slabs = slabs

    @property
    def slab_errors(self) -> PointErrors:
        """Error model of points on slabs of CT: their own, or that of films if there is none."""
        return self.calibrations.points if self.slabs is None else self.slabs.errors

    @property
    def slab_naming(self) -> NamingConfig:
        """Weights of the naming on slabs: those of films, trusted as far as is due there."""
        naming = self.calibrations.naming
        return naming if self.slabs is None else replace(naming, trust=self.slabs.chosen.names)

    @property
    def networks(self) -> tuple[Network, ...]:
        """Detector, refiner and, if there is one, the second detector."""
        pair = (self.detector, self.refiner)
        return pair if self.second is None else (*pair, self.second)

    @property
    def reader(self) -> Reader:
        """Who reads: name, version, and as much of each network's hash as makes 64 digits."""
        digits = math.ceil(64 / len(self.networks))
        hashes = "".join(n.sha256[:digits] for n in self.networks)[:64]
        return Reader("model", "endplate", self.detector.metadata.version, hashes)

    def find(
        self,
        pixels: GreyArray,
        calibration: Calibration,
        anchors: Sequence[Anchor] = (),
        *,
        as_stored: bool = False,
        lean: float = 0.0,
    ) -> FilmResult:
        """Find, name and refine the vertebrae of a film; coordinates of the stored image.

        `as_stored` says that the film is known to stand, and its bones to be bright; `lean`, by how
        many degrees, clockwise, the patient leans on it. A column that turns out to lean much is
        read again along itself: the networks miscount aslant columns.
        """
        result = self._find(pixels, calibration, anchors, as_stored, lean)
        tilt = column_tilt(result.vertebrae, result.found.upright)
        if as_stored or lean or result.found.turned or abs(tilt) <= _LEANS_MUCH:
            return result
        try:
            along = self._find(pixels, calibration, anchors, False, tilt)
        except InputError:
            # nothing lies where the user's levels are
            return result
        return along if len(along.vertebrae) >= _FEWEST_ALONG else result

    def _find(
        self,
        pixels: GreyArray,
        calibration: Calibration,
        anchors: Sequence[Anchor],
        as_stored: bool,
        lean: float,
    ) -> FilmResult:
        stretch = stretch_of(calibration)
        film = with_square(pixels, stretch)
        squared = [Anchor(a.level, *(to_square(np.array([a.x, a.y]), stretch))) for a in anchors]
        pyramid = ImagePyramid(film)
        found = find_column(
            pyramid,
            self.detector,
            self.calibrations.naming,
            second=self.second,
            anchors=squared,
            as_stored=as_stored,
            lean=lean,
        )
        if found.column is None:
            return FilmResult(found, (), (), 0.0)
        keep = [i for i, level in enumerate(found.column.levels) if level != "above C7"]
        candidates = [found.column.candidates[i] for i in keep]
        bodies = _same_facing([c.points for c in candidates], found.downward)
        centres = np.array([c.centre for c in candidates]).reshape(-1, 2)
        refined = refine(
            pyramid.inverted() if found.inverted else pyramid,
            bodies,
            self.refiner,
            self.calibrations.points,
            along_column(centres, found.downward),
            prior=_COARSE_ERROR,
        )
        vertebrae = tuple(
            Vertebra(
                found.column.levels[k],
                from_square(r.points, stretch),
                shrink_covariance(r.covariance, stretch),
                float(found.column.probabilities[k]),
                c.score,
                hardware=r.bears("hardware"),
                cement=r.bears("cement"),
            )
            for k, c, r in zip(keep, candidates, refined, strict=True)
        )
        seen = [
            i
            for i, (v, r, body) in enumerate(zip(vertebrae, refined, bodies, strict=True))
            if _on_film(v.points, pixels.shape) and r.depth > _LEAST_SHARE * body_frame(body)[2]
        ]
        naming = naming_of(found.column, [keep[i] for i in seen])
        return FilmResult(
            found,
            tuple(vertebrae[i] for i in seen),
            tuple(refined[i] for i in seen),
            naming.probability if naming else 0.0,
            naming,
        )

    def read(
        self,
        radiograph: Radiograph,
        *,
        index_level: str | None = None,
        anchors: Sequence[Anchor] = (),
    ) -> Reading:
        """Read a film.

        Parameters
        ----------
        index_level : str or None
            The injured level, if known.
        anchors : sequence of Anchor
            Levels that the user knows.

        Raises
        ------
        InputError
            If an anchor lies on no vertebra.
        """
        return self.read_found(radiograph, index_level=index_level, anchors=anchors)[1]

    def read_found(
        self,
        radiograph: Radiograph,
        *,
        index_level: str | None = None,
        anchors: Sequence[Anchor] = (),
    ) -> tuple[FilmResult, Reading]:
        """As `read`, with what was found.

        An image that looks like no lateral film is looked at once more for a patient who leans.
        """
        if index_level is not None:
            check_level(index_level)
        result = self.find(radiograph.pixels, radiograph.calibration, anchors)
        reading = self.report(
            radiograph, result, index_level=index_level, named_by_user=bool(anchors)
        )
        if not anchors and may_lean(result.found, reading.quality):
            for lean in LEANS:
                other = self.find(radiograph.pixels, radiograph.calibration, lean=lean)
                again = self.report(radiograph, other, index_level=index_level)
                if again.quality.status != "rejected":
                    return other, again
        return result, reading

    def report(
        self,
        radiograph: Radiograph,
        result: FilmResult,
        *,
        index_level: str | None = None,
        named_by_user: bool = False,
    ) -> Reading:
        """Measure and judge what `find` found on a film."""
        vertebrae = result.vertebrae
        quality = judge_quality(
            result.found,
            vertebrae,
            1.0 if named_by_user else result.level_probability,
            (radiograph.rows, radiograph.columns),
            self.calibrations,
            index_level,
            look=look_at(radiograph.pixels, vertebrae, inverted=result.found.inverted),
        )
        if quality.status == "rejected":
            # points on a film that is no lateral spine mean nothing
            vertebrae = ()
        factors = self.calibrations.measures
        measurements = tuple(
            rescaled(m, factors.get(m.name, 1.0))
            for m in measure(vertebrae, radiograph.calibration, index_level=index_level)
        )
        return Reading(
            id=str(uuid.uuid4()),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            reader=self.reader,
            source=_source(radiograph, result.found, vertebrae),
            calibration=radiograph.calibration,
            quality=quality,
            vertebrae=vertebrae,
            measurements=measurements,
            naming=result.naming if vertebrae else None,
        )


def _source(radiograph: Radiograph, found: Found, vertebrae: Sequence[Vertebra]) -> Source:
    scores = found.scores
    best = max(("lateral", "frontal", "other"), key=lambda name: float(getattr(scores, name)))
    facing = None
    if vertebrae:
        forward = sum(float(v.points[0, 0] - v.points[2, 0]) for v in vertebrae)
        facing = "right" if forward > 0 else "left"
    return Source(
        path=radiograph.path,
        sha256=radiograph.sha256,
        rows=radiograph.rows,
        columns=radiograph.columns,
        modality=radiograph.modality,
        study_uid=radiograph.study_uid,
        series_uid=radiograph.series_uid,
        instance_uid=radiograph.instance_uid,
        patient_id=radiograph.patient_id,
        study_date=radiograph.study_date,
        view=best,  # type: ignore[arg-type]
        facing=facing,  # type: ignore[arg-type]
        position=radiograph.position,
    )


def _same_facing(bodies: Sequence[FloatArray], downward: FloatArray) -> list[FloatArray]:
    """Swap anterior and posterior of bodies that face against the majority."""
    sideways = np.array([-downward[1], downward[0]])
    forward = [float((p[0] - p[2]) @ sideways) for p in bodies]
    majority = sum(forward)
    swapped = [2, 1, 0, 5, 4, 3]
    return [p[swapped] if f * majority < 0 else p for p, f in zip(bodies, forward, strict=True)]


def _on_film(points: FloatArray, shape: tuple[int, ...]) -> bool:
    """Whether no endplate of a body lies off the film: such a body cannot be measured."""
    for a, b in ((0, 2), (3, 5)):
        middle = 0.5 * (points[a] + points[b])
        x, y = float(middle[0]), float(middle[1])
        if x < 0 or y < 0 or x > shape[1] - 1 or y > shape[0] - 1:
            return False
    return True
