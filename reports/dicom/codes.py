"""Codes of the DICOM results: standard ones where they exist, else those of ``99ENDPLATE``.

Standard codes were checked against the dictionaries of pydicom, which hold no code for a
vertebral body, an endplate, a corner, kyphosis, lordosis, or the levels S1, T13 and L6. A test
keeps all of them checked.
"""

from typing import Final, NamedTuple

from endplate.errors import UnknownName
from endplate.geometry.catalogue import CATALOGUE
from endplate.geometry.levels import LEVELS, POINTS
from endplate.geometry.measurement import Measurement

__all__ = [
    "COBB_GROUPS",
    "CONCEPTS",
    "LINES",
    "LOCAL_SCHEME",
    "MEASURES",
    "MODALITIES",
    "POINT_CODES",
    "REGION_OF_LEVELS",
    "STANDARD_CODES",
    "TIME_POINTS",
    "UNITS",
    "Code",
    "level_of_code",
    "local",
    "measure_of_code",
    "method_code",
    "site_of_level",
]

LOCAL_SCHEME: Final = "99ENDPLATE"


class Code(NamedTuple):
    """A coded concept: value (at most 16 characters), scheme, meaning (at most 64)."""

    value: str
    scheme: str
    meaning: str


def local(value: str, meaning: str) -> Code:
    """A code of our own scheme."""
    return Code(value, LOCAL_SCHEME, meaning)


#: Short code values of the measures, by name.
_MEASURE_VALUES: Final[dict[str, str]] = {
    "vertebral_kyphosis_deg": "VK",
    "regional_kyphosis_deg": "RK",
    "gardner_mono_above_deg": "GA",
    "mono_below_deg": "MB",
    "segment_inf_above_to_inf_deg": "MS",
    "adjacent_endplates_deg": "AEP",
    "posterior_wall_deg": "PW",
    "disc_above_angle_deg": "DA",
    "farcy_baseline_deg": "FARCY-BASE",
    "farcy_sagittal_index_deg": "FARCY-SI",
    "ar_physio_deg": "RK-PHYS",
    "ART_deg": "ART",
    "vk_physio_deg": "VK-PHYS",
    "TVK_deg": "TVK",
    "thoracic_kyphosis_T1_T12_deg": "TK-T1-T12",
    "thoracic_kyphosis_T2_T12_deg": "TK-T2-T12",
    "thoracic_kyphosis_T4_T12_deg": "TK-T4-T12",
    "thoracic_kyphosis_T5_T12_deg": "TK-T5-T12",
    "thoracolumbar_T10_L2_deg": "TLK-T10-L2",
    "thoracolumbar_T11_L2_deg": "TLK-T11-L2",
    "minus_lordosis_L1_L5_deg": "K-L1-L5",
    "lordosis_L1_L5_deg": "LL-L1-L5",
    "minus_lordosis_L1_S1_deg": "K-L1-S1",
    "lordosis_L1_S1_deg": "LL-L1-S1",
    "sacral_slope_deg": "SS",
    "Ha_Hp": "HA-HP",
    "Hm_Hp": "HM-HP",
    "Hp_Hp_pred": "HP-HP-PRED",
    "Ha_mm": "HA",
    "Hm_mm": "HM",
    "Hp_mm": "HP",
    "depth_sup_mm": "DEPTH-SUP",
    "depth_inf_mm": "DEPTH-INF",
    "area_mm2": "AREA",
    "Ha_pred_mm": "HA-PRED",
    "Hm_pred_mm": "HM-PRED",
    "Hp_pred_mm": "HP-PRED",
    "loss_ant_pct": "LOSS-ANT",
    "loss_mid_pct": "LOSS-MID",
    "loss_post_pct": "LOSS-POST",
    "max_height_loss_pct": "LOSS-MAX",
    "genant_grade_from_max_loss": "GENANT",
    "area_loss_pct": "LOSS-AREA",
    "disc_above_farfan": "DISC-FARFAN",
    "disc_above_ant_mm": "DISC-ANT",
    "disc_above_post_mm": "DISC-POST",
    "disc_above_mean_mm": "DISC-MEAN",
    "translation_above_pct": "TRANSLATION-PCT",
    "meyerding_grade": "MEYERDING",
    "translation_above_mm": "TRANSLATION-MM",
}

