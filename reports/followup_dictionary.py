"""Words and flags of a follow-up in English and French."""

from typing import Final

from endplate.errors import UnknownName

__all__ = ["LANGUAGES", "flag_text", "language_index", "time_point", "word"]

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
    "height_changes": ("Change of height", "Variation de hauteur"),
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
    "estimate_joint": (
        "Measured from the points of all films together",
        "Mesuré d'après les points de tous les clichés ensemble",
    ),
    "estimate_films": ("Measured film by film", "Mesuré cliché par cliché"),
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
    "points_misread": (
        "The points of the treated body do not fit its other films: they were not used, and the"
        " values there are guesses from the other visits. Please correct them.",
        "Les points du corps traité ne s'accordent pas avec les autres clichés : non utilisés, les"
        " valeurs y sont estimées d'après les autres visites. À corriger.",
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


def language_index(language: str) -> int:
    """0 for English, 1 for French."""
    if language not in LANGUAGES:
        raise UnknownName("language", language, LANGUAGES)
    return LANGUAGES.index(language)


def word(name: str, language: str) -> str:
    """A word or heading; one that is not known is given back."""
    return _WORDS.get(name, (name, name))[language_index(language)]


def time_point(name: str, language: str) -> str:
    """Name of a time point."""
    if name in _TIMES:
        return _TIMES[name][language_index(language)]
    return name.replace("months", "mois") if language == "fr" else name


def flag_text(flag: str, language: str) -> str:
    """A flag as a sentence; those of the quality gate stay short."""
    if flag in _FLAGS:
        return _FLAGS[flag][language_index(language)]
    return flag.replace("_", " ")
