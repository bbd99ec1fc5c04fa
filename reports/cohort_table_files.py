"""Tables of a cohort as CSV, LaTeX and Word."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from endplate.reports.cohort_tables import CohortTable
from endplate.study.optional import optional

__all__ = ["csv_text", "latex_text", "write_word"]

#: Rows of a table that fit a page.
_PAGE_ROWS: Final = 45


def csv_text(table: CohortTable) -> str:
    """The table as CSV."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(table.head)
    writer.writerows(table.rows)
    return file.getvalue()


def latex_text(table: CohortTable) -> str:
    """The table for LaTeX with the rules of booktabs, in small type.

    A table that does not fit a page is a ``longtable``, which breaks and repeats its head.
    """
    columns = "l" * table.texts + "r" * (len(table.head) - table.texts)
    caption = rf"\caption{{{_tex(f'{table.caption}. {table.note}'.strip())}}}"
    label = rf"\label{{tab:{table.name}}}"
    head = [r"\toprule", " & ".join(_tex(c) for c in table.head) + r" \\", r"\midrule"]
    rows = [" & ".join(_tex(c) for c in row) + r" \\" for row in table.rows]
    if len(rows) > _PAGE_ROWS:
        begin = [r"\begingroup\footnotesize", rf"\begin{{longtable}}{{{columns}}}"]
        lines = [
            *begin,
            caption + label + r" \\",
            *head,
            r"\endfirsthead",
            *head,
            r"\endhead",
            r"\bottomrule",
            r"\endfoot",
            *rows,
            r"\end{longtable}",
            r"\endgroup",
        ]
    else:
        lines = [r"\begin{table}", r"\footnotesize", caption, label]
        lines += [rf"\begin{{tabular}}{{{columns}}}", *head, *rows, r"\bottomrule"]
        lines += [r"\end{tabular}", r"\end{table}"]
    packages = "booktabs, longtable" if len(rows) > _PAGE_ROWS else "booktabs"
    return "\n".join([f"% packages: {packages}", *lines]) + "\n"


def _tex(text: str) -> str:
    for plain, safe in (("\\", r"\textbackslash "), ("–", "--"), ("<", r"$<$"), (">", r"$>$")):
        text = text.replace(plain, safe)
    text = "".join("\\" + c if c in "&%#_{}" else c for c in text)
    # A minus, not a hyphen.
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", text)


def write_word(path: str | Path, tables: Sequence[CohortTable], paragraphs: Sequence[str]) -> None:
    """Write paragraphs and tables as a Word document.

    Raises
    ------
    MissingDependency
        Without python-docx.
    """
    docx = optional("docx", "stats", "a Word document")
    optional("docx.enum.section", "stats", "a Word document")
    document = docx.Document()
    # Tables of nine columns do not fit an upright page.
    page = document.sections[0]
    page.orientation = docx.enum.section.WD_ORIENT.LANDSCAPE
    page.page_width, page.page_height = page.page_height, page.page_width
    document.styles["Normal"].font.size = docx.shared.Pt(9)
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    for table in tables:
        document.add_heading(table.caption, level=2)
        grid = document.add_table(rows=1, cols=len(table.head), style="Light Grid Accent 1")
        _fill(grid.rows[0], table.head)
        for row in table.rows:
            _fill(grid.add_row(), row)
        if table.note:
            document.add_paragraph(table.note)
    document.save(str(path))


def _fill(row: object, texts: Sequence[str]) -> None:
    # Each access to `cells` builds them anew, which is slow.
    for cell, text in zip(row.cells, texts, strict=True):  # type: ignore[attr-defined]
        cell.text = text
