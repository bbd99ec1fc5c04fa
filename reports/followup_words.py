"""What a follow-up says in plain words, in English and French."""

import math

from endplate.geometry.measurement import Measurement
from endplate.reports.followup_dictionary import language_index, time_point, word
from endplate.study.followup import FollowUp, VisitResult

__all__ = ["index_text", "sentences"]


def index_text(result: FollowUp, language: str = "en") -> str:
    """The treated level, why it is it, and how probable, where it was told from the films."""
    index = result.index
    parts = [word(index.why, language)]
    if index.level and index.why != "given":
        parts.append(_chance(index.probability))
    colon = " :" if language == "fr" else ":"
    return f"{word('index', language)}{colon} {index.level or '–'} ({', '.join(parts)})"


def _doubt(result: FollowUp, language: str) -> str:
    """A warning if another level may be the treated one."""
    index = result.index
    if not index.doubtful:
        return ""
    if index.why == "given":
        return (
            f"The films speak for {index.second} as the injured level, not for {index.level} as"
            " given: check it, and how the levels are named.",
            f"Les films désignent {index.second} comme niveau lésé, et non {index.level} comme"
            " indiqué : à vérifier, ainsi que le nom des niveaux.",
        )[language_index(language)]
    chance = _chance(index.probability)
    if language == "fr":
        return (
            f"Le niveau traité est incertain : {index.level} ({chance}), sinon {index.second} ;"
            " à vérifier, ou à indiquer avec --index."
        )
    return (
        f"The treated level is uncertain: {index.level} ({chance}), or else {index.second};"
        " check it, or give it with --index."
    )


def sentences(result: FollowUp, language: str = "en") -> tuple[str, ...]:
    """What happened, one sentence after the other."""
    i = language_index(language)
    if not result.index_level:
        return (
            (
                "The injured level could not be told from the films; give it with --index.",
                "Le niveau lésé n'a pu être reconnu ; indiquez-le avec --index.",
            )[i],
        )
    out = [_doubt(result, language), _correction(result, language), _loss(result, language)]
    out.append(_height(result, language))
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
