"""What each measurement is called on the page and how it is had: for tables, reports and docs."""

from dataclasses import dataclass
from typing import Final

from endplate.errors import UnknownName

__all__ = ["CATALOGUE", "FLAGS", "MeasureInfo", "describe"]


@dataclass(frozen=True, slots=True)
class MeasureInfo:
    """Description of a measurement.

    Parameters
    ----------
    name, unit : str
        As in `Measurement`.
    label : str
        Short name for people.
    formula : str
        In the landmarks of `Measurement.between`: V is the level, V-1 above, V+1 below.
    """

    name: str
    label: str
    unit: str
    formula: str


_ANGLES: Final = (
    ("vertebral_kyphosis_deg", "Vertebral kyphosis", "K(sup V, inf V)"),
    ("regional_kyphosis_deg", "Regional kyphosis", "K(sup V-1, inf V+1)"),
    ("gardner_mono_above_deg", "Gardner angle", "K(sup V-1, inf V)"),
    ("mono_below_deg", "Mono-segmental angle below", "K(sup V, inf V+1)"),
    ("segment_inf_above_to_inf_deg", "Mobile segment angle", "K(inf V-1, inf V)"),
    ("adjacent_endplates_deg", "Adjacent-endplate angle", "K(inf V-1, sup V+1)"),
    ("posterior_wall_deg", "Posterior-wall angle", "K(post V-1, post V+1)"),
    ("disc_above_angle_deg", "Disc angle above", "K(inf V-1, sup V)"),
    ("farcy_baseline_deg", "Farcy baseline", "+5 thoracic, 0 thoracolumbar, -10 lumbar"),
    ("farcy_sagittal_index_deg", "Farcy sagittal index", "K(inf V-1, inf V) - baseline"),
    ("ar_physio_deg", "Physiological regional kyphosis", "table"),
    ("ART_deg", "Traumatic regional angulation", "regional kyphosis - table"),
    ("vk_physio_deg", "Physiological vertebral kyphosis", "table"),
    ("TVK_deg", "Traumatic vertebral kyphosis", "vertebral kyphosis - table"),
    ("thoracic_kyphosis_T1_T12_deg", "Thoracic kyphosis T1-T12", "K(sup T1, inf T12)"),
    ("thoracic_kyphosis_T2_T12_deg", "Thoracic kyphosis T2-T12", "K(sup T2, inf T12)"),
    ("thoracic_kyphosis_T4_T12_deg", "Thoracic kyphosis T4-T12", "K(sup T4, inf T12)"),
    ("thoracic_kyphosis_T5_T12_deg", "Thoracic kyphosis T5-T12", "K(sup T5, inf T12)"),
    ("thoracolumbar_T10_L2_deg", "Thoracolumbar kyphosis T10-L2", "K(sup T10, inf L2)"),
    ("thoracolumbar_T11_L2_deg", "Thoracolumbar kyphosis T11-L2", "K(sup T11, inf L2)"),
    ("minus_lordosis_L1_L5_deg", "Lumbar angle L1-L5", "K(sup L1, inf L5)"),
    ("lordosis_L1_L5_deg", "Lumbar lordosis L1-L5", "-K(sup L1, inf L5)"),
    ("minus_lordosis_L1_S1_deg", "Lumbar angle L1-S1", "K(sup L1, sup S1)"),
    ("lordosis_L1_S1_deg", "Lumbar lordosis L1-S1", "-K(sup L1, sup S1)"),
    ("sacral_slope_deg", "Sacral slope", "angle of sup S1 to the image's horizontal"),
)