#: Code of each measure by name.
MEASURES: Final[dict[str, Code]] = {
    name: local(_MEASURE_VALUES[name], info.label) for name, info in CATALOGUE.items()
}
_MEASURE_OF_VALUE: Final = {code.value: name for name, code in MEASURES.items()}

#: Angles between two endplates several levels apart. Each has a group of its own, in which the
#: number is called a Cobb angle, the standard's word; the finding of the group says which.
COBB_GROUPS: Final[frozenset[str]] = frozenset(
    name
    for name in CATALOGUE
    if name == "regional_kyphosis_deg" or name.startswith(("thoraco", "lordosis", "minus_lordosis"))
)

POINT_CODES: Final[dict[str, Code]] = {
    name: local(
        "".join(part[0] for part in name.split("_")).upper(),
        f"{name.replace('_', ' ').capitalize()} point of vertebral body",
    )
    for name in POINTS
}

#: Names that `Measurement.between` gives to lines, their ends, and their letter in codes.
LINES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "sup": (("superior_posterior", "superior_anterior"), "S"),
    "inf": (("inferior_posterior", "inferior_anterior"), "I"),
    "ant": (("superior_anterior", "inferior_anterior"), "A"),
    "mid": (("superior_middle", "inferior_middle"), "M"),
    "post": (("superior_posterior", "inferior_posterior"), "P"),
    "body": (
        (
            "superior_anterior",
            "superior_posterior",
            "inferior_posterior",
            "inferior_anterior",
            "superior_anterior",
        ),
        "B",
    ),
}

UNITS: Final[dict[str, Code]] = {
    "deg": Code("deg", "UCUM", "degrees of plane angle"),
    "mm": Code("mm", "UCUM", "mm"),
    "mm2": Code("mm2", "UCUM", "mm2"),
    "%": Code("%", "UCUM", "%"),
    "ratio": Code("{ratio}", "UCUM", "ratio"),
    "grade": Code("{grade}", "UCUM", "grade"),
    "px": Code("{pixels}", "UCUM", "pixels"),
    "px2": Code("{pixels}2", "UCUM", "square pixels"),
    "1": Code("1", "UCUM", "no units"),
}

_VERTEBRAE: Final[dict[str, str]] = {
    "C7": "87391001",
    "T1": "64864005",
    "T2": "53733008",
    "T3": "1626008",
    "T4": "73071006",
    "T5": "56401006",
    "T6": "45296009",
    "T7": "62487009",
    "T8": "11068009",
    "T9": "82687006",
    "T10": "7610001",
    "T11": "12989004",
    "T12": "23215003",
    "L1": "66794005",
    "L2": "14293000",
    "L3": "36470004",
    "L4": "11994002",
    "L5": "49668003",
}
_SACRUM: Final = Code("54735007", "SCT", "Sacrum")
_VERTEBRA: Final = Code("51282000", "SCT", "Vertebra")
_SITES: Final[dict[str, tuple[Code, Code | None]]] = {
    **{
        level: (Code(value, "SCT", f"{level} vertebra"), None)
        for level, value in _VERTEBRAE.items()
    },
    # No code of their own: the nearest standard concept, with a modifier of ours.
    "T13": (_VERTEBRA, local("T13", "Thirteenth thoracic vertebra")),
    "L6": (_VERTEBRA, local("L6", "Sixth lumbar vertebra")),
    "S1": (_SACRUM, local("S1", "First sacral segment")),
}
_LEVEL_OF_CODE: Final = {code.value: level for level, (code, m) in _SITES.items() if m is None}

