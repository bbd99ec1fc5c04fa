"""docs/accuracy.md from the JSON files beside it: a pure function, so that a test can compare."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from endplate.train.report.ablations import ablation_section
from endplate.train.report.breakdown import COLUMNS, SHORT
from endplate.train.report.cells import cell, number, short, table
from endplate.train.report.gate_section import gate_section
from endplate.train.report.reading_section import reading_section
from endplate.train.report.real import COVERED
from endplate.train.report.statistics import HEADLINE

__all__ = ["PARTS", "render_page", "trained_on"]

#: Files that a page is made of, in its folder, without ending.
PARTS: Final = ("real", "simulated", "follow-up", "reading", "ablations")
_NAMES: Final = {"whole_spine": "whole spine"}
_ANGLES: Final = {
    "vertebral_kyphosis_deg": "vertebral kyphosis",
    "regional_kyphosis_deg": "regional kyphosis",
}
_PAIR_ROWS: Final = (
    ("loss_mae", "loss of correction: MAE, degrees", 2, "<= 1.5"),
    ("loss_bias", "loss of correction: bias, degrees", 2, ""),
    ("loss_sd", "loss of correction: SD of the error, degrees", 2, ""),
    ("loss_cover", "loss of correction: 90 % intervals that hold, %", 1, "88 to 92"),
    ("auc_probability", "true loss over 5 degrees: AUC of P(loss > 5)", 3, ">= 0.95"),
    ("auc_loss", "true loss over 5 degrees: AUC of the measured loss", 3, ">= 0.95"),
    ("mdc95_observed", "smallest detectable change: 1.96 SD of the error, degrees", 2, ""),
    ("mdc95_stated", "smallest detectable change as stated, median, degrees", 2, ""),
    ("false_alarms", "losses of at most 0.5 degrees said to be beyond error, %", 1, "<= 5"),
    ("correction_mae", "correction: MAE, degrees", 2, ""),
    ("correction_bias", "correction: bias, degrees", 2, ""),
)

_HEAD: Final = """\
# Accuracy

This page is written by one command, from the annotated films, the networks of each fold, and films
and patients made by the simulator on the way (`docs/training.md` says how the folds are made):

```
endplate accuracy weights=runs/folds/FOLD out=docs/accuracy.md
```

The figures are those of the JSON files in `docs/accuracy/`; what is said in words at the end is
kept in `docs/accuracy/notes.md`. Overlays of real films, best, middle and worst, are left in the
working folder (`work=runs/accuracy`) and not shown here: no film of a patient is part of this
repository.

**How it is judged** (`train/accuracy.py`). A body is *found* when a predicted centre lies within
half a depth of its own. Point errors are in percent of the superior depth of the body (1 % is about
0.35 mm in the lumbar spine), T10 to L5, all points that the annotation has. A naming is right when
every found body of the film bears its level; films whose levels are doubtful are left out of that.
MAE is the mean absolute error. In brackets: 95 % interval by bootstrap over films, because the
points of a film are not independent; then *n*, values / films. A dash: nothing to judge. Targets
are those set before the work began; a figure that misses its target stands here all the same.
"""

_REAL: Final = """\
## Films of subjects not trained on

Five-fold cross-validation by subject: every film was read by networks that never saw its subject,
and the error model, the weights of the naming and the threshold of the gate were fitted on the
other folds. The shipped networks were trained like these, on all subjects.
"""

_SECOND: Final = """\
### A second human reader, and ours, on the same bodies

Both against the first reader, on the {bodies} bodies of {films} lumbar films that the second reader
read and both found ({ours} of the {theirs} that the second reader found). Not the same as the
targets above: these films are few.
"""

_BY_PARTS: Final = """\
### By level, film and body

*found*: bodies found; *median*, *P95*: point error in percent of depth; *in interval*: coordinates
of points inside their 90 % interval; VK and RK: vertebral and regional kyphosis, degrees; *loss*:
largest height loss, points. A film counts in every row that one of its bodies belongs to.
"""

_INTERVALS: Final = """\
## Do the 90 % intervals hold?

Share of intervals that hold what was annotated, on films that neither networks nor error model were
fitted on; 88 to 92 is wanted. The annotation has an error of its own, which is part of what the
intervals have to cover.
"""

_NAMING: Final = """\
## Are the names as sure as they say?

Films by the probability that the reading gives to all its names being right. `level_uncertain` is
raised below a threshold that is fitted with the weights of the naming.
"""

_SIMULATED: Final = """\
## Simulated films

{films} lateral films of seeds {first} to {last}, which no network was trained on, made and read on
the way as DICOM by the shipped networks (`train/report/simulated.py`). They are no measure of
accuracy in patients, but the truth is exact, and there are fractures, metal and cement on them,
which the real films lack.
"""

_OWN: Final = """\
### Coverage on simulated films

