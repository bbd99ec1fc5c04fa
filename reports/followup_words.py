"""What a follow-up says in plain words, in English and French."""

import math
from typing import Final

from endplate.errors import UnknownName
from endplate.geometry.measurement import Measurement
from endplate.study.followup import FollowUp, VisitResult

__all__ = ["LANGUAGES", "flag_text", "sentences", "time_point", "word"]

LANGUAGES: Final = ("en", "fr")

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Follow-up of subject", "Suivi du sujet"),
    "operation": ("Operation", "Intervention"),
    "index": ("Index level", "Niveau traité"),
    "in_words": ("In words", "En clair"),
    "films": ("Films, at the same scale", "Clichés, à la même échelle"),
    "curves": ("Course", "Évolution"),
    "measures": ("Measures of each film", "Mesures de chaque cliché"),
    "changes": ("Change", "Variation"),
    "measure": ("Measure", "Mesure"),
    "months": ("months after the operation", "mois après l'intervention"),
    "value": ("value with 90 % interval", "valeur et intervalle à 90 %"),
    "correction": ("Correction", "Correction"),
    "loss": ("Loss", "Perte"),
    "gain": ("Final gain", "Gain final"),
    "percent_lost": ("Percent lost", "Part perdue"),
    "mdc": ("Detectable", "Décelable"),
    "p5": ("P(loss > 5°)", "P(perte > 5°)"),
    "p10": ("P(loss > 10°)", "P(perte > 10°)"),
    "restoration": ("Restored", "Restauration"),
    "height_gain": ("Height gained", "Hauteur gagnée"),
    "height_loss": ("Height lost again", "Hauteur reperdue"),
    "notes": ("Notes", "Remarques"),
    "no_image": ("film not at hand", "cliché non disponible"),
    "left_out": ("Films that were not used", "Clichés non utilisés"),
    "vertebral_kyphosis_deg": ("Vertebral kyphosis", "Cyphose vertébrale"),
    "regional_kyphosis_deg": ("Regional kyphosis", "Cyphose régionale"),
    "gardner_mono_above_deg": ("Gardner angle", "Angle de Gardner"),
    "ART_deg": ("Traumatic regional angulation", "Angulation régionale traumatique"),
    "TVK_deg": ("Traumatic vertebral kyphosis", "Cyphose vertébrale traumatique"),
    "loss_ant_pct": ("Anterior height loss", "Perte de hauteur antérieure"),
    "loss_mid_pct": ("Middle height loss", "Perte de hauteur moyenne"),
    "loss_post_pct": ("Posterior height loss", "Perte de hauteur postérieure"),
    "Ha_mm": ("Anterior height", "Hauteur antérieure"),
    "Hm_mm": ("Middle height", "Hauteur moyenne"),
    "Hp_mm": ("Posterior height", "Hauteur postérieure"),
    "Ha_Hp": ("Anterior / posterior height", "Hauteur antérieure / postérieure"),
    "Hm_Hp": ("Middle / posterior height", "Hauteur moyenne / postérieure"),
    "height_curve": ("Height, % of normal", "Hauteur, % de la normale"),
    "ant": ("anterior", "antérieure"),
    "mid": ("middle", "moyenne"),
    "post_height": ("posterior", "postérieure"),
    "given": ("given", "indiqué"),
    "holds cement": ("holds cement", "contient du ciment"),
    "between the screws": ("between the screws", "entre les vis"),
    "greatest height loss": ("greatest height loss", "plus grande perte de hauteur"),
    "largest vertebral kyphosis beyond the physiological one": (
        "largest vertebral kyphosis beyond the physiological one",
        "plus grande cyphose vertébrale au-delà de la physiologique",
    ),
    "standing": ("standing", "debout"),
    "supine": ("supine", "couché"),
    "recumbent": ("recumbent", "couché"),
    "disclaimer": (
        "For research use. Not a medical device: not for diagnosis or treatment.",
        "Pour la recherche. N'est pas un dispositif médical : ni diagnostic ni traitement.",
    ),
    "same_scale": (
        "Scaled by the intact bodies that all films show.",
        "Mis à l'échelle d'après les corps intacts visibles sur tous les clichés.",
    ),
    "bands": (
        "Bands: 90 % intervals. Dashed: loss of 5° and 10°.",
        "Bandes : intervalles à 90 %. Tirets : perte de 5° et de 10°.",
    ),
}

_TIMES: Final = {"pre": ("before", "avant"), "post": ("after", "après")}

