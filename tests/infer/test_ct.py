"""From a CT and its labels to a reading: phantoms of known corners, and the data folder."""

import gzip
import json
import struct
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from endplate.errors import GeometryError, UnreadableImage
from endplate.geometry.levels import LEVELS
from endplate.geometry.spatial import wedge_in_plane
from endplate.imaging.ct.bodyframe import Mask, body_centres, tangents
from endplate.imaging.ct.bodypoints import body_points
from endplate.imaging.ct.column import find_column_line
from endplate.imaging.ct.labels import LabelVolume, read_labels
from endplate.imaging.ct.nifti import read_nifti
from endplate.imaging.ct.slab import cut_slab
from endplate.imaging.ct.spine import read_spine
from endplate.imaging.ct.volume import Volume
from endplate.infer.cli import main
from endplate.infer.ct import read_ct_labels, read_ct_slab
from endplate.infer.pipeline import FilmReader
from endplate.reports.reading_json import read_reading, reading_schema
from endplate.study.serialise import reading_from_dict, reading_to_dict

from .ct_phantom import Phantom, PhantomSpine, make_phantom, verse_number

THREE = ("T12", "L1", "L2")


@pytest.fixture(scope="module")
def bent() -> Phantom:
    """Scoliotic, turned about every axis, slices of 2 mm."""
    spine = PhantomSpine(lordosis=12, scoliosis=16, rotation=12, turn=(6, -8, 10), levels=THREE)
    return make_phantom(spine, (1.0, 1.0, 2.0))


def labels_of(phantom: Phantom) -> LabelVolume:
    numbers = {x: (verse_number(x),) for x in LEVELS if x in phantom.points_mm}
    return LabelVolume(phantom.labels, numbers, "verse")


def write_nifti(path: Path, volume: Volume) -> None:
    """A NIfTI-1 file of a volume."""
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *volume.size, 1, 1, 1, 1)
    struct.pack_into("<h", head, 70, 4)
    struct.pack_into("<3f", head, 108, 352, 1, 0)
    struct.pack_into("<2h", head, 252, 0, 1)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    struct.pack_into("<12f", head, 280, *affine[:3].ravel())
    head[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(head) + volume.voxels.tobytes(), 1))


def test_points_of_a_bent_phantom(bent: Phantom) -> None:
    spine = read_spine(labels_of(bent), bent.ct)
    assert tuple(spine.bodies) == THREE
    errors, wedges = [], []
    for level, body in spine.bodies.items():
        # Along the body's width a corner has no place of its own.
        off = (body.points_mm - bent.points_mm[level]) @ bent.axes[level].T
        errors.append(np.hypot(off[:, 1], off[:, 2]))
        truth = wedge_in_plane(bent.points_mm[level], bent.axes[level])
        wedges.append(wedge_in_plane(body.points_mm, body.frame.axes) - truth)
    assert np.median(errors) < 0.4
    assert np.max(errors) < 0.9
    assert np.max(np.abs(wedges)) < 1.5


def test_voxels_of_3_mm_give_angles_to_a_degree() -> None:
    phantom = make_phantom(PhantomSpine(lordosis=10, levels=THREE), (3.0, 3.0, 3.0))
    spine = read_spine(labels_of(phantom), phantom.ct)
    assert tuple(spine.bodies) == THREE
    errors = []
    for level, body in spine.bodies.items():
        off = (body.points_mm - phantom.points_mm[level]) @ phantom.axes[level].T
        errors.append(np.hypot(off[:, 1], off[:, 2]))
        truth = wedge_in_plane(phantom.points_mm[level], phantom.axes[level])
        assert wedge_in_plane(body.points_mm, body.frame.axes) == pytest.approx(truth, abs=1.0)
    assert np.median(errors) < 0.5


