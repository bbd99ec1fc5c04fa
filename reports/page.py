"""The frame of the HTML report: one file, no scripts, nothing from elsewhere."""

from string import Template
from typing import Final

__all__ = ["PAGE", "PAGE_STYLE"]

#: Style sheet of all pages.
PAGE_STYLE: Final = """
:root { --ink: #1d232b; --soft: #5c6672; --rule: #dde2e8; --ground: #f4f6f8; --accent: #b06f00; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 40px; }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 16px;
  flex-wrap: wrap; margin-bottom: 14px; }
h1 { font-size: 22px; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 13px; letter-spacing: .06em; text-transform: uppercase; color: var(--soft);
  margin: 0 0 10px; }
.made { color: var(--soft); font-size: 13px; }
.status { border-radius: 8px; padding: 11px 16px; margin-bottom: 18px; color: #11151a;
  background: #d9efe6; border-left: 7px solid #009e73; }
.flagged { background: #fcf7cd; border-left-color: #e0c800; }
.rejected { background: #fbe0d0; border-left-color: #d55e00; }
.status ul { margin: 4px 0 0; padding-left: 20px; }
.status code { color: var(--soft); font-size: 12px; }
.two { display: grid; grid-template-columns: minmax(300px, 1fr) minmax(330px, 1fr); gap: 18px;
  align-items: start; }
.card { background: #fff; border: 1px solid var(--rule); border-radius: 10px; padding: 18px;
  margin-bottom: 18px; break-inside: avoid; }
.film { padding: 0; overflow: hidden; background: #12161c; }
.film img { display: block; width: 100%; height: auto; }
.index { font-size: 40px; font-weight: 700; line-height: 1; color: var(--accent); }
.why { color: var(--soft); font-size: 13px; margin: 2px 0 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; font-size: 12px; color: var(--soft); }
td, th { padding: 5px 9px 5px 0; border-bottom: 1px solid var(--rule); vertical-align: baseline; }
tr:last-child td { border-bottom: 0; }
td.n, th.n { text-align: right; white-space: nowrap; }
td.value { font-weight: 700; }
td small { display: block; color: var(--soft); font-size: 12px; }
tr.chosen td { background: #fff3dc; }
.wide { overflow-x: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
details summary { cursor: pointer; color: var(--soft); }
footer { color: var(--soft); font-size: 13px; border-top: 1px solid var(--rule);
  padding-top: 12px; }
@media (max-width: 760px) { .two { grid-template-columns: 1fr; } }
@media print {
  @page { margin: 12mm; }
  body { background: #fff; font-size: 11px; } main { padding: 0; max-width: none; }
  .card { border-color: #ccc; padding: 10px; margin-bottom: 10px; } .film { padding: 0; }
  .two { grid-template-columns: 1fr 1fr; } .index { font-size: 26px; }
  td, th { padding: 2px 6px 2px 0; }
  th, td small, .why, footer { font-size: 9px; line-height: 1.3; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details:not([open]) { display: none; }
}
"""

#: Every field is filled with text that is already escaped.
PAGE: Final = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title - endplate</title>
<style>"""
    + PAGE_STYLE.replace("$", "$$")
    + """</style>
</head>
<body>
<main>
<header><h1>$title</h1><span class="made">endplate, $created</span></header>
$status
<div class="two">
$film
<div>
$headline
$facts
</div>
</div>
$levels
$all
<footer>$disclaimer</footer>
</main>
</body>
</html>
"""
)