#: Time points of a follow-up and their code, None where the standard has none that fits.
TIME_POINTS: Final[dict[str, Code]] = {
    "pre-operative": Code("262068006", "SCT", "Pre-operative"),
    "post-operative": Code("262061000", "SCT", "Post-operative"),
    "baseline": Code("121079", "DCM", "Baseline"),
}

#: Body part and code of the region that films of these levels show.
REGION_OF_LEVELS: Final[dict[str, tuple[str, Code]]] = {
    "thoracic": ("TSPINE", Code("122495006", "SCT", "Thoracic spine")),
    "thoracolumbar": ("TLSPINE", Code("1217256009", "SCT", "Thoraco-lumbar spine")),
    "lumbar": ("LSPINE", Code("122496007", "SCT", "Lumbar spine")),
}

#: Other standard codes.
STANDARD_CODES: Final[dict[str, Code]] = {
    "vertebra": _VERTEBRA,
    "sacrum": _SACRUM,
    "cobb": Code("285285000", "SCT", "Cobb angle"),
    "arm": Code("121223", "DCM", "Arm of angle"),
    "source": Code("260753009", "SCT", "Source (attribute)"),
    "spine": Code("421060004", "SCT", "Spine"),
    "upper": Code("371886008", "SCT", "+, range of upper measurement uncertainty"),
    "lower": Code("371885007", "SCT", "-, range of lower measurement uncertainty"),
    "present": Code("52101004", "SCT", "Present"),
    "absent": Code("272519000", "SCT", "Absent"),
    "procedure": Code("168537006", "SCT", "Plain radiography"),
    "report": Code("126000", "DCM", "Imaging Measurement Report"),
    "intelligence": Code("123110", "DCM", "Artificial Intelligence"),
    "unknown": Code("114010", "DCM", "Value unknown"),
    "group": Code("125007", "DCM", "Measurement Group"),
    "tracking name": Code("112039", "DCM", "Tracking Identifier"),
    "tracking uid": Code("112040", "DCM", "Tracking Unique Identifier"),
    "finding": Code("121071", "DCM", "Finding"),
    "site": Code("363698007", "SCT", "Finding Site"),
    "topography": Code("106233006", "SCT", "Topographical modifier"),
    "algorithm": Code("111001", "DCM", "Algorithm Name"),
    "algorithm version": Code("111003", "DCM", "Algorithm Version"),
    "algorithm parameters": Code("111002", "DCM", "Algorithm Parameters"),
    "algorithm family": Code("111000", "DCM", "Algorithm Family"),
    "time point": Code("C2348792", "UMLS", "Time Point"),
    "time point type": Code("126072", "DCM", "Time Point Type"),
    "source of group": Code("121112", "DCM", "Source of Measurement"),
    "method": Code("370129005", "SCT", "Measurement Method"),
    "region": Code("111030", "DCM", "Image Region"),
    "library": Code("111028", "DCM", "Image Library"),
    "library group": Code("126200", "DCM", "Image Library Group"),
    "modality": Code("121139", "DCM", "Modality"),
    "rows": Code("110910", "DCM", "Pixel Data Rows"),
    "columns": Code("110911", "DCM", "Pixel Data Columns"),
    "observer": Code("121005", "DCM", "Observer Type"),
    "person": Code("121006", "DCM", "Person"),
    "person name": Code("121008", "DCM", "Person Observer Name"),
    "device": Code("121007", "DCM", "Device"),
    "device uid": Code("121012", "DCM", "Device Observer UID"),
    "device name": Code("121013", "DCM", "Device Observer Name"),
    "device manufacturer": Code("121014", "DCM", "Device Observer Manufacturer"),
    "device model": Code("121015", "DCM", "Device Observer Model Name"),
    "device serial": Code("121016", "DCM", "Device Observer Serial Number"),
}

#: Modalities of films by their defined term (CID 29).
MODALITIES: Final[dict[str, Code]] = {
    "CR": Code("CR", "DCM", "Computed Radiography"),
    "DX": Code("DX", "DCM", "Digital Radiography"),
    "RF": Code("RF", "DCM", "Radiofluoroscopy"),
    "RG": Code("RG", "DCM", "Radiographic imaging"),
    "XA": Code("XA", "DCM", "X-Ray Angiography"),
    "OT": Code("OT", "DCM", "Other Modality"),
}

