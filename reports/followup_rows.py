"""The numbers of a follow-up as rows of texts, for the page, the PDF and the terminal."""

import math
from typing import Final

from endplate.geometry.measurement import Measurement
from endplate.reports.followup_dictionary import flag_text, time_point, word
from endplate.reports.words import plus_minus, value_text
from endplate.study.followup import FollowUp, VisitResult

__all__ = ["angle_rows", "height_rows", "notes", "value_rows"]

_SHOWN: Final = (
    "vertebral_kyphosis_deg",
    "regional_kyphosis_deg",
    "gardner_mono_above_deg",
    "ART_deg",
    "loss_ant_pct",
    "loss_mid_pct",
    "loss_post_pct",
    "Ha_mm",
    "Hm_mm",
    "Hp_mm",
)
_ANGLES: Final = _SHOWN[:4]
#: Heights, and the word for each.
_HEIGHTS: Final = (("ant", "Ha_mm"), ("mid", "Hm_mm"), ("post", "Hp_mm"))


def _text(value: str, language: str) -> str:
    return value.replace(".", ",") if language == "fr" else value


def _cell(m: Measurement | None, language: str, *, error: bool = True) -> str:
    if m is None or not math.isfinite(m.value):
        return "–"
    text = value_text(m)
    if error and plus_minus(m):
        text += f" {plus_minus(m).removesuffix('°').removesuffix(' %').removesuffix(' mm')}"
    return _text(text, language)


def value_rows(result: FollowUp, language: str = "en") -> tuple[list[str], list[list[str]]]:
    """Head and rows: a measure a row, a visit a column; +- half the 90 % interval."""
    head = [word("measure", language)]
    head += [time_point(v.visit.name, language) for v in result.visits]
    rows = []
    for name in _SHOWN:
        cells = [_cell(v.value(name), language) for v in result.visits]
        if any(c != "–" for c in cells):
            rows.append([word(name, language), *cells])
    return head, rows


def angle_rows(
    result: FollowUp, language: str = "en", *, last_only: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Head and rows: correction, and loss, gain and chances at each later visit."""
    keys = ("correction", "loss", "mdc", "percent_lost", "gain", "p5", "p10")
    head = [word("measure", language), "", *(word(k, language) for k in keys)]
    rows = []
    for name in _ANGLES:
        stem = name.removesuffix("_deg")
        for visit in _later(result, last_only):
            changes = [
                visit.change(f"correction_{stem}_deg"),
                visit.change(f"loss_of_correction_{stem}_deg"),
                visit.change(f"mdc95_{stem}_deg"),
                visit.change(f"loss_of_correction_pct_{stem}"),
                visit.change(f"final_gain_{stem}_deg"),
            ]
            chances = [visit.change(f"probability_loss_over_{t}_deg_{stem}") for t in (5, 10)]
            if all(m is None or not math.isfinite(m.value) for m in changes):
                continue
            rows.append(
                [
                    word(name, language),
                    time_point(visit.visit.name, language),
                    *(_cell(m, language) for m in changes),
                    *(_percent(m, language) for m in chances),
                ]
            )
    return head, rows


def height_rows(
    result: FollowUp, language: str = "en", *, last_only: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Head and rows: restoration and gain of each height, and its loss at each later visit."""
    keys = ("restoration", "height_gain", "height_loss")
    head = [word("measure", language), "", *(word(k, language) for k in keys)]
    rows = []
    for key, name in _HEIGHTS:
        for visit in _later(result, last_only):
            changes = [
                visit.change(f"height_restoration_pct_{key}"),
                visit.change(f"height_gain_pct_of_reference_{key}"),
                visit.change(f"height_loss_post_to_fu_pct_of_reference_{key}"),
            ]
            if all(m is None or not math.isfinite(m.value) for m in changes):
                continue
            rows.append(
                [
                    word(name, language),
                    time_point(visit.visit.name, language),
                    *(_cell(m, language) for m in changes),
                ]
            )
    return head, rows


def _later(result: FollowUp, last_only: bool) -> list[VisitResult]:
    """Visits after the operation; the first only where it is the last."""
    post = [v for v in result.visits if v.visit.name != "pre"]
    return post[-1:] if last_only else post[1:] or post


def _percent(m: Measurement | None, language: str) -> str:
    if m is None or not math.isfinite(m.value):
        return "–"
    if m.value < 0.01:
        return "< 1 %"
    return "> 99 %" if m.value > 0.99 else f"{100 * m.value:.0f} %"


def notes(result: FollowUp, language: str = "en") -> list[str]:
    """What to doubt, each once, with the visits that it concerns."""
    concerned: dict[str, list[str]] = {}
    for visit in result.visits:
        flags = dict.fromkeys(visit.flags)
        for m in (*visit.changes, *visit.values):
            flags.update(dict.fromkeys(f for f in m.flags if f in _COMPARING))
        for flag in flags:
            concerned.setdefault(flag, []).append(time_point(visit.visit.name, language))
    out = []
    for flag, visits in concerned.items():
        out.append(f"{flag_text(flag, language)} ({', '.join(visits)})")
    return out


_COMPARING: Final = (
    "positions_differ",
    "position_unknown",
    "landmarks_differ",
    "level_above_fractured",
    "level_below_fractured",
    "level_above_stepped",
    "level_below_stepped",
)