_FLAGS: Final[dict[str, tuple[str, str]]] = {
    "positions_differ": (
        "Films in different positions of the patient: kyphosis changes with position alone.",
        "Clichés en positions différentes : la cyphose change avec la position seule.",
    ),
    "position_unknown": (
        "The patient's position is not known on each film.",
        "La position du patient n'est pas connue sur chaque cliché.",
    ),
    "ct_against_film": (
        "CT against film: supine against upright, do not compare.",
        "Scanner contre cliché : couché contre debout, à ne pas comparer.",
    ),
    "uncalibrated": (
        "A film without calibration: no millimetres.",
        "Cliché sans calibration : pas de millimètres.",
    ),
    "millimetres_magnified": (
        "Millimetres are magnified by an unknown factor; angles and percentages are not.",
        "Millimètres agrandis d'un facteur inconnu ; angles et pourcentages ne le sont pas.",
    ),
    "level_above_fractured": (
        "The level above is fractured.",
        "Le niveau sus-jacent est fracturé.",
    ),
    "level_below_fractured": (
        "The level below is fractured.",
        "Le niveau sous-jacent est fracturé.",
    ),
    "level_above_stepped": (
        "Measured over the level above to the next intact one.",
        "Mesuré jusqu'au niveau intact suivant au-dessus.",
    ),
    "level_below_stepped": (
        "Measured over the level below to the next intact one.",
        "Mesuré jusqu'au niveau intact suivant au-dessous.",
    ),
    "landmarks_differ": (
        "Films were not measured between the same landmarks.",
        "Les clichés n'ont pas été mesurés entre les mêmes repères.",
    ),
    "levels_renamed": (
        "The levels of a film were renamed so that they fit the other films: please check.",
        "Les niveaux d'un cliché ont été renommés pour s'accorder aux autres : à vérifier.",
    ),
    "film_level_uncertain": (
        "The level names are uncertain.",
        "Les niveaux sont incertains.",
    ),
    "film_point_uncertain": ("Some points are uncertain.", "Des points sont incertains."),
    "film_implausible_shape": (
        "A body has an implausible shape.",
        "Un corps a une forme peu plausible.",
    ),
    "film_cut_by_border": (
        "The border of the film cuts a body.",
        "Le bord du cliché coupe un corps.",
    ),
    "film_few_vertebrae": ("Few vertebrae are seen.", "Peu de vertèbres sont visibles."),
    "film_levels_doubtful": (
        "The level names may be off by one.",
        "Les niveaux peuvent être décalés d'un rang.",
    ),
    "index_level_not_on_film": (
        "The index level is not on a film.",
        "Le niveau traité n'est pas sur un cliché.",
    ),
    "neighbour_not_on_film": (
        "A neighbour of the index level is not on a film.",
        "Un voisin du niveau traité n'est pas sur un cliché.",
    ),
}


def _at(language: str) -> int:
    if language not in LANGUAGES:
        raise UnknownName("language", language, LANGUAGES)
    return LANGUAGES.index(language)


def word(name: str, language: str) -> str:
    """A word or heading; one that is not known is given back."""
    return _WORDS.get(name, (name, name))[_at(language)]


def time_point(name: str, language: str) -> str:
    """Name of a time point."""
    if name in _TIMES:
        return _TIMES[name][_at(language)]
    return name.replace("months", "mois") if language == "fr" else name


def flag_text(flag: str, language: str) -> str:
    """A flag as a sentence; those of the quality gate stay short."""
    if flag in _FLAGS:
        return _FLAGS[flag][_at(language)]
    return flag.replace("_", " ")


def sentences(result: FollowUp, language: str = "en") -> tuple[str, ...]:
    """What happened, one sentence after the other."""
    i = _at(language)
    if not result.index_level:
        return (
            (
                "The injured level could not be told from the films; give it with --index.",
                "Le niveau lésé n'a pu être reconnu ; indiquez-le avec --index.",
            )[i],
        )
    out = [_correction(result, language), _loss(result, language), _height(result, language)]
    out += _fractures(result, language)
    out += _junctions(result, language)
    return tuple(x for x in out if x)


def _degrees(value: float, language: str) -> str:
    text = f"{value:.1f}°".replace("-", "−")
    return text.replace(".", ",") if language == "fr" else text


def _interval(m: Measurement, language: str) -> str:
    if math.isnan(m.se):
        return ""
    low, high = (_degrees(x, language) for x in m.interval90)
    if language == "fr":
        return f" (intervalle à 90 % : {low} à {high})"
    return f" (90 % interval {low} to {high})"