#: Single concepts of our own: what a group is about, and what is said of a reading.
CONCEPTS: Final[dict[str, Code]] = {
    value: local(value, meaning)
    for value, meaning in (
        ("READING", "Reading of a film"),
        ("LANDMARKS", "Landmarks of a vertebral body"),
        ("SEGMENT", "Vertebra in relation to its neighbours"),
        ("LANDMARK", "Landmarks between which was measured"),
        ("FLAG", "Flag of the measurement"),
        ("SE", "Standard error"),
        ("VAR-XX", "Variance of the column"),
        ("VAR-XY", "Covariance of column and row"),
        ("VAR-YY", "Variance of the row"),
        ("CONFIDENCE", "Confidence of this being a vertebral body"),
        ("P-LEVEL", "Probability of the level's name"),
        ("HARDWARE", "Metal in the vertebral body"),
        ("CEMENT", "Cement in the vertebral body"),
        ("STATUS", "Verdict of the quality gate"),
        ("ACCEPTED", "Accepted"),
        ("FLAGGED", "Flagged"),
        ("REJECTED", "Rejected"),
        ("VIEW", "View"),
        ("LATERAL", "Lateral view"),
        ("FRONTAL", "Frontal view"),
        ("OTHER", "Other view"),
        ("FACING", "Side of the image to which the front of the patient points"),
        ("LEFT", "Left side of the image"),
        ("RIGHT", "Right side of the image"),
        ("ROWS", "Rows of the film"),
        ("COLUMNS", "Columns of the film"),
        ("MODALITY", "Modality of the film"),
        ("SPACING-ROW", "Distance of neighbouring rows"),
        ("SPACING-COLUMN", "Distance of neighbouring columns"),
        ("ASPECT", "Row spacing over column spacing"),
        ("MAGNIFICATION", "Magnification divided out of the spacing"),
        ("CALIBRATION", "Source of the calibration"),
        ("REASON", "Reason of the quality gate"),
        ("READING-ID", "Identifier of the reading"),
        ("PARENT-ID", "Identifier of the reading that was edited"),
        ("CREATED", "Time of the reading"),
        ("READER-KIND", "Kind of reader"),
        ("READER-NAME", "Name of the reader"),
        ("READER-VERSION", "Version of the reader"),
        ("READER-SHA256", "SHA-256 of the reader's networks"),
        ("FILM-PATH", "File of the film"),
        ("FILM-SHA256", "SHA-256 of the film's file"),
        ("POSITION", "Position of the patient"),
    )
}


def site_of_level(level: str) -> tuple[Code, Code | None]:
    """Anatomical code of a level, and its modifier where the code alone does not name it."""
    if level not in _SITES:
        raise UnknownName("level", level, LEVELS)
    return _SITES[level]


def level_of_code(value: str, modifier: str | None) -> str | None:
    """The level that `site_of_level` coded so, None if there is none."""
    if modifier in ("T13", "L6", "S1"):
        return modifier
    return _LEVEL_OF_CODE.get(value)


def measure_of_code(value: str) -> str | None:
    """Name of the measure with that local code, None if there is none."""
    return _MEASURE_OF_VALUE.get(value)


def method_code(measurement: Measurement) -> Code | None:
    """Code of the two landmarks that were measured, such as ``S-T12:I-L2``.

    None where there are not two; `Measurement.between` then stands as text only.
    """
    if len(measurement.between) != 2:
        return None
    parts = []
    for landmark in measurement.between:
        name, _, level = landmark.rstrip(")").partition("(")
        parts.append(f"{LINES[name][1]}-{level}" if name in LINES else name.upper())
    value = ":".join(parts)
    meaning = " to ".join(measurement.between)
    return local(value, meaning) if len(value) <= 16 and len(meaning) <= 64 else None
