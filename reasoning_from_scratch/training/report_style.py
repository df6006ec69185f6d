"""The look of the report: one sheet, light and dark by the reader's choice.

System fonts alone, so nothing is fetched. Runs are told apart by Okabe and
Ito's colours, lifted a little on dark paper.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1c1d21; --soft: #5d6068;
  --line: #e3e0d8; --alarm: #a3341c; --alarm-paper: #fcf1ec;
  --calm: #2c6e49; --calm-paper: #eef6f0;
  --run0: #0072b2; --run1: #c77f00; --run2: #00835f; --run3: #c44e00;
  --run4: #b5568c; --run5: #2c8fc4; --run6: #8c6d31; --run7: #666666;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --card: #1b1e24; --ink: #e9e7e1; --soft: #a2a5ad;
    --line: #2f333b; --alarm: #ff9d80; --alarm-paper: #2b1d1a;
    --calm: #84d2a3; --calm-paper: #182620;
    --run0: #5bb2ec; --run1: #f0b440; --run2: #3fc79d; --run3: #ff8a4c;
    --run4: #e69cc5; --run5: #8fd0f5; --run6: #cbab69; --run7: #a9a9a9;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, Cantarell,
    "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1060px; margin: 0 auto; padding: 3.2rem 1.5rem 4rem; }
h1, h2 {
  font-family: Charter, "Bitstream Charter", "Sitka Text", Cambria,
    "Noto Serif", "DejaVu Serif", serif;
  font-weight: 600; line-height: 1.2; text-wrap: balance;
}
h1 { font-size: 2.1rem; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.35rem; margin: 3rem 0 1rem; }
h3 { font-size: .95rem; font-weight: 600; margin: 0; }
p { margin: 0 0 .8rem; max-width: 46rem; }
.soft { color: var(--soft); }
.small { font-size: .86rem; }
nav {
  position: sticky; top: 0; z-index: 1; background: var(--paper);
  display: flex; flex-wrap: wrap; gap: .3rem 1.3rem; padding: .7rem 0;
  border-bottom: 1px solid var(--line); margin: 1.6rem 0 0;
}
nav label { display: flex; align-items: center; gap: .45rem; cursor: pointer; }
nav input { color: inherit; accent-color: currentColor; margin: 0; }
.chip {
  display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem;
  background: currentColor; vertical-align: -.05rem;
}
.grid {
  display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr));
}
figure {
  margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; padding: .9rem 1rem .5rem;
}
figcaption { display: flex; justify-content: space-between; gap: 1rem; }
svg.panel { display: block; width: 100%; height: auto; margin-top: .3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td {
  padding: .5rem .8rem .5rem 0; text-align: right; white-space: nowrap;
}
th:first-child, td:first-child { text-align: left; }
thead th {
  color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line);
  vertical-align: bottom;
}
tbody tr + tr td { border-top: 1px solid var(--line); }
td small { display: block; color: var(--soft); font-size: .78rem; }
.notes {
  display: grid; gap: .8rem; align-items: stretch;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 28rem), 1fr));
}
.note {
  border-left: 3px solid var(--alarm); background: var(--alarm-paper);
  border-radius: 0 .5rem .5rem 0; padding: .75rem 1.1rem;
}
.note.calm { border-color: var(--calm); background: var(--calm-paper); }
.note p { margin: .15rem 0 0; }
.note h3 { color: var(--alarm); }
.note.calm h3 { color: var(--calm); }
details { border-top: 1px solid var(--line); padding: .5rem 0; }
details:last-of-type { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; font-weight: 600; padding: .25rem 0; }
.sample { margin: .8rem 0 1.4rem; }
.sample p { margin: 0 0 .35rem; }
pre {
  margin: 0; padding: .8rem 1rem; border-radius: .5rem; overflow: auto;
  max-height: 22rem; background: var(--card); border: 1px solid var(--line);
  font: .84rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas,
    "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere;
  unicode-bidi: isolate; direction: ltr;
}
.verdict {
  border: 1px solid currentColor; border-radius: 1rem;
  padding: 0 .55rem; font-size: .8rem; margin-left: .5rem;
}
.good { color: var(--calm); } .bad { color: var(--alarm); }
footer {
  margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line);
}
@media print { nav { display: none; } details > * { display: block; } }
"""
