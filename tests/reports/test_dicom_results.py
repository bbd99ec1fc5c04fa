"""DICOM results: checked by other programs, and read back to the same numbers."""

import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from endplate.errors import InputError, MissingDependency, UnknownName
from endplate.geometry.landmarks import Vertebra
from endplate.geometry.measure import measure
from endplate.infer.dicom_results import write_dicom_results
from endplate.reports.dicom.encode import encode_dicom
from endplate.reports.dicom.film import film_of
from endplate.reports.dicom.readback import read_sr, time_point_of_sr
from endplate.reports.dicom.secondary import build_secondary_capture
from endplate.reports.dicom.uids import UidMaker
from endplate.study.identity import without_identity
from endplate.study.reading import Quality, Reader, Reading
from endplate.study.serialise import reading_to_dict

from ..dicom_samples import complaints, make_film, make_reading, tool

KINDS = ("sr", "gsps", "sc")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.dcm")


@pytest.fixture(scope="module")
def reading(film: Path) -> Reading:
    return make_reading(film)


@pytest.fixture(scope="module")
def written(
    film: Path, reading: Reading, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("results")
    return write_dicom_results(
        reading, film, folder, kinds=KINDS, uid_root="1.2.3", time_point="pre-operative"
    )


def values(reading: Reading) -> dict[str, Any]:
    """Of a reading what a report holds: no undefined measures, no covariance across points."""
    out = reading_to_dict(reading)
    out["measurements"] = sorted(
        (m for m in out["measurements"] if m["value"] is not None),
        key=lambda m: (m["level"], m["name"]),
    )
    for vertebra in out["vertebrae"]:
        del vertebra["covariance_full"]
    return out


def test_every_object_passes_the_checkers(written: tuple[Path, ...]) -> None:
    assert [p.name for p in written] == ["film-sr.dcm", "film-gsps.dcm", "film-sc.dcm"]
    assert {p.name: complaints(p) for p in written} == {p.name: [] for p in written}


def test_report_is_read_back_to_the_same_reading(
    written: tuple[Path, ...], reading: Reading
) -> None:
    again = read_sr(written[0])
    assert values(again) == values(reading)
    assert len(again.measurements) > 100
    assert time_point_of_sr(dcmread(written[0])) == "pre-operative"


def test_points_that_were_not_seen_and_unknown_errors_come_back(
    film: Path, reading: Reading, tmp_path: Path
) -> None:
    points = reading.vertebrae[0].points.copy()
    points[[1, 5]] = np.nan  # superior middle, inferior anterior
    vertebrae = (Vertebra(reading.vertebrae[0].level, points), *reading.vertebrae[1:])
    changed = replace(
        reading,
        parent="earlier",
        reader=Reader("person", "Reader^First"),
        source=replace(reading.source, facing=None, position=None, view="other"),
        quality=Quality("accepted"),
        vertebrae=vertebrae,
        measurements=measure(vertebrae, reading.calibration),
    )
    path, state = write_dicom_results(changed, film, tmp_path)
    assert values(read_sr(path)) == values(changed)
    assert complaints(path) == complaints(state) == []


def test_reports_are_written_as_pydicom_writes_them(written: tuple[Path, ...]) -> None:
    report = dcmread(written[0])
    expected = io.BytesIO()
    report.save_as(expected, enforce_file_format=True)
    for data in (written[0].read_bytes(), encode_dicom(report)):
        assert data == expected.getvalue()


def test_report_is_legible_to_dcmtk(written: tuple[Path, ...], reading: Reading) -> None:
    program = tool("dsrdump", "dcmtk")
    done = subprocess.run([program, "+Pl", written[0]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    regional = next(
        m for m in reading.measurements if (m.name, m.level) == ("regional_kyphosis_deg", "L1")
    )
    _, _, after = done.stdout.partition('"L1 Regional kyphosis"')
    group, _, _ = after.partition('"Measurement Group"')
    assert f'"Cobb angle")="{round(regional.value, 4)}"' in group
    assert group.count('"Arm of angle")=(POLYLINE') == 2
    assert '(S-T12:I-L2,99ENDPLATE,"sup(T12) to inf(L2)")' in group
    assert '(66794005,SCT,"L1 vertebra")' in group
    assert '"Algorithm Name")="endplate"' in group
    assert "Pre-operative" in group


def test_coordinates_count_from_the_outer_corner_of_the_first_pixel(
    written: tuple[Path, ...], reading: Reading
) -> None:
    l1 = next(v for v in reading.vertebrae if v.level == "L1")
    expected = np.vstack([l1.points, l1.points[:1]]) + 0.5
    report = dcmread(written[0])
    outlines = [i for i in items(report) if name_of(i) == "Image Region"]
    found = [np.reshape(i.GraphicData, (-1, 2)) for i in outlines]
    assert any(f.shape == expected.shape and np.allclose(f, expected, atol=2e-3) for f in found)
    state = dcmread(written[1])
    drawn = [
        np.reshape(o.GraphicData, (-1, 2))
        for a in state.GraphicAnnotationSequence
        if a.GraphicLayer == "BODIES"
        for o in a.GraphicObjectSequence
    ]
    assert len(drawn) == len(reading.vertebrae)
    assert any(d.shape == expected.shape and np.allclose(d, expected, atol=2e-3) for d in drawn)
    assert {o.GraphicAnnotationUnits for a in state.GraphicAnnotationSequence
            for o in a.get("GraphicObjectSequence", ())} == {"PIXEL"}  # fmt: skip


def test_presentation_state_says_level_names_and_angles(written: tuple[Path, ...]) -> None:
    state = dcmread(written[1])
    texts = [
        t.UnformattedTextValue
        for a in state.GraphicAnnotationSequence
        for t in a.get("TextObjectSequence", ())
    ]
    assert {"T12", "<L1>", "S1"} <= set(texts)
    assert any(t.startswith("RK ") and " +/- " in t and t.endswith(" deg") for t in texts)
    assert any("for research use" in t for t in texts)


def test_objects_refer_to_the_film_and_belong_to_its_study(
    written: tuple[Path, ...], film: Path
) -> None:
    source = dcmread(film)
    report, state, picture = (dcmread(p) for p in written)
    for ds in (report, state, picture):
        assert ds.StudyInstanceUID == source.StudyInstanceUID
        assert ds.PatientID == source.PatientID
        assert ds.PatientName == source.PatientName
        assert ds.SOPInstanceUID.startswith("1.2.3.")
        assert ds.SeriesInstanceUID.startswith("1.2.3.")
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    series = state.ReferencedSeriesSequence[0]
    assert evidence.SeriesInstanceUID == series.SeriesInstanceUID == source.SeriesInstanceUID
    for item in (
        evidence.ReferencedSOPSequence[0],
        series.ReferencedImageSequence[0],
        picture.SourceImageSequence[0],
        *(i.ReferencedSOPSequence[0] for i in items(report) if i.ValueType == "IMAGE"),
    ):
        assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert item.ReferencedSOPClassUID == source.SOPClassUID
    uids = {ds.SOPInstanceUID for ds in (report, state, picture)}
    assert len(uids) == len({ds.SeriesInstanceUID for ds in (report, state, picture)}) == 3


def test_same_reading_gives_the_same_files_when_asked(
    film: Path, reading: Reading, tmp_path: Path
) -> None:
    runs = [
        [p.read_bytes() for p in write_dicom_results(reading, film, tmp_path / str(i),
                                                     deterministic=True, kinds=KINDS)]
        for i in range(2)
    ]  # fmt: skip
    assert runs[0] == runs[1]
    (other,) = write_dicom_results(
        replace(reading, id="another"), film, tmp_path / "3", deterministic=True, kinds=["gsps"]
    )
    assert dcmread(other).SOPInstanceUID.encode() not in runs[0][1]
    free = [
        write_dicom_results(reading, film, tmp_path / f"free{i}", kinds=["gsps"])[0]
        for i in range(2)
    ]
    assert dcmread(free[0]).SOPInstanceUID != dcmread(free[1]).SOPInstanceUID


def test_inverted_films_stay_inverted_and_pixels_may_be_oblong(tmp_path: Path) -> None:
    film = make_film(
        tmp_path / "film.dcm",
        PhotometricInterpretation="MONOCHROME1",
        PresentationLUTShape="INVERSE",
        ImagerPixelSpacing=[0.3, 0.2],
    )
    (path,) = write_dicom_results(make_reading(film), film, tmp_path / "out", kinds=["gsps"])
    state = dcmread(path)
    assert state.PresentationLUTShape == "INVERSE"
    aspect = state.DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio
    assert aspect[0] / aspect[1] == pytest.approx(1.5)
    assert complaints(path) == []


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.12.2", "1.2.840.10008.5.1.4.1.1.1"])
def test_films_of_other_machines_have_all_results(tmp_path: Path, sop_class: str) -> None:
    """The class of fluoroscopy may have several frames; these films have one."""
    film = make_film(tmp_path / "film.dcm", SOPClassUID=sop_class, Modality="RF")
    written = write_dicom_results(make_reading(film), film, tmp_path / "out", kinds=KINDS)
    assert [complaints(path) for path in written] == [[], [], []]


def test_a_table_of_the_film_goes_into_the_presentation_state(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [256, 0, 16], "US"
    table.LUTData = (np.arange(256, dtype="<u2") * 257).tobytes()
    given = {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None}
    film = make_film(tmp_path / "film.dcm", ModalityLUTSequence=[table], **given)
    (path,) = write_dicom_results(make_reading(film), film, tmp_path / "out", kinds=["gsps"])
    assert complaints(path) == []
    state = dcmread(path)
    assert state.ModalityLUTSequence[0].LUTData == table.LUTData
    assert "RescaleSlope" not in state


def test_nothing_of_one_film_gets_into_the_results_of_another(
    film: Path, reading: Reading, tmp_path: Path
) -> None:
    """Objects of a process share their common elements."""
    secret = {
        "PatientName": "Secret^Name",
        "PatientID": "secret-id",
        "StudyDescription": "secret study",
        "PatientAge": "077Y",
        "IssuerOfPatientID": "secret-issuer",
        "StudyInstanceUID": "1.2.987654321",
    }
    before = [p.read_bytes() for p in _three(reading, film, tmp_path / "before")]
    other = make_film(tmp_path / "other.dcm", **secret)
    theirs = [p.read_bytes() for p in _three(make_reading(other), other, tmp_path / "other")]
    for value in secret.values():
        assert all(value.encode() in data for data in theirs)
    assert [p.read_bytes() for p in _three(reading, film, tmp_path / "after")] == before


def _three(reading: Reading, film: Path, folder: Path) -> tuple[Path, ...]:
    return write_dicom_results(reading, film, folder, deterministic=True, kinds=KINDS)


def test_odd_headers_make_no_invalid_objects(tmp_path: Path) -> None:
    film = make_film(
        tmp_path / "film.dcm",
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Müller",
        PatientSex=None,
        PatientBirthDate=None,
        StudyTime=None,
        AccessionNumber=None,
        ReferringPhysicianName=None,
        StudyID=None,
        WindowCenter=None,
        RescaleSlope=None,
        BodyPartExamined="WIRBELSAEULE",
    )
    written = write_dicom_results(make_reading(film), film, tmp_path / "out", kinds=KINDS)
    assert [complaints(p, warnings=False) for p in written] == [[], [], []]
    assert all(str(dcmread(p).PatientName) == "Müller" for p in written)


JAPANESE = "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.mark.parametrize(
    ("own", "name", "expected"),
    [
        ("ISO_IR 192", "Müller^Jörg", None),
        ("ISO_IR 192", "Wałęsa^Łukasz", "ISO_IR 101"),
        ("ISO_IR 192", "Ivanov^Igor=Иванов^Игорь", "ISO_IR 144"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小东", "GB18030"),
        ("ISO_IR 192", JAPANESE, ["", "ISO 2022 IR 87"]),
        ("ISO_IR 100", "Müller^Jörg", None),
        (["", "ISO 2022 IR 87"], JAPANESE, None),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", None),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", None),
        (["ISO 2022 IR 100", "ISO 2022 IR 144"], "Müller^Jörg=Иванов", None),
        ("GB18030", "Wang^XiaoDong=王^小东", None),
        ("GBK", "Wang^XiaoDong=王^小东", "GB18030"),
    ],
)
def test_names_of_many_scripts_pass_the_checkers(
    tmp_path: Path, own: str | list[str], name: str, expected: str | list[str] | None
) -> None:
    """In the film's own character set wherever dcmpschk knows its letters."""
    film = make_film(tmp_path / "film.dcm", SpecificCharacterSet=own, PatientName=name)
    (path,) = write_dicom_results(make_reading(film), film, tmp_path / "out", kinds=["gsps"])
    assert complaints(path, warnings=False) == []
    state = dcmread(path)
    assert str(state.PatientName) == name
    assert state.SpecificCharacterSet == (own if expected is None else expected)


def test_dcmtk_reads_a_name_in_a_set_with_code_extensions(tmp_path: Path) -> None:
    """pydicom wrote it; somebody else reads it."""
    own, name = ["ISO 2022 IR 100", "ISO 2022 IR 144"], "Müller^Jörg=Иванов"
    film = make_film(tmp_path / "film.dcm", SpecificCharacterSet=own, PatientName=name)
    (path,) = write_dicom_results(make_reading(film), film, tmp_path / "out", kinds=["gsps"])
    command = [tool("dcmdump", "dcmtk"), "+U8", "+P", "PatientName", path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60)
    assert f"[{name}]" in done.stdout


def test_names_that_only_utf8_can_say_are_said_in_it(tmp_path: Path) -> None:
    """dcmpschk 3.6.7 takes bytes 80 to 9F for control characters also where the set is UTF-8."""
    name = "Nguyễn^Thị Hoa"
    film = make_film(tmp_path / "film.dcm", SpecificCharacterSet="ISO_IR 192", PatientName=name)
    (path,) = write_dicom_results(make_reading(film), film, tmp_path / "out", kinds=["gsps"])
    state = dcmread(path)
    assert state.SpecificCharacterSet == "ISO_IR 192"
    assert str(state.PatientName) == name
    said = [line for line in complaints(path, warnings=False) if "attribute:" in line]
    assert [line.split()[-4:-2] for line in said] in ([], [["PatientName", "(0010,0010),"]])
    state.PatientName = "Nguyen^Thi Hoa"  # the name is all that it holds against the object
    state.save_as(path)
    assert complaints(path, warnings=False) == []


@pytest.mark.parametrize("size", [(33, 35), (64, 48), (1, 1)])
def test_pictures_of_any_size_keep_their_colours(
    film: Path, reading: Reading, tmp_path: Path, size: tuple[int, int]
) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (*size, 3), dtype=np.uint8)
    image = build_secondary_capture(
        reading, film_of(dcmread(film), reading, "film"), UidMaker(), picture
    )
    image.save_as(tmp_path / "picture.dcm", enforce_file_format=True)
    again = dcmread(tmp_path / "picture.dcm")
    np.testing.assert_array_equal(again.pixel_array, picture[..., ::-1])
    assert complaints(tmp_path / "picture.dcm") == []


def test_a_rejected_reading_gives_a_report_of_why(
    film: Path, reading: Reading, tmp_path: Path
) -> None:
    rejected = replace(
        reading, quality=replace(reading.quality, status="rejected"), vertebrae=(), measurements=()
    )
    (path,) = write_dicom_results(rejected, film, tmp_path, kinds=KINDS)
    assert values(read_sr(path)) == values(rejected)
    assert complaints(path) == []


def test_a_reading_without_identity_still_finds_its_film(
    film: Path, reading: Reading, tmp_path: Path
) -> None:
    (path,) = write_dicom_results(without_identity(reading), film, tmp_path, kinds=["gsps"])
    assert dcmread(path).PatientID == dcmread(film).PatientID


def test_wrong_use_is_said(film: Path, reading: Reading, tmp_path: Path) -> None:
    other = make_film(tmp_path / "other.dcm", PatientID="somebody else")
    with pytest.raises(InputError, match=r"other\.dcm: is not the file that was read"):
        write_dicom_results(reading, other, tmp_path)
    with pytest.raises(InputError, match=r"gone\.dcm: cannot be read"):
        write_dicom_results(reading, tmp_path / "gone.dcm", tmp_path)
    with pytest.raises(UnknownName, match="valid: sr, gsps, sc"):
        write_dicom_results(reading, film, tmp_path, kinds=["pdf"])
    with pytest.raises(InputError, match="expected 1 to 64 characters"):
        write_dicom_results(reading, film, tmp_path, time_point=" ")
    nameless = make_film(tmp_path / "nameless.dcm", StudyInstanceUID=None)
    with pytest.raises(InputError, match="StudyInstanceUID is ''; expected a unique identifier"):
        write_dicom_results(make_reading(nameless), nameless, tmp_path)
    smaller = replace(reading, source=replace(reading.source, rows=10))
    with pytest.raises(InputError, match="but the reading is of an image of 10 and"):
        write_dicom_results(smaller, film, tmp_path)


def test_other_documents_are_no_readings(film: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no structured report of endplate"):
        read_sr(film)
    text = tmp_path / "text.dcm"
    text.write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"text\.dcm: is no DICOM file"):
        read_sr(text)


def test_a_damaged_report_is_said_to_be_damaged(written: tuple[Path, ...], tmp_path: Path) -> None:
    report = dcmread(written[0])
    about = next(i for i in items(report) if name_of(i) == "Measurement Group")
    about.ContentSequence = [
        i for i in about.ContentSequence if name_of(i) != "Identifier of the reading"
    ]
    report.save_as(tmp_path / "damaged.dcm")
    with pytest.raises(InputError, match=r"damaged\.dcm: the structured report is damaged"):
        read_sr(tmp_path / "damaged.dcm")


def test_missing_package_is_named(
    film: Path, reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endplate.infer.dicom_results.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'endplate\[dicom\]'"):
        write_dicom_results(reading, film, tmp_path)


def items(ds: Dataset) -> list[Dataset]:
    """All content items of a report."""
    out: list[Dataset] = []
    for item in ds.get("ContentSequence", ()):
        out += [item, *items(item)]
    return out


def name_of(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence", ())
    return str(names[0].CodeMeaning) if names else ""
