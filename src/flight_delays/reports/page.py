"""A page that is one file: its style inside, no script, nothing fetched from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --muted: #59636e;
  --line: #d8dee4; --panel: #f6f8fa; --good: #1a7f37; --bad: #c62334; --first: #0a5cc2;
  --second: #b45309; --third: #7c3aed; }
@media (prefers-color-scheme: dark) { :root { --paper: #12161c; --ink: #e6eaef;
  --muted: #9aa5b1; --line: #303842; --panel: #1a2029; --good: #46b866; --bad: #ff6b6b;
  --first: #6cb0ff; --second: #f2a65a; --third: #b794ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 3rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; }
p { margin: .4rem 0; max-width: 46rem; overflow-wrap: anywhere; }
.plots + .wide, .plots + p { margin-top: .75rem; }
.muted, figcaption + svg .axis { color: var(--muted); }
.verdict { border: 1px solid var(--line); border-left: .5rem solid var(--good);
  background: var(--panel); padding: .75rem 1rem; margin: 1rem 0; overflow-wrap: anywhere; }
.verdict.failed { border-left-color: var(--bad); }
.verdict strong { font-size: 1.25rem; color: var(--good); }
.verdict.failed strong { color: var(--bad); }
.plots { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
figure { margin: 0; padding: .75rem; border: 1px solid var(--line); border-radius: .5rem;
  max-width: 36rem; }
figcaption { font-weight: 600; font-size: .9rem; margin-bottom: .4rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--muted); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--line); } .bound { stroke: var(--ink); stroke-width: 1.5; }
.bound { stroke-dasharray: 3 2; } .track { fill: var(--line); }
.plain { fill: var(--first); } .good { fill: var(--good); } .bad { fill: var(--bad); }
.mark { opacity: .7; } .line { fill: none; stroke-width: 2; } .line.faint { stroke: var(--muted); }
.line.faint { stroke-dasharray: 4 3; } .line.first { stroke: var(--first); }
.line.second { stroke: var(--second); } .line.third { stroke: var(--third); }
.mark.first { fill: var(--first); } .mark.second { fill: var(--second); }
.mark.third { fill: var(--third); } .mark.faint { fill: var(--muted); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0;
  margin: .5rem 0 0; font-size: .8rem; color: var(--muted); }
.legend i { display: inline-block; width: .8rem; height: .2rem; margin-right: .4rem;
  vertical-align: middle; background: var(--muted); }
.legend .first { background: var(--first); } .legend .second { background: var(--second); }
.legend .third { background: var(--third); }
.meter { width: 7.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; }
.checks { width: 100%; }
th, td { text-align: left; padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--muted); font-weight: 600; white-space: nowrap; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; }
td.name { overflow-wrap: anywhere; }
.ok { color: var(--good); } .failed-check { color: var(--bad); font-weight: 700; }
code, pre { font: .85em/1.5 ui-monospace, monospace; background: var(--panel); }
pre { padding: .75rem; overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
@media (max-width: 40rem) {
  .checks thead { display: none; }
  .checks tr { display: grid; grid-template-columns: 4.5rem 1fr; padding: .5rem 0;
    border-bottom: 1px solid var(--line); }
  .checks td { border: 0; padding: .1rem 0; text-align: left; }
  .checks td.detail, .checks td.plot { grid-column: 2; }
  .checks td.figure, .checks td:empty { display: none; }
}
"""


def write_page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page; the parts are HTML already, the title is not."""
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def write_section(title: str, *parts: str) -> str:
    """Return a section under a heading; the parts are HTML already."""
    return f"<section><h2>{escape(title)}</h2>\n{''.join(parts)}</section>"


def write_paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def write_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of plain texts; every column but the first holds figures."""

    def write_row(tag: str, cells: Sequence[str]) -> str:
        opening = [f"<{tag}>", *[f'<{tag} class="figure">'] * (len(cells) - 1)]
        return "".join(
            f"{start}{escape(cell)}</{tag}>" for start, cell in zip(opening, cells, strict=True)
        )

    body = "".join(f"<tr>{write_row('td', row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{write_row("th", heads)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def write_plots(*plots: str) -> str:
    """Return plots side by side where there is room."""
    return f'<div class="plots">{"".join(plots)}</div>'
