"""CT series from folders, archives and enhanced files: order, gaps, tilt, selection."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.fileset import FileSet

from endplate.errors import InputError, UnreadableImage
from endplate.imaging.ct.read import looks_like_ct, read_ct

from .ct_factory import (
    SPACING,
    ct_slice,
    ramp,
    save,
    write_enhanced,
    write_series,
)


def test_folder_is_ordered_by_position(tmp_path: Path) -> None:
    voxels = ramp()
    write_series(tmp_path, voxels)
    (tmp_path / "notes.txt").write_text("not DICOM")
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, voxels)
    np.testing.assert_allclose(volume.to_patient(np.array([1.0, 2.0, 3.0])), [-29.2, -38.2, 16.0])
    np.testing.assert_allclose(volume.spacing, [SPACING[1], SPACING[0], SPACING[2]])
    assert volume.provenance.position == "supine"
    assert volume.provenance.kernel == "Br60"
    assert volume.provenance.slice_thickness_mm == 2.0
    assert looks_like_ct(tmp_path)


def test_zip_and_enhanced_are_the_same_volume(tmp_path: Path) -> None:
    voxels = ramp()
    write_series(tmp_path / "series", voxels)
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for file in (tmp_path / "series").iterdir():
            archive.write(file, f"DICOM/{file.name}")
    write_enhanced(tmp_path / "enhanced.dcm", voxels)
    for path in (tmp_path / "study.zip", tmp_path / "enhanced.dcm"):
        volume = read_ct(path)
        np.testing.assert_array_equal(volume.voxels, voxels)
        np.testing.assert_allclose(volume.affine[:3, 3], [-30, -40, 10])


def test_reversed_instance_numbers_do_not_matter(tmp_path: Path) -> None:
    voxels = ramp()
    for k, plane in enumerate(voxels):
        save(ct_slice(plane, k, InstanceNumber=100 - k), tmp_path / str(k))
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, voxels)


def test_duplicates_are_left_out(tmp_path: Path) -> None:
    voxels = ramp()
    write_series(tmp_path, voxels)
    save(ct_slice(voxels[3] * 0, 3, SOPInstanceUID="1.2.3.99", InstanceNumber=99), tmp_path / "x")
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, voxels)
    assert any("where another does" in n for n in volume.notes)


def test_one_of_two_acquisitions_is_read(tmp_path: Path) -> None:
    voxels = ramp()
    write_series(tmp_path / "a", voxels)
    write_series(tmp_path / "b", voxels + np.int16(500), AcquisitionNumber=2)
    volume = read_ct(tmp_path)
    difference = volume.voxels - voxels
    assert np.ptp(difference) == 0
    assert any("2 acquisitions" in n for n in volume.notes)


def test_one_missing_slice_is_interpolated_and_said(tmp_path: Path) -> None:
    voxels = ramp(12)
    write_series(tmp_path, voxels)
    (tmp_path / f"{(5 * 7919) % 1000:04d}").unlink()
    volume = read_ct(tmp_path)
    np.testing.assert_allclose(volume.voxels, voxels, atol=1)
    assert any("missing" in n for n in volume.notes)


def test_a_wide_gap_is_refused(tmp_path: Path) -> None:
    voxels = ramp(14)
    write_series(tmp_path, voxels)
    for k in (5, 6, 7, 8):
        (tmp_path / f"{(k * 7919) % 1000:04d}").unlink()
    with pytest.raises(UnreadableImage, match=r"slices are missing: a gap of 10\.0 mm"):
        read_ct(tmp_path)


def test_varying_spacing_is_made_even(tmp_path: Path) -> None:
    heights = [0, 2, 4, 6, 9, 12, 15, 18]
    for k, z in enumerate(heights):
        plane = np.full((64, 64), 10 * z, dtype=np.int16)
        save(ct_slice(plane, k, ImagePositionPatient=[0, 0, z]), tmp_path / str(k))
    volume = read_ct(tmp_path)
    along = volume.to_patient(
        np.stack(
            [np.zeros(len(volume.voxels))] * 2 + [np.arange(len(volume.voxels))], axis=1
        ).astype(float)
    )
    np.testing.assert_allclose(volume.voxels[:, 5, 5], 10 * along[:, 2], atol=1.01)
    assert any("varies" in n for n in volume.notes)


def test_gantry_tilt_stays_in_the_affine(tmp_path: Path) -> None:
    angle = np.radians(15)
    axes = [1, 0, 0, 0, float(np.cos(angle)), float(np.sin(angle))]
    for k, plane in enumerate(ramp()):
        ds = ct_slice(plane, k, ImageOrientationPatient=axes, GantryDetectorTilt=15)
        save(ds, tmp_path / str(k))
    volume = read_ct(tmp_path)
    np.testing.assert_allclose(volume.affine[:3, 2], [0, 0, 2.0], atol=1e-9)
    np.testing.assert_allclose(volume.affine[:3, 1] / 0.9, axes[3:], atol=1e-9)
    assert any("tilted by 15.0" in n for n in volume.notes)
    points = volume.to_patient(np.array([[20.0, 30.0, 4.0]]))
    assert volume.sample(points)[0] == pytest.approx(ramp()[4, 30, 20], abs=1e-3)


def test_the_thin_axial_bone_series_is_chosen(tmp_path: Path) -> None:
    voxels = ramp(12)
    write_series(tmp_path / "thin", voxels)
    thick = {"SeriesInstanceUID": "1.9", "SeriesDescription": "thick", "SliceThickness": 5.0}
    write_series(tmp_path / "thick", voxels, **thick)
    lung = {"SeriesInstanceUID": "1.8", "SeriesDescription": "lung", "ConvolutionKernel": "LUNG"}
    write_series(tmp_path / "lung", voxels, **lung)
    # called a projection by its description alone
    mip = {"SeriesInstanceUID": "1.5", "SeriesDescription": "MIP ax", "PixelSpacing": [0.5, 0.5]}
    write_series(tmp_path / "mip", voxels, **mip)
    other = {"SeriesInstanceUID": "1.4", "SeriesDescription": "else", "PatientID": "P2"}
    write_series(tmp_path / "other", voxels, SliceThickness=3.0, **other)
    scout = {"SeriesInstanceUID": "1.7", "SeriesDescription": "scout"}
    write_series(tmp_path / "scout", voxels[:1], ImageType=["O", "P", "LOCALIZER"], **scout)
    sagittal = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "SeriesDescription": "sagittal"}
    for k in range(6):
        place = [float(k), 0.0, 0.0]
        ds = ct_slice(voxels[k], k, ImagePositionPatient=place, SeriesInstanceUID="1.6", **sagittal)
        save(ds, tmp_path / "sagittal" / str(k))
    volume = read_ct(tmp_path)
    assert volume.provenance.description == "thin bone"
    notes = " | ".join(volume.notes)
    for what in (
        "thick (its slices are thicker: 5.0 mm)",
        "lung (its kernel LUNG is for the lung)",
        "MIP ax (is a projection, by its description)",
        "else (is of another patient)",
        "scout (is a localizer)",
        "sagittal (is no axial series)",
    ):
        assert what in notes


def test_a_study_without_a_series_says_why(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(1), ImageType=["O", "P", "LOCALIZER"])
    with pytest.raises(UnreadableImage, match="localizer"):
        read_ct(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_ct(tmp_path / "absent")


def test_truncated_slice_is_named(tmp_path: Path) -> None:
    write_series(tmp_path, ramp())
    victim = tmp_path / "0000"
    victim.write_bytes(victim.read_bytes()[:-2000])
    with pytest.raises(UnreadableImage, match="0000"):
        read_ct(tmp_path)


def test_compressed_series_of_the_data_folder(data_dir: Path) -> None:
    volume = read_ct(data_dir / "ct" / "abdomen" / "dicom-jpeg2000")
    assert volume.size == (512, 512, 20)
    np.testing.assert_allclose(volume.spacing, [0.9765625, 0.9765625, 2.0])


def test_a_prone_patient_is_recorded(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(), PatientPosition="HFP")
    assert read_ct(tmp_path).provenance.position == "prone"


def test_a_dicomdir_names_the_files(tmp_path: Path) -> None:
    voxels = ramp()
    write_series(tmp_path / "source", voxels)
    files = FileSet()
    stage = files._stage["t"]  # a FileSet never clears its temporary folders itself
    for file in sorted((tmp_path / "source").iterdir()):
        ds = dcmread(file)
        ds.PatientName, ds.StudyID, ds.StudyTime, ds.AccessionNumber = "P", "1", "120000", "1"
        files.add(ds)
    files.write(tmp_path / "medium")
    stage.cleanup()
    files._stage["t"].cleanup()
    for path in (tmp_path / "medium", tmp_path / "medium" / "DICOMDIR"):
        np.testing.assert_array_equal(read_ct(path).voxels, voxels)


def test_slices_shifted_sideways_are_refused(tmp_path: Path) -> None:
    for k, plane in enumerate(ramp()):
        place = [-30.0 + (8.0 if k == 4 else 0.0), -40.0, 10.0 + SPACING[2] * k]
        save(ct_slice(plane, k, ImagePositionPatient=place), tmp_path / str(k))
    with pytest.raises(UnreadableImage, match="shifted sideways by up to 8"):
        read_ct(tmp_path)


def test_slices_of_other_orientation_are_left_out(tmp_path: Path) -> None:
    voxels = ramp(12)
    write_series(tmp_path, voxels)
    axes = [1, 0, 0, 0, 0, -1]
    for k in range(4):
        ds = ct_slice(voxels[k], 50 + k, ImageOrientationPatient=axes)
        save(ds, tmp_path / f"coronal{k}")
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, voxels)
    assert any("is no axial series" in n for n in volume.notes)