def _correction(result: FollowUp, language: str) -> str:
    name = "vertebral_kyphosis_deg"
    before, after = result.before, result.after
    if before is None or after is None:
        return ""
    change = after.change("correction_" + name)
    pre, post = before.value(name), after.value(name)
    if change is None or pre is None or post is None or math.isnan(change.value):
        return ""
    a, b = (_degrees(m.value, language) for m in (pre, post))
    by, level = _degrees(abs(change.value), language), result.index_level
    interval = _interval(change, language)
    if language == "fr":
        verb = "a corrigé" if change.value >= 0 else "n'a pas corrigé"
        how = "soit" if change.value >= 0 else "soit une aggravation de"
        return (
            f"L'intervention {verb} la cyphose vertébrale de {level}, de {a} à {b},"
            f" {how} {by}{interval}."
        )
    if change.value < 0:
        return (
            f"The operation did not correct the vertebral kyphosis of {level}: it went from {a} to"
            f" {b}, a change of {by}{interval}."
        )
    return (
        f"The operation corrected the vertebral kyphosis of {level} from {a} to {b}, by"
        f" {by}{interval}."
    )


def _loss(result: FollowUp, language: str) -> str:
    last = result.last
    loss = None if last is None else last.change("loss_of_correction_vertebral_kyphosis_deg")
    if last is None or loss is None or math.isnan(loss.value):
        return ""
    when = time_point(last.visit.name, language)
    amount = _degrees(abs(loss.value), language)
    interval = _interval(loss, language)
    share = _share(last, language)
    french = language == "fr"
    if loss.value < 0:
        text = (
            f"À {when}, la correction a encore augmenté de {amount}{interval}"
            if french
            else f"At {when} the correction had grown by another {amount}{interval}"
        )
    else:
        text = (
            f"À {when}, {amount} en étaient perdus{share}{interval}"
            if french
            else f"At {when} {amount} of it were lost{share}{interval}"
        )
    return text + _judgement(last, loss, language)


def _share(last: VisitResult, language: str) -> str:
    share = last.change("loss_of_correction_pct_vertebral_kyphosis")
    if share is None or math.isnan(share.value):
        return ""
    text = f"{share.value:.0f} %"
    return f", soit {text}" if language == "fr" else f", {text}"


def _judgement(last: VisitResult, loss: Measurement, language: str) -> str:
    """Against the error of measurement, where that is known."""
    bound = last.change("mdc95_vertebral_kyphosis_deg")
    p5 = last.change("probability_loss_over_5_deg_vertebral_kyphosis")
    if bound is None or p5 is None or math.isnan(bound.value):
        return "."
    limit = _degrees(bound.value, language)
    chance = _chance(p5.value)
    beyond = "over_mdc95" in loss.flags
    if language == "fr":
        says = "au-delà de" if beyond else "dans"
        return (
            f" : {says} l'erreur de mesure (seuil {limit}). Probabilité d'une perte de plus"
            f" de 5° : {chance}."
        )
    says = "beyond" if beyond else "within"
    return (
        f": {says} the error of measurement (smallest detectable change {limit})."
        f" Probability of a loss over 5°: {chance}."
    )


def _chance(p: float) -> str:
    if p < 0.01:
        return "< 1 %"
    return "> 99 %" if p > 0.99 else f"{100 * p:.0f} %"


def _height(result: FollowUp, language: str) -> str:
    after = result.after
    restored = None if after is None else after.change("height_restoration_pct_ant")
    if restored is None or math.isnan(restored.value):
        return ""
    share = f"{restored.value:.0f} %".replace("-", "−")
    if language == "fr":
        return f"La hauteur antérieure du corps a récupéré {share} de ce qui était perdu."
    return f"The anterior height of the body recovered {share} of what was lost."


def _fractures(result: FollowUp, language: str) -> list[str]:
    out = []
    for f in result.fractures:
        when = time_point(f.visit, language)
        if language == "fr":
            near = ", au contact du montage" if f.adjacent else ""
            out.append(
                f"Nouvelle fracture possible de {f.level} ({when}){near} : perte de hauteur de"
                f" {f.before:.0f} % à {f.now:.0f} %."
            )
        else:
            near = ", next to the treated level" if f.adjacent else ""
            out.append(
                f"Possible new fracture of {f.level} ({when}){near}: height loss went from"
                f" {f.before:.0f} % to {f.now:.0f} %."
            )
    return out


def _junctions(result: FollowUp, language: str) -> list[str]:
    out = []
    seen = set()
    for j in result.junctions:
        if not j.junctional or j.side in seen:
            continue
        seen.add(j.side)
        amount = _degrees(j.change.value, language)
        when = time_point(j.visit, language)
        if language == "fr":
            side = "au-dessus" if j.side == "above" else "au-dessous"
            out.append(f"Cyphose jonctionnelle {side} du montage ({when}) : + {amount}.")
        else:
            out.append(f"Junctional kyphosis {j.side} the treated levels ({when}): + {amount}.")
    return out
