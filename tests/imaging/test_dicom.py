"""DICOM files of every kind to radiographs: syntaxes, objects, identity, orientation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from endplate.errors import UnreadableImage
from endplate.geometry.calibration import Calibration
from endplate.imaging.radiograph import Radiograph
from endplate.imaging.read import read_radiograph

from .factory import code, dicom_bytes, grey_ramp, radiograph

Reader = Callable[..., Radiograph]
RAMP = grey_ramp()


def film(**elements: object) -> Dataset:
    """A 12-bit film."""
    return radiograph(RAMP, **{"BitsStored": 12, "HighBit": 11, **elements})


@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
    ],
)
def test_native_syntaxes_give_exact_multiples(read: Reader, syntax: str, preamble: bool) -> None:
    found = read(dicom_bytes(film(), syntax, preamble=preamble))
    assert found.pixels.dtype == np.uint16
    assert np.array_equal(found.pixels, RAMP * 16)
    assert found.notes == ()


def test_deflated_syntax(read: Reader) -> None:
    found = read(dicom_bytes(film(), uid.DeflatedExplicitVRLittleEndian))
    assert np.array_equal(found.pixels, RAMP * 16)
    assert found.study_uid == "1.2.1"


@pytest.mark.parametrize("preamble", [True, False])
def test_big_endian(read: Reader, preamble: bool) -> None:
    ds = film(PixelData=RAMP.astype(">u2").tobytes())
    found = read(dicom_bytes(ds, uid.ExplicitVRBigEndian, preamble=preamble))
    assert np.array_equal(found.pixels, RAMP * 16)


def test_big_endian_bytes_in_words(read: Reader) -> None:
    image = grey_ramp(top=255).astype(np.uint8)
    ds = radiograph(image, PixelData=image.view(">u2").astype("<u2").tobytes())
    ds["PixelData"].VR = "OW"
    assert np.array_equal(read(dicom_bytes(ds, uid.ExplicitVRBigEndian)).pixels, image)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_lossless_syntaxes_give_what_native_gives(
    read: Reader, syntax: str, dtype: type[np.generic]
) -> None:
    top = 255 if dtype == np.uint8 else 4095
    image = grey_ramp(top=top).astype(dtype)
    if dtype == np.int16:
        image = image - np.int16(1000)
    native = read(dicom_bytes(radiograph(image)))
    assert np.array_equal(
        read(dicom_bytes(radiograph(image), syntax, compress=True)).pixels, native.pixels
    )


def test_lossy_wavelet_and_near_lossless_stay_close(read: Reader) -> None:
    exact = read(dicom_bytes(film())).pixels.astype(int)
    for syntax, options in (
        (uid.JPEGLSNearLossless, {"jls_error": 2}),
        (uid.JPEG2000, {"j2k_psnr": [70]}),
    ):
        found = read(dicom_bytes(film(), syntax, compress=True, **options)).pixels.astype(int)
        assert abs(found - exact).max() <= 10 * 16


def test_baseline_jpeg_grey_and_colour(read: Reader) -> None:
    grey = cv2.GaussianBlur(grey_ramp(top=255).astype(np.uint8), (0, 0), 2)
    for image in (grey, np.dstack([grey // 2, grey, 255 - grey])):
        stream = cv2.imencode(".jpg", image)[1].tobytes()
        ds = radiograph(image, PixelData=encapsulate([stream]))
        if image.ndim == 3:
            ds.PhotometricInterpretation = "YBR_FULL_422"
        found = read(dicom_bytes(ds, uid.JPEGBaseline8Bit))
        expected = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert found.pixels.dtype == np.uint8
        assert abs(found.pixels.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("number", ["RG1", "RG2", "RG3"])
def test_every_syntax_of_the_nema_films(
    data_dir: Path, number: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = data_dir / "dicom-radiographs"
    found = {p.stem[4:]: read_radiograph(p) for p in sorted(folder.glob(f"{number}_*.dcm"))}
    assert len(found) == (2 if number == "RG1" else 8)
    lossless = [
        f.pixels for name, f in found.items() if name in ("UNC", "RLE", "JPLL", "JLSL", "J2KR")
    ]
    for other in lossless[1:]:
        assert np.array_equal(lossless[0], other)
    reference = (lossless or [found["JLSN"].pixels])[0] / 65535
    for name, film_ in found.items():
        # The lossy ones overshoot the range a little, which scales them a little differently.
        slope, offset = np.polyfit(
            film_.pixels[::9, ::9].ravel() / 65535, reference[::9, ::9].ravel(), 1
        )
        residual = reference - (slope * film_.pixels / 65535 + offset)
        assert np.sqrt((residual**2).mean()) < 0.01, name
    assert capfd.readouterr() == ("", "")


def test_spacing_of_zero_is_refused_as_a_spacing(data_dir: Path) -> None:
    found = read_radiograph(data_dir / "dicom-radiographs" / "RG1_JLSN.dcm")
    assert found.calibration == Calibration(None, "none")
    assert any("PixelSpacing 0 x 0 mm" in note for note in found.notes)


def test_identity_and_calibration_are_carried(read: Reader) -> None:
    data = dicom_bytes(film(ImagerPixelSpacing=[0.5, 0.4]))
    found = read(data)
    assert (found.modality, found.patient_id, found.study_date) == ("DX", "P1", "20240131")
    assert (found.study_uid, found.series_uid, found.instance_uid) == ("1.2.1", "1.2.2", "1.2.3")
    assert found.calibration == Calibration((0.5, 0.4), "detector")
    assert (found.rows, found.columns) == RAMP.shape
    assert read(data, (0.3, 0.3)).calibration == Calibration((0.3, 0.3), "user")


def test_every_spacing_element_reaches_the_decision(read: Reader) -> None:
    both = {"PixelSpacing": [0.4, 0.4], "ImagerPixelSpacing": [0.5, 0.5]}
    cases: list[tuple[dict[str, Any], str]] = [
        ({**both, "PixelSpacingCalibrationType": "FIDUCIAL"}, "fiducial"),
        ({**both, "PixelSpacingCalibrationType": "GEOMETRY"}, "geometry"),
        ({**both, "EstimatedRadiographicMagnificationFactor": 1.25}, "magnification"),
        (
            {**both, "DistanceSourceToDetector": 1500, "DistanceSourceToPatient": 1200},
            "magnification",
        ),
        ({"NominalScannedPixelSpacing": [0.4, 0.4]}, "detector"),
        (both, "unknown"),
    ]
    for elements, source in cases:
        assert read(dicom_bytes(film(**elements))).calibration.source == source
    aspect = read(dicom_bytes(film(PixelAspectRatio=[3, 2]))).calibration.aspect
    assert aspect == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"ViewPosition": "LL"}, ("lateral", None, None)),
        ({"ViewPosition": "PA"}, ("frontal", None, None)),
        ({"ViewPosition": "XCCL"}, ("other", None, None)),
        ({"ViewPosition": ""}, (None, None, None)),
        (
            {"ViewPosition": "AP", "ViewCodeSequence": [code("399198007", "right lateral")]},
            ("lateral", None, None),
        ),
        ({"ViewCodeSequence": [code("X", "left lateral oblique")]}, ("lateral", None, None)),
        ({"PatientOrientation": ["A", "F"]}, (None, "right", None)),
        ({"PatientOrientation": ["PH", "FA"]}, (None, "left", None)),
        ({"PatientOrientation": ["L", "F"]}, (None, None, None)),
        ({"PatientPosition": "HFS"}, (None, None, "supine")),
        ({"PatientPosition": "FFDL"}, (None, None, "decubitus")),
        ({"PatientPosition": "UPSIDE"}, (None, None, None)),
        (
            {"PatientOrientationCodeSequence": [code("C86043", "erect", "NCIt")]},
            (None, None, "erect"),
        ),
        (
            {"PatientOrientationCodeSequence": [code("1", "Standing position")]},
            (None, None, "standing"),
        ),
    ],
)
def test_view_facing_and_position(
    read: Reader, elements: dict[str, object], expected: tuple[str | None, ...]
) -> None:
    found = read(dicom_bytes(film(**elements)))
    assert (found.view_tag, found.facing_tag, found.position) == expected


def test_position_modifier_is_more_exact(read: Reader) -> None:
    item = code("C86043", "erect", "NCIt")
    item.PatientOrientationModifierCodeSequence = [code("10904000", "orthostatic body position")]
    found = read(dicom_bytes(film(PatientOrientationCodeSequence=[item])))
    assert found.position == "standing"


def test_colour_secondary_captures(read: Reader) -> None:
    grey = grey_ramp(top=255).astype(np.uint8)
    rgb = np.dstack([grey] * 3)
    found = read(dicom_bytes(radiograph(rgb, Modality="OT")))
    assert np.array_equal(found.pixels, grey)
    assert any("colour" in note for note in found.notes)
    planar = radiograph(rgb, PlanarConfiguration=1, PixelData=rgb.transpose(2, 0, 1).tobytes())
    assert np.array_equal(read(dicom_bytes(planar)).pixels, grey)
    ybr = np.dstack([grey, grey * 0 + 90, grey * 0 + 170])
    found = read(dicom_bytes(radiograph(ybr, PhotometricInterpretation="YBR_FULL")))
    assert np.array_equal(found.pixels, grey)
    shared = np.stack([grey[:, ::2], grey[:, 1::2], grey[:, ::2], grey[:, ::2]], axis=-1)
    half = radiograph(rgb, PhotometricInterpretation="YBR_FULL_422", PixelData=shared.tobytes())
    assert np.array_equal(read(dicom_bytes(half)).pixels, grey)


def test_palette(read: Reader) -> None:
    index = grey_ramp(top=255).astype(np.uint8)
    ds = radiograph(index, PhotometricInterpretation="PALETTE COLOR")
    table = (np.arange(256, dtype="<u2")[::-1] * 257).tobytes()
    for colour in ("Red", "Green", "Blue"):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{colour}PaletteColorLookupTableData", table)
    found = read(dicom_bytes(ds)).pixels
    assert np.array_equal(found, (255 - index).astype(np.uint16) * 257)
    del ds.RedPaletteColorLookupTableData
    with pytest.raises(UnreadableImage, match="palette"):
        read(dicom_bytes(ds))


def test_one_frame_is_read_and_several_are_refused(read: Reader) -> None:
    assert read(dicom_bytes(film(NumberOfFrames=1))).rows == 80
    several = film(NumberOfFrames=2, PixelData=RAMP.tobytes() * 2)
    with pytest.raises(UnreadableImage, match="2 frames"):
        read(dicom_bytes(several))


@pytest.mark.parametrize(
    ("modality", "message"), [("CT", "CT slice"), ("MR", "magnetic"), ("US", "ultrasound")]
)
def test_other_modalities_are_refused(read: Reader, modality: str, message: str) -> None:
    with pytest.raises(UnreadableImage, match=message):
        read(dicom_bytes(film(Modality=modality)))


def test_a_ct_localizer_is_read(read: Reader) -> None:
    ds = film(Modality="CT", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert read(dicom_bytes(ds)).modality == "CT"


def test_objects_without_pixels_are_refused(read: Reader) -> None:
    ds = film(PixelData=None, SOPClassUID=uid.ComprehensiveSRStorage, Modality="SR", Rows=None)
    with pytest.raises(UnreadableImage, match=r"no pixel data .*Comprehensive SR"):
        read(dicom_bytes(ds))