def test_reading_of_a_bent_phantom(bent: Phantom) -> None:
    result = read_ct_labels(bent.ct, labels_of(bent), index_level="L1")
    reading = result.reading
    assert reading.source.position == "supine"
    assert reading.source.acquisition is not None
    assert {r.code for r in reading.quality.reasons} >= {"recumbent", "few_vertebrae"}
    values = {(m.level, m.name): m.value for m in reading.measurements}
    truth = wedge_in_plane(bent.points_mm["L1"], bent.axes["L1"])
    # The slab is unrolled, so its plain measures are those of the body's own plane.
    assert values["L1", "vertebral_kyphosis_deg"] == pytest.approx(truth, abs=1.5)
    assert values["L1", "own_plane_kyphosis_deg"] == pytest.approx(truth, abs=1.5)
    errors = {(m.level, m.name): m.se for m in reading.measurements}
    assert 0.1 < errors["L1", "own_plane_kyphosis_deg"] < 3
    front = np.linalg.norm(np.subtract(*bent.points_mm["L1"][[0, 5]]))
    assert values["L1", "Ha_mm"] == pytest.approx(front, abs=0.8)
    for vertebra in reading.vertebrae:
        assert vertebra.points_mm is not None
        back = result.slab.to_patient(vertebra.points)
        # The sheet passes close by the bodies' own middle planes, and the map is exact.
        assert np.abs(back - vertebra.points_mm).max() < 2.5
        np.testing.assert_allclose(result.slab.to_pixels(back), vertebra.points, atol=1e-6)
    again = reading_from_dict(json.loads(json.dumps(reading_to_dict(reading))))
    assert again.source == reading.source
    for a, b in zip(again.vertebrae, reading.vertebrae, strict=True):
        assert a.points_mm is not None
        assert b.points_mm is not None
        np.testing.assert_allclose(a.points_mm, b.points_mm, atol=1e-3)


def test_column_is_found_without_labels() -> None:
    spine = PhantomSpine(lordosis=10, scoliosis=14, turn=(0, 0, 12), levels=THREE)
    phantom = make_phantom(spine, (1.5, 1.5, 2.5), noise=0)
    slab = cut_slab(phantom.ct, find_column_line(phantom.ct))
    for points in phantom.points_mm.values():
        centre = points.mean(axis=0)
        off = slab.to_patient(slab.to_pixels(centre)) - centre
        assert np.linalg.norm(off) < 4


def test_networks_read_a_ct_and_those_for_films_are_flagged(data_dir: Path) -> None:
    ct = read_nifti(data_dir / "ct" / "abdomen" / "example_ct.nii.gz")
    reader = FilmReader(threads=1)
    result = read_ct_slab(ct, reader)
    reading = result.reading
    assert reading.quality.status == "flagged"
    # intervals come from the calibration of slabs, and the reading says so
    assert reader.slabs is not None
    assert reading.reader.errors == reader.slabs.label
    written = reading_to_dict(reading)
    jsonschema.validate(json.loads(json.dumps(written)), reading_schema())
    assert reading_from_dict(written).reader == reading.reader
    assert "network_not_for_ct" not in {r.code for r in reading.quality.reasons}
    assert [v.level for v in reading.vertebrae][-6:] == ["L1", "L2", "L3", "L4", "L5", "S1"]
    reader.detector.metadata.training.pop("ct_slabs")  # type: ignore[attr-defined]
    reader.slabs = None
    for_films = read_ct_slab(ct, reader).reading
    assert for_films.reader.errors == "films"
    ours, theirs = (r.vertebrae[-2].covariance for r in (reading, for_films))
    assert ours is not None
    assert theirs is not None
    assert np.trace(ours) < 0.8 * np.trace(theirs)
    assert "network_not_for_ct" in {r.code for r in for_films.quality.reasons}
    assert len(reading.vertebrae) >= 3
    for vertebra in reading.vertebrae:
        assert vertebra.points_mm is not None
        np.testing.assert_allclose(
            result.slab.to_pixels(vertebra.points_mm), vertebra.points, atol=1e-6
        )


def test_lying_on_ct_is_told_but_flags_nothing() -> None:
    phantom = make_phantom(PhantomSpine(levels=(*THREE, "L3")), (1.5, 1.5, 2.0))
    for position in ("supine", None):
        provenance = replace(phantom.ct.provenance, position=position)
        ct = Volume(phantom.ct.voxels, phantom.ct.affine, provenance)
        quality = read_ct_labels(ct, labels_of(phantom)).reading.quality
        assert quality.status == "accepted"
        (note,) = quality.reasons
        assert note.code == "recumbent"
        assert ("not recorded" in note.message) == (position is None)


