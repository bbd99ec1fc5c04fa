"""Tables of accuracy as Markdown and as text."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["README_ROWS", "ROWS", "accuracy_markdown", "readme_markdown"]

#: Figure -> what it is called in a table, in the order of the table.
ROWS: Final[Mapping[str, str]] = {
    "films": "films",
    "rejected": "films rejected by the quality gate",
    "bodies": "bodies annotated, T10 to L5",
    "found_pct": "bodies found, %",
    "unmatched_per_film": "unmatched predictions between annotated bodies, per film",
    "points": "points judged",
    "point_median_pct": "point error, median, % of depth",
    "point_mean_pct": "point error, mean, % of depth",
    "point_p95_pct": "point error, 95th percentile, % of depth",
    "vertebral_kyphosis_deg_n": "vertebral kyphosis: n",
    "vertebral_kyphosis_deg_mae": "vertebral kyphosis: mean absolute error, degrees",
    "vertebral_kyphosis_deg_bias": "vertebral kyphosis: bias, degrees",
    "vertebral_kyphosis_deg_cover90_pct": "vertebral kyphosis: 90 % intervals that hold, %",
    "regional_kyphosis_deg_n": "regional kyphosis: n",
    "regional_kyphosis_deg_mae": "regional kyphosis: mean absolute error, degrees",
    "regional_kyphosis_deg_bias": "regional kyphosis: bias, degrees",
    "regional_kyphosis_deg_cover90_pct": "regional kyphosis: 90 % intervals that hold, %",
    "Ha_Hp_n": "height ratio Ha/Hp: n",
    "Ha_Hp_mae": "height ratio Ha/Hp: mean absolute error",
    "Ha_Hp_bias": "height ratio Ha/Hp: bias",
    "Ha_Hp_cover90_pct": "height ratio Ha/Hp: 90 % intervals that hold, %",
    "max_height_loss_pct_n": "largest height loss: n",
    "max_height_loss_pct_mae": "largest height loss: mean absolute error, points",
    "max_height_loss_pct_bias": "largest height loss: bias, points",
    "max_height_loss_pct_cover90_pct": "largest height loss: 90 % intervals that hold, %",
    "films_named": "films whose naming can be judged",
    "levels_right_pct": "films with every found level right, %",
    "sacrum_visible_films": "films judged on names with the sacrum visible",
    "levels_right_sacrum_visible_pct": "sacrum visible: every found level right, %",
    "sacrum_hidden_films": "films judged on names with the sacrum not visible",
    "levels_right_sacrum_hidden_pct": "sacrum not visible: every found level right, %",
    "wrong_namings_flagged_pct": "wrong namings flagged as uncertain, %",
    "right_namings_flagged_pct": "right namings flagged as uncertain, %",
}


#: The figures that the README shows.
README_ROWS: Final = (
    "films",
    "rejected",
    "bodies",
    "found_pct",
    "unmatched_per_film",
    "point_median_pct",
    "point_p95_pct",
    "vertebral_kyphosis_deg_mae",
    "vertebral_kyphosis_deg_bias",
    "vertebral_kyphosis_deg_cover90_pct",
    "Ha_Hp_mae",
    "sacrum_visible_films",
    "levels_right_sacrum_visible_pct",
    "sacrum_hidden_films",
    "levels_right_sacrum_hidden_pct",
)


def readme_markdown(table: Mapping[str, Mapping[str, Any]]) -> str:
    """The README's table: fewer rows than the model card's."""
    short = {
        group: {k: v for k, v in figures.items() if k in README_ROWS or "bodies" not in figures}
        for group, figures in table.items()
    }
    return accuracy_markdown(short, rows=README_ROWS)


def accuracy_markdown(
    table: Mapping[str, Mapping[str, Any]],
    unreadable: Sequence[tuple[str, str]] = (),
    rows: Sequence[str] = tuple(ROWS),
) -> str:
    """Accuracy as Markdown: one column a group of lateral films, then the films to reject."""
    groups = [g for g, figures in table.items() if "bodies" in figures]
    negatives = [g for g, figures in table.items() if "bodies" not in figures]
    lines = ["| | " + " | ".join(groups) + " |", "|---|" + "---|" * len(groups)]
    for key in rows:
        label = ROWS[key]
        cells = [_cell(table[g].get(key)) for g in groups]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    if negatives:
        lines += ["", "| films to be rejected | n | rejected |", "|---|---|---|"]
        for g in negatives:
            n, rejected, percent = (table[g][k] for k in ("films", "rejected", "rejected_pct"))
            lines.append(f"| {g} | {n} | {rejected} ({percent} %) |")
    if unreadable:
        lines += ["", f"Not read, and counted nowhere: {len(unreadable)} files."]
        lines += [f"- {name}: {reason}" for name, reason in unreadable]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:g}"