_OTHERS: Final = (
    ("Ha_Hp", "Anterior / posterior height", "ratio", "Ha / Hp"),
    ("Hm_Hp", "Middle / posterior height", "ratio", "Hm / Hp"),
    ("Hp_Hp_pred", "Posterior / predicted height", "ratio", "Hp / predicted Hp"),
    ("Ha_mm", "Anterior height", "mm", "|SA - IA|"),
    ("Hm_mm", "Middle height", "mm", "|SM - IM|"),
    ("Hp_mm", "Posterior height", "mm", "|SP - IP|"),
    ("depth_sup_mm", "Superior depth", "mm", "|SA - SP|"),
    ("depth_inf_mm", "Inferior depth", "mm", "|IA - IP|"),
    ("area_mm2", "Body area", "mm2", "area of SA, SP, IP, IA"),
    ("Ha_pred_mm", "Predicted anterior height", "mm", "mean of Ha of V-1 and V+1"),
    ("Hm_pred_mm", "Predicted middle height", "mm", "mean of Hm of V-1 and V+1"),
    ("Hp_pred_mm", "Predicted posterior height", "mm", "mean of Hp of V-1 and V+1"),
    ("loss_ant_pct", "Anterior height loss", "%", "100 (1 - Ha / predicted Ha)"),
    ("loss_mid_pct", "Middle height loss", "%", "100 (1 - Hm / predicted Hm)"),
    ("loss_post_pct", "Posterior height loss", "%", "100 (1 - Hp / predicted Hp)"),
    ("max_height_loss_pct", "Greatest height loss", "%", "greatest of the three losses"),
    ("genant_grade_from_max_loss", "Genant-type grade", "grade", "0 < 20 <= 1 < 25 <= 2 <= 40 < 3"),
    ("area_loss_pct", "Area loss", "%", "100 (1 - area / predicted area)"),
    (
        "disc_above_farfan",
        "Disc height / depth above",
        "ratio",
        "(anterior + posterior disc height) / mean of inf depth V-1 and sup depth V",
    ),
    ("disc_above_ant_mm", "Anterior disc height above", "mm", "|IA of V-1 - SA of V|"),
    ("disc_above_post_mm", "Posterior disc height above", "mm", "|IP of V-1 - SP of V|"),
    ("disc_above_mean_mm", "Mean disc height above", "mm", "mean of anterior and posterior"),
    (
        "translation_above_pct",
        "Translation of the level above",
        "%",
        "100 (IP of V-1 - SP of V) . e / |e|^2, e = SA - SP of V",
    ),
    (
        "meyerding_grade",
        "Meyerding grade of the level above",
        "grade",
        "0 < 5 <= 1 <= 25 < 2 <= 50 < 3 <= 75 < 4 <= 100 < 5",
    ),
    (
        "translation_above_mm",
        "Translation of the level above",
        "mm",
        "(IP of V-1 - SP of V) . e / |e|",
    ),
)

#: Every measurement of `measure` by name.
CATALOGUE: Final[dict[str, MeasureInfo]] = {
    name: MeasureInfo(name, label, unit, formula)
    for name, label, unit, formula in (
        *((name, label, "deg", formula) for name, label, formula in _ANGLES),
        *_OTHERS,
    )
}


#: What each flag of a measurement says, as a sentence.
FLAGS: Final[dict[str, str]] = {
    "points_missing": "A point that is needed was not seen, or two points coincide.",
    "facing_unknown": "Front and back cannot be told apart, so no angle has a sign.",
    "corners_swapped": "The corners of this body contradict the other bodies.",
    "level_above_missing": "The level above is not on the film.",
    "level_below_missing": "The level below is not on the film.",
    "level_above_fractured": "The level above is fractured.",
    "level_below_fractured": "The level below is fractured.",
    "level_above_cemented": "The level above holds cement.",
    "level_below_cemented": "The level below holds cement.",
    "level_above_left_out": "The level above is not intact and was not measured to.",
    "level_below_left_out": "The level below is not intact and was not measured to.",
    "level_above_stepped": "Measured to the next intact level above: compares with no other.",
    "level_below_stepped": "Measured to the next intact level below: compares with no other.",
    "middle_from_corners": "A middle point is missing; the middle of the line hides biconcavity.",
    "predicted_from_one_neighbour": "Normal height told from one neighbour and the table.",
    "predicted_from_table": "Normal height taken from the table alone.",
    "no_reference_height": "There is nothing to tell the normal height from.",
    "no_physiological_value": "The table of normal values lacks this level.",
    "detector_plane": "Millimetres of the detector plane, larger than those of the spine.",
    "calibration_unknown": "Nobody knows in which plane the spacing was measured.",
    "assumes_vertical_image": "True only if the film's vertical is plumb and the patient stands.",
    "shape_wedge": "The front of the body lost most.",
    "shape_biconcave": "The middle of the body lost most.",
    "shape_crush": "The back of the body lost height too.",
    "retrolisthesis": "The level above slipped backward.",
    "undefined_small_correction": "Too little was corrected for a percentage.",
    "undefined_small_loss": "Too little height was lost for a percentage.",
    "landmarks_differ": "The films were not measured between the same landmarks.",
    "positions_differ": "The films were taken in different positions of the patient.",
    "position_unknown": "The position of the patient is not known on each film.",
    "over_5_deg": "More than 5 degrees of the correction were lost.",
    "over_10_deg": "More than 10 degrees of the correction were lost.",
    "over_10_pct": "More than 10 % of the reference height were lost.",
    "over_mdc95": "The change exceeds the error of the points with 95 % confidence.",
}


def describe(name: str) -> MeasureInfo:
    """Description of a measurement of `measure`.

    Raises
    ------
    UnknownName
        If there is none of that name.
    """
    if name not in CATALOGUE:
        raise UnknownName("measurement", name, CATALOGUE)
    return CATALOGUE[name]
