"""The style sheet of the report: light or dark as the reader has it, and light on paper."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --raised: #f5f6f8; --ink: #1b1f24; --quiet: #5b6470;
  --line: #dde1e6; --a: #0b6bcb; --b: #c2570c; --good: #1a7f4b; --bad: #c62f3b; --warn: #a86400; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --raised: #1e2227; --ink: #e8eaed;
  --quiet: #9ba4af; --line: #333941; --a: #5ab0ff; --b: #ff9a52; --good: #52c98a; --bad: #ff7b84;
  --warn: #e8b04b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 68rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.75rem 0 0.75rem; }
h3 { font-size: 0.95rem; margin: 1.25rem 0 0.5rem; }
p { margin: 0.3rem 0 0.9rem; max-width: 46rem; } .quiet { color: var(--quiet); }
.a { color: var(--a); } .b { color: var(--b); } .good { color: var(--good); } .bad { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 0.75rem;
  margin: 1.5rem 0 0; }
.tile { background: var(--raised); border-radius: 10px; padding: 0.8rem 1rem; break-inside: avoid; }
.tile span { display: block; color: var(--quiet); font-size: 0.8rem; }
.tile b { font-size: 1.5rem; font-weight: 600; line-height: 1.3; }
.tile small { display: block; font-size: 0.8rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(21rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; break-inside: avoid; } figcaption { font-weight: 600; font-size: 0.9rem; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--quiet); font-size: 11px; }
.grid { stroke: var(--line); stroke-width: 1; } .curve { fill: none; stroke-width: 2;
  stroke-linejoin: round; }
.keys { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; font-size: 0.85rem; padding: 0.3rem 0 0.4rem; }
.keys i { display: inline-block; width: 1.3rem; height: 0; border-top: 3px solid; margin-right: 0.4rem;
  vertical-align: 0.25em; } .keys i.dashed { border-top-style: dashed; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.87rem; }
th, td { padding: 0.28rem 0.65rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--quiet); font-weight: 500; } th:first-child, td:first-child { text-align: left; }
table.full { width: 100%; } td.name { max-width: 16rem; overflow: hidden; text-overflow: ellipsis; }
tr { break-inside: avoid; } thead { display: table-header-group; }
.bar { display: block; width: 8rem; height: 0.55rem; border-radius: 3px; background: var(--line);
  overflow: hidden; margin: 0.15rem 0; } .bar i { display: block; height: 100%; background: currentColor; }
.matrix th, .matrix td { padding: 0.25rem 0.45rem; border: 1px solid var(--paper); text-align: center; }
.matrix tbody th { text-align: right; max-width: 12rem; overflow: hidden; text-overflow: ellipsis; }
.matrix thead th { max-height: 8rem; writing-mode: vertical-rl;
  transform: rotate(180deg); overflow: hidden; text-overflow: ellipsis; text-align: left; }
.matrix td { background: var(--raised); min-width: 2.4rem; }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.1rem; }
.case svg { border-radius: 8px; background: var(--raised); aspect-ratio: 4 / 3; }
.case figcaption { font-weight: 400; font-size: 0.82rem; line-height: 1.4; padding-top: 0.35rem;
  overflow-wrap: anywhere; }
.hit { stroke: #35d07f; } .miss { stroke: #ffb02e; stroke-dasharray: 5 3; } .alarm { stroke: #ff4d5e; }
.under { stroke: #000; stroke-opacity: 0.55; } .mark { fill: none; vector-effect: non-scaling-stroke; }
footer { margin-top: 3rem; color: var(--quiet); font-size: 0.82rem; }
@media print { :root { color-scheme: light; --paper: #fff; --raised: #f5f6f8; --ink: #000; --quiet: #444;
  --line: #ccc; --a: #0b5cb0; --b: #b04a06; --good: #146c3f; --bad: #b02530; }
  body { padding: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; }
  .cases { grid-template-columns: repeat(3, 1fr); } .wide { overflow: visible; }
  .matrix { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
