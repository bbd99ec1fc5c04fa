"""From a CT to a reading: by the networks on the sagittal slab, or from a segmentation."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from endplate import __version__
from endplate.errors import GeometryError
from endplate.geometry.calibration import Calibration
from endplate.geometry.landmarks import FloatArray, Vertebra
from endplate.geometry.measure import measure
from endplate.geometry.spatial import spatial_measurements
from endplate.geometry.uncertainty import rescaled
from endplate.imaging.ct.bodypoints import LabelledBody
from endplate.imaging.ct.column import find_column_line
from endplate.imaging.ct.curve import centre_line
from endplate.imaging.ct.labels import LabelVolume
from endplate.imaging.ct.slab import Slab, Strip, coronal_strip, cut_slab
from endplate.imaging.ct.spine import LabelledSpine, read_spine
from endplate.imaging.ct.volume import Volume
from endplate.infer.ct_networks import lay_sheet, read_sheet
from endplate.infer.find import Anchor, Found
from endplate.infer.gate import judge_quality
from endplate.infer.pipeline import FilmReader
from endplate.models.calibration import Calibrations
from endplate.models.slab_calibration import SlabCalibration
from endplate.study.reading import Acquisition, Quality, Reader, Reading, Reason, Source

__all__ = ["CtReading", "read_ct_labels", "read_ct_slab"]

#: Standard deviations of coronal tilt and rotation from a label, degrees, as found on phantoms
#: of known axes (benchmarks/ct_heights.py).
_TURN_SD: Final = (0.5, 1.3)
_FEWEST: Final = 2
_COMFORTABLE: Final = 4
#: Spacing of slices beyond which single angles are uncertain by several degrees, mm.
_COARSE_MM: Final = 2.0
#: Entry of a network's training record that says that it has seen slabs.
_TRAINED_ON_SLABS: Final = "ct_slabs"
_UNPROVEN: Final = Reason(
    "network_not_for_ct",
    "these networks were trained on films only; such networks named every body of two CTs wrongly:"
    " check all, or give --labels MASK",
)
#: Reasons that are told but flag nothing; where films are compared, the comparison is flagged.
_NOTES: Final = ("recumbent",)
_LYING: Final = ("supine", "prone", "decubitus")


@dataclass(frozen=True, eq=False)
class CtReading:
    """A reading and the pictures that it was made on.

    Parameters
    ----------
    reading : Reading
        Points in pixels of `slab.pixels`, and `points_mm`.
    slab : Slab
    strip : Strip
    notes : tuple of str
        What was corrected or left out while reading.
    """

    reading: Reading
    slab: Slab
    strip: Strip
    notes: tuple[str, ...]


def read_ct_labels(ct: Volume, labels: LabelVolume, *, index_level: str | None = None) -> CtReading:
    """Read a CT by its segmentation, without a network.

    Parameters
    ----------
    ct : Volume
    labels : LabelVolume
        Of the same patient coordinates; its grid may differ.
    index_level : str or None
        The injured level, if known.

    Raises
    ------
    GeometryError
        If fewer than two bodies can be measured, or they do not lie in the CT.
    """
    spine = read_spine(labels, ct)
    bodies = {level: b for level, b in spine.bodies.items() if level != "S1"}
    if len(bodies) < _FEWEST:
        why = "; ".join(f"{level}: {reason}" for level, reason in spine.left_out.items())
        raise GeometryError(
            f"{labels.volume.provenance.path}: at least {_FEWEST} bodies are needed, and"
            f" {len(bodies)} can be measured ({why or 'no others are labelled'})"
        )
    _check_place(ct, labels, bodies)
    line = centre_line(
        [b.frame.centre for b in bodies.values()],
        [b.frame.axes[1] for b in bodies.values()],
        reach=(30.0, 75.0 if "S1" in spine.bodies else 30.0),
    )
    slab = cut_slab(ct, line)
    vertebrae = tuple(_labelled(level, body, slab) for level, body in spine.bodies.items())
    axes = {level: body.frame.axes for level, body in spine.bodies.items()}
    provenance = labels.volume.provenance
    reader = Reader("model", f"labels:{labels.scheme}", __version__, provenance.sha256)
    quality = _judged(_reasons(ct, vertebrae, index_level, spine))
    return _result(ct, slab, vertebrae, axes, reader, quality, index_level, _TURN_SD)


def read_ct_slab(
    ct: Volume,
    reader: FilmReader,
    *,
    index_level: str | None = None,
    anchors: Sequence[Anchor] = (),
) -> CtReading:
    """Read a CT by the networks, on its curved sagittal slab.

    Networks that were trained on films alone see a slab poorly; the reading is then flagged.

    Parameters
    ----------
    anchors : sequence of Anchor
        Levels that the user knows, in pixels of the slab.

    Raises
    ------
    GeometryError
        If no spinal column is found in the volume.
    """
    slab = lay_sheet(ct, find_column_line(ct), reader)
    sheet = read_sheet(ct, slab, reader, anchors)
    result, vertebrae = sheet.result, sheet.result.vertebrae
    axes = {v.level: slab.axes_of(v.points) for v in vertebrae}
    quality = judge_quality(
        _as_lateral(result.found),
        vertebrae,
        1.0 if anchors else result.level_probability,
        (slab.pixels.shape[0], slab.pixels.shape[1]),
        _for_slabs(reader),
        index_level,
    )
    by = replace(reader.reader, errors=reader.slabs.label if reader.slabs else "films")
    if quality.status == "rejected":
        return _result(ct, slab, (), {}, by, quality, index_level)
    doubts = () if reader.detector.metadata.training.get(_TRAINED_ON_SLABS) else (_UNPROVEN,)
    reasons = (*doubts, *quality.reasons, *_reasons(ct, vertebrae, index_level, None))
    quality = _judged(tuple({r.code: r for r in reasons}.values()))
    reading = _result(ct, slab, vertebrae, axes, by, quality, index_level)
    return reading if reader.slabs is None else _rescaled(reading, reader.slabs)


def _for_slabs(reader: FilmReader) -> Calibrations:
    """Calibration by which a reading of a slab is judged."""
    if reader.slabs is None:
        return reader.calibrations
    return replace(reader.calibrations, points=reader.slabs.errors, point_sd=reader.slabs.point_sd)


def _rescaled(result: CtReading, slabs: SlabCalibration) -> CtReading:
    """The same with the standard errors of measures as fitted on slabs."""
    measurements = tuple(rescaled(m, slabs.factor(m.unit)) for m in result.reading.measurements)
    return replace(result, reading=replace(result.reading, measurements=measurements))


def _check_place(ct: Volume, labels: LabelVolume, bodies: Mapping[str, LabelledBody]) -> None:
    """Refuse labels that lie elsewhere in the patient: they are of another series."""
    for level, body in bodies.items():
        at = ct.to_indices(body.frame.centre)
        if (at < 0).any() or (at > np.array(ct.size) - 1).any():
            raise GeometryError(
                f"{labels.volume.provenance.path}: {level} lies outside the CT"
                f" {ct.provenance.path}: give the labels of this series"
            )


def _judged(reasons: Sequence[Reason]) -> Quality:
    """Flagged for every reason but a note: that patients lie on CT is no fault of a reading."""
    doubts = [r for r in reasons if r.code not in _NOTES]
    return Quality("flagged" if doubts else "accepted", tuple(reasons))


def _as_lateral(found: Found) -> Found:
    """What was found, the view being known: a slab is lateral, whatever it looks like."""
    scores = replace(found.scores, lateral=1.0, frontal=0.0, other=0.0)
    return replace(found, scores=scores)


def _labelled(level: str, body: LabelledBody, slab: Slab) -> Vertebra:
    """A vertebra of the slab; its covariance is that of the phantom trials."""
    points = slab.to_pixels(body.points_mm)
    variance = np.full(12, (body.sd_mm / slab.spacing) ** 2)
    variance[np.repeat(np.isnan(points).any(axis=1), 2)] = np.nan
    covariance = np.diag(variance)
    missing = np.isnan(variance)
    covariance[missing] = np.nan
    covariance[:, missing] = np.nan
    return Vertebra(level, points, covariance, points_mm=body.points_mm)


def _reasons(
    ct: Volume,
    vertebrae: Sequence[Vertebra],
    index_level: str | None,
    spine: LabelledSpine | None,
) -> list[Reason]:
    out = []
    names = [v.level for v in vertebrae]
    if spine is not None and len(vertebrae) < _COMFORTABLE:
        out.append(Reason("few_vertebrae", f"only {len(vertebrae)} vertebrae could be measured"))
    if spine is not None and index_level is not None and index_level not in names:
        why = spine.left_out.get(index_level, "it is not labelled")
        out.append(Reason("index_level_missing", f"{index_level} was not measured: {why}"))
    coarse = float(ct.spacing.max())
    if coarse > _COARSE_MM:
        out.append(
            Reason(
                "low_resolution",
                f"voxels are {coarse:.1f} mm: the wedge of a single body is uncertain by some"
                " degrees",
            )
        )
    if ct.provenance.position in _LYING:
        out.append(
            Reason(
                "recumbent",
                f"the patient lay ({ct.provenance.position}): kyphosis is less than on a standing"
                " film; do not take the difference for a change",
            )
        )
    elif ct.provenance.position is None:
        out.append(
            Reason(
                "recumbent",
                "the patient's position is not recorded, and on CT patients nearly always lie:"
                " kyphosis is then less than on a standing film; do not take the difference for a"
                " change",
            )
        )
    changed = [n for n in ct.notes if "interpolated" in n or "missing" in n]
    out += [Reason("slices_interpolated", changed[0])] if changed else []
    return out


def _result(
    ct: Volume,
    slab: Slab,
    vertebrae: tuple[Vertebra, ...],
    axes: Mapping[str, FloatArray],
    reader: Reader,
    quality: Quality,
    index_level: str | None,
    turn_sd: tuple[float, float] = (float("nan"), float("nan")),
) -> CtReading:
    calibration = Calibration((slab.spacing, slab.spacing), "ct")
    plain = measure(vertebrae, calibration, index_level=index_level)
    spatial = [
        m
        for v in vertebrae
        for m in spatial_measurements(
            v, axes[v.level], slab.line.axes, _coordinate_sd(v) * slab.spacing, turn_sd
        )
    ]
    reading = Reading(
        id=str(uuid.uuid4()),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        reader=reader,
        source=_source(ct, slab),
        calibration=calibration,
        quality=quality,
        vertebrae=vertebrae,
        measurements=(*plain, *spatial),
    )
    return CtReading(reading, slab, coronal_strip(ct, slab.line), ct.notes)


def _coordinate_sd(vertebra: Vertebra) -> float:
    """Root mean square of the standard deviations of a vertebra's coordinates, pixels."""
    if vertebra.covariance is None:
        return float("nan")
    variances = np.diag(vertebra.covariance)
    known = variances[np.isfinite(variances)]
    return float(np.sqrt(known.mean())) if len(known) else float("nan")


def _source(ct: Volume, slab: Slab) -> Source:
    p = ct.provenance
    return Source(
        path=p.path,
        sha256=p.sha256,
        rows=slab.pixels.shape[0],
        columns=slab.pixels.shape[1],
        modality="CT",
        study_uid=p.study_uid,
        series_uid=p.series_uid,
        patient_id=p.patient_id,
        study_date=p.study_date,
        view="lateral",
        facing="right",
        position=p.position,
        acquisition=Acquisition(p.slice_thickness_mm, p.slice_spacing_mm, p.kernel),
    )