As shipped: the error model is fitted on real films, against annotations that have an error of their
own. Refitted: the widths of the intervals of the points, and of each measure, are multiplied by one
factor, fitted on the other four fifths of these films (`train/report/domain.py`); last, the factor
fitted on all of them.
"""

_PAIRS: Final = """\
## Loss of correction, on simulated patients

Each patient is drawn once and filmed before the operation, after it and at 12 months, with new
positioning, magnification, posture and exposure each time; correction and loss are known
(`datasets/simulator/loss_plan.py`). *Spread*: losses evenly from 0 to 15 degrees. *Series*: as in
the published series that `endplate series` rebuilds, most losses near nothing. The films were read
by the shipped networks, named together and compared by `endplate followup`; the treated level was
given. Vertebral kyphosis is compared with the plan, regional kyphosis with the true landmarks.
"""


def render_page(folder: Path) -> str:
    """The page, from the JSON files, pictures and notes of `folder`; what lacks is left out."""
    found = {p: _load(folder / f"{p}.json") for p in PARTS}
    place = folder.name
    blocks = [_HEAD]
    if found["real"]:
        blocks += _real_blocks(found["real"], place)
    blocks += gate_section(folder)
    if found["simulated"]:
        blocks += _simulated_blocks(found["simulated"], place, folder)
    if found["follow-up"]:
        blocks += _pair_blocks(found["follow-up"], place)
    if found["reading"]:
        blocks.append(reading_section(found["reading"]))
    if found["ablations"]:
        blocks.append(ablation_section(found["ablations"], place, trained_on(found["real"])))
    notes = folder / "notes.md"
    if notes.is_file():
        blocks.append(notes.read_text(encoding="utf-8").strip() + "\n")
    return "\n".join(block.strip() + "\n" for block in blocks)


def trained_on(real: Mapping[str, Any] | None, folds: int = 5) -> int | None:
    """Real films that the networks of one fold are trained on, from the figures of all."""
    if real is None:
        return None
    films = int(sum(g["films"] for name, g in real["groups"].items() if name != "all"))
    return films - round(films / folds)


def _load(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values


def _real_blocks(values: Mapping[str, Any], place: str) -> list[str]:
    blocks = [_REAL, _made_by(values), _headline(values["groups"]), _slopes(values["slope"])]
    blocks.append(
        f"![Share of points below an error, by set]({place}/points.svg)\n\n"
        f"![Differences from the annotation against the mean]({place}/agreement.svg)"
    )
    if values.get("second_reader"):
        blocks.append(_second_block(values["second_reader"]))
    blocks.append(_BY_PARTS)
    blocks += _parts(values["parts"])
    blocks += [_INTERVALS, _coverage(values["coverage"])]
    blocks.append(f"![Nominal and observed coverage, by measure]({place}/coverage.svg)")
    blocks += [_NAMING, _naming(values["naming"])]
    blocks.append(f"![Stated and observed probability of the naming]({place}/naming.svg)")
    blocks += ["## The quality gate\n", _gate(values["gate"]), _flags(values["flags"])]
    return blocks


def _simulated_blocks(values: Mapping[str, Any], place: str, folder: Path) -> list[str]:
    first = values["seed"]
    last = first + values["films"] - 1
    text = _SIMULATED.format(films=values["films"], first=first, last=last)
    blocks = [text, _made_by(values), _headline(values["groups"]), _slopes(values["slope"])]
    blocks.append(_BY_PARTS)
    blocks += _parts(values["parts"])
    blocks += [_OWN, _both_coverages(values)]
    blocks += ["### Names on simulated films\n", _naming(values["naming"])]
    worst = [w for w in values.get("worst", ()) if (folder / w["picture"]).is_file()]
    if worst:
        blocks.append(
            "### Worst simulated films\n\nRead points and outlines; crosses are the truth."
            " The films of the largest mean error, worst first.\n"
        )
        blocks += [
            f"![Simulated film {w['name']}]({place}/{w['picture']})\n\n"
            f"`{w['name']}`: mean error {w['mean_error']:.1f} % of depth."
            for w in worst
        ]
    return blocks


def _pair_blocks(values: Mapping[str, Any], place: str) -> list[str]:
    blocks = [_PAIRS, _made_by(values)]
    for angle, label in _ANGLES.items():
        sets = {name: one[angle] for name, one in values["sets"].items()}
        head = [
            "",
            *(f"{n} ({s['measured']} of {s['subjects']} subjects)" for n, s in sets.items()),
        ]
        rows = [
            [text, *(cell(s[key], digits) for s in sets.values()), target]
            for key, text, digits, target in _PAIR_ROWS
        ]
        over = ["subjects with a true loss over 5 degrees"]
        rows.insert(0, [*over, *(str(s["true_over_5"]) for s in sets.values()), ""])
        blocks.append(f"### Of {label}\n\n" + table([*head, "target"], rows))
    blocks.append(f"![Measured against true loss, and ROC]({place}/follow-up.svg)")
    return blocks


def _made_by(values: Mapping[str, Any]) -> str:
    return f"Networks: {values['networks']}."


def _headline(groups: Mapping[str, Any]) -> str:
    head = ["", *(_NAMES.get(g, g) for g in groups), "target"]
    rows = [
        ["films; bodies T10 to L5", *(f"{g['films']}; {g['bodies']}" for g in groups.values()), ""]
    ]
    for s in HEADLINE:
        cells = [cell(g["figures"].get(s.key), s.digits) for g in groups.values()]
        if any(c != "-" for c in cells):
            rows.append([s.label, *cells, s.target])
    return table(head, rows)


def _slopes(slopes: Mapping[str, Any]) -> str:
    said = [f"{_NAMES.get(g, g)} {s['value']:.2f} (n = {s['n']})" for g, s in slopes.items() if s]
    if not said:
        return ""
    return (
        "Slope of vertebral kyphosis as read on that annotated (below 1: great angles are read too"
        f" small): {', '.join(said)}."
    )


def _second_block(values: Mapping[str, Any]) -> str:
    text = _SECOND.format(
        bodies=values["bodies"],
        films=values["films"],
        ours=values["found_by_ours_of_those"],
        theirs=values["found_by_other"],
    )
    by_key = {s.key: s for s in HEADLINE}
    both = values["other"]["figures"], values["ours"]["figures"]
    rows = [[by_key[k].label, *(cell(own[k], by_key[k].digits) for own in both)] for k in both[1]]
    same = {k: values[k]["same_level"] for k in ("other", "ours")}
    rows.append(
        [
            "bodies given the first reader's level",
            *(f"{same[k]['right']} of {same[k]['n']}" for k in ("other", "ours")),
        ]
    )
    return text + "\n" + table(["", "second reader", "ours"], rows)


def _parts(parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    out = []
    for title, rows in parts.items():
        head = [title, "films", "bodies", *(SHORT[s.key] for s in COLUMNS)]
        body = [
            [
                *(r["name"], str(r["films"]), str(r["bodies"])),
                *(short(r["figures"], s) for s in COLUMNS),
            ]
            for r in rows
        ]
        out.append(table(head, body))
    return out


def _coverage(coverage: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [label, *(cell(own.get(key), 1) for own in coverage.values())]
        for key, label in COVERED.items()
    ]
    return table(["90 % intervals that hold, %", *(_NAMES.get(g, g) for g in coverage)], rows)


def _both_coverages(values: Mapping[str, Any]) -> str:
    (shipped,) = values["coverage"].values()
    own = values.get("own_coverage", {})
    rows = [
        [
            label,
            cell(shipped.get(key), 1),
            cell(own[key]["figure"], 1) if key in own else "-",
            number(own[key]["factor"], 2) if key in own else "-",
        ]
        for key, label in COVERED.items()
    ]
    return table(["90 % intervals that hold, %", "as shipped", "refitted", "factor"], rows)


def _naming(bins: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{b['from']:g} to {b['to']:g}",
            str(b["films"]),
            f"{b['stated']:.2f}",
            f"{b['right'] / b['films']:.2f} ({b['right']})",
        ]
        for b in bins
    ]
    return table(["probability", "films", "mean stated", "share right (films)"], rows)


def _gate(gate: Mapping[str, Any]) -> str:
    own = gate["laterals"]
    others = {name: g for name, g in gate.items() if name != "laterals"}
    rows = [[name, str(g["films"]), _share(g), ">= 99 %"] for name, g in others.items()]
    rows.append(["annotated laterals", str(own["films"]), _share(own), "<= 2 %"])
    return (
        table(["films", "n", "rejected", "target"], rows)
        + f"\nOf the {own['films']} laterals {own['flagged']} are flagged,"
        f" {own['level_uncertain']} of them with `level_uncertain`.\n"
    )


def _share(own: Mapping[str, int]) -> str:
    return f"{own['rejected']} ({100 * own['rejected'] / max(own['films'], 1):.1f} %)"


def _flags(flags: Sequence[Mapping[str, Any]]) -> str:
    if not flags:
        return ""
    rows = [
        [
            *(f"`{f['code']}`", str(f["films"])),
            "-" if f["point_median"] is None else number(f["point_median"]["value"], 2),
        ]
        for f in flags
    ]
    return table(["reason of a flag", "films", "point error there, median, % of depth"], rows)