def test_axes_of_the_sheet_and_of_bodies_on_it(bent: Phantom) -> None:
    result = read_ct_labels(bent.ct, labels_of(bent))
    slab = result.slab
    for vertebra in result.reading.vertebrae:
        true = bent.axes[vertebra.level]
        of_body = slab.axes_of(vertebra.points)
        np.testing.assert_allclose(of_body @ of_body.T, np.eye(3), atol=1e-6)
        for row in range(3):
            assert np.degrees(np.arccos(of_body[row] @ true[row])) < 4
        # aside is to the patient's left
        step = slab.to_patient(vertebra.centre, 5.0) - slab.to_patient(vertebra.centre)
        assert step @ true[0] > 4.9
        assert slab.axes_at(vertebra.centre)[0] @ true[0] > 0.99


def test_a_body_at_the_border_is_left_out(bent: Phantom) -> None:
    labels = labels_of(bent)
    nk = labels.volume.voxels.shape[0]
    top = labels.volume.to_indices(bent.points_mm["T12"].mean(axis=0))[2]
    high = np.array([*labels.volume.size[:2], min(top + 2, nk)], dtype=float)
    cut = LabelVolume(labels.volume.crop(np.zeros(3), high), labels.numbers, "verse")
    spine = read_spine(cut, None)
    assert "T12" in spine.left_out
    assert tuple(spine.bodies) == ("L1", "L2")


def test_labels_of_another_series_are_refused(bent: Phantom) -> None:
    labels = labels_of(bent)
    affine = labels.volume.affine.copy()
    affine[2, 3] += 500
    moved = Volume(labels.volume.voxels, affine, labels.volume.provenance)
    with pytest.raises(GeometryError, match="lies outside the CT phantom"):
        read_ct_labels(bent.ct, replace(labels, volume=moved))


def test_command_line(bent: Phantom, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_nifti(tmp_path / "ct.nii.gz", bent.ct)
    write_nifti(tmp_path / "mask.nii.gz", bent.labels)
    assert read_labels(tmp_path / "mask.nii.gz").scheme == "verse"
    out = tmp_path / "out"
    arguments = ["score", str(tmp_path / "ct.nii.gz"), "--labels", str(tmp_path / "mask.nii.gz")]
    assert main([*arguments, "--index", "L1", "-o", str(out)]) == 0
    capsys.readouterr()
    (written,) = (p for p in out.glob("*.json") if not p.stem.endswith("-slab"))
    jsonschema.validate(json.loads(written.read_text()), reading_schema())
    assert [v.level for v in read_reading(written).vertebrae] == list(THREE)
    assert len(list(out.glob("*.png"))) == 2
    assert main([*arguments[:3], str(tmp_path / "ct.nii.gz")]) == 2
    assert "no label numbers" in capsys.readouterr().err


def test_lumbar_heights_of_the_data_folder(data_dir: Path) -> None:
    folder = data_dir / "ct" / "abdomen"
    labels = read_labels(folder / "totalseg.nii.gz")
    assert labels.scheme == "totalsegmentator"
    result = read_ct_labels(read_nifti(folder / "example_ct.nii.gz"), labels, index_level="L1")
    found = {v.level for v in result.reading.vertebrae}
    assert found == {"L1", "L2", "L3", "L4", "L5", "S1"}
    values = {(m.level, m.name): m.value for m in result.reading.measurements}
    assert 0.7 < values["L1", "Ha_Hp"] < 0.85
    assert 50 < values["L1", "lordosis_L1_S1_deg"] < 65


def test_unknown_labels_are_refused(tmp_path: Path, bent: Phantom) -> None:
    low = Volume(
        (bent.labels.voxels > 0).astype(np.int16), bent.labels.affine, bent.labels.provenance
    )
    write_nifti(tmp_path / "mask.nii", low)
    with pytest.raises(UnreadableImage, match="--label-scheme"):
        read_labels(tmp_path / "mask.nii")


def test_rotation_is_seen(bent: Phantom) -> None:
    mask = Mask.of(bent.labels, [verse_number("L1")])
    assert mask is not None
    masks = {x: Mask.of(bent.labels, [verse_number(x)]) for x in THREE}
    centres = body_centres({k: m for k, m in masks.items() if m is not None})
    up = tangents([centres[x] for x in THREE])[1]
    body = body_points(mask, centres["L1"], up, bent.ct)
    cosine = np.clip((body.frame.axes * bent.axes["L1"]).sum(axis=1), -1, 1)
    assert np.degrees(np.arccos(cosine)).max() < 3
