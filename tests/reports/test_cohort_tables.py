"""Tables of a cohort and small charts."""

import csv
import io
import math

import numpy as np
import pytest

from endplate.errors import MissingDependency
from endplate.reports.cohort_table_files import csv_text, latex_text, write_word
from endplate.reports.cohort_tables import CohortTable, cohort_tables
from endplate.reports.page_plain import safe, table
from endplate.reports.svg_chart import SvgChart, round_ticks
from endplate.study.clinical import ClinicalRow
from endplate.study.cohort import Cohort
from endplate.study.optional import optional


@pytest.fixture
def cohort():
    people = tuple(
        ClinicalRow(
            f"S{i}",
            age=30.0 + 2 * i,
            sex="FM"[i % 2],
            index_level="L1",
            technique="kyphoplasty",
            cement="acrylic" if i > 4 else "calcium_phosphate",
            leak=i == 0,
        )
        for i in range(10)
    )
    values = np.arange(20.0).reshape(10, 2)
    values[3, 1] = math.nan
    names = {"vertebral_kyphosis_deg": values}
    return Cohort(people, ("pre", "post"), names, {m: v * 0 + 1 for m, v in names.items()}, ())


def test_tables(cohort):
    tables = {t.name: t for t in cohort_tables(cohort, None)}
    assert set(tables) == {"baseline", "flow", "values", "confounding"}
    baseline = {row[0]: row for row in tables["baseline"].rows}
    assert baseline["Age, years"][1] == "39.0 (6.1; 30 to 48)"
    assert baseline["Cement leak"][1] == "1 (10 %)"
    (row,) = [r for r in tables["values"].rows if r[1:3] == ("All", "post")]
    assert row[3] == "9 (1)"
    # Ages 30 to 38 and 40 to 48: ten years apart, with a standard deviation of sqrt(10).
    assert tables["confounding"].rows[1][3] == f"{10 / math.sqrt(10):.2f}"
    assert "no cause is claimed" in tables["confounding"].note


def test_table_formats():
    made = CohortTable("t", "A & B", ("x", "p_1"), (("50 %, 'a\"b", "< 0.001"),), 1, "n = 3")
    assert list(csv.reader(io.StringIO(csv_text(made))))[1] == ["50 %, 'a\"b", "< 0.001"]
    text = latex_text(made)
    assert r"A \& B" in text
    assert r"p\_1" in text
    assert r"50 \%" in text
    assert r"$<$ 0.001" in text
    assert r"\begin{tabular}{lr}" in text
    long = latex_text(CohortTable("t", "Long", ("x", "y"), (("a", "-1.5 (-2 to 1)"),) * 50))
    assert long.count(r"\begin{longtable}{lr}") == long.count(r"\end{longtable}") == 1
    assert r"$-$1.5 ($-$2 to 1)" in long
    assert long.count(r"\toprule") == 2


def test_word(tmp_path):
    docx = pytest.importorskip("docx")
    made = CohortTable("t", "Numbers", ("x", "y"), (("a", "1"), ("b", "2")), note="n = 2")
    write_word(tmp_path / "t.docx", [made], ["One sentence."])
    document = docx.Document(str(tmp_path / "t.docx"))
    assert [p.text for p in document.paragraphs] == ["One sentence.", "Numbers", "n = 2"]
    assert [c.text for c in document.tables[0].rows[2].cells] == ["b", "2"]
    assert document.sections[0].page_width > document.sections[0].page_height


def test_pages_are_safe():
    assert "<script>" not in table(["<script>"], [["<script>"]])
    assert safe('a"<b>\x00') == "a&quot;&lt;b&gt;\ufffd"
    drawing = SvgChart((0, 1), (0, 1), "<b>&").svg()
    assert "<b>" not in drawing


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(0, 10, [0, 2, 4, 6, 8, 10]), (-3.2, 4.1, [-2, 0, 2, 4])]
)
def test_ticks_are_round(low, high, ticks):
    assert round_ticks(low, high) == ticks


def test_a_missing_package_names_its_extra():
    with pytest.raises(MissingDependency, match=r"endplate\[stats\]"):
        optional("no_such_package", "stats", "a test")
