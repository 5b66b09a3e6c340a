/** The style of the report: one column of cards, in the reader's choice of light or dark. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #f6f5f2; --surface: #ffffff; --line: #e3e0d9; --text: #23211d; --muted: #77726a;
  --series-1: #2f6fb5; --series-2: #c2551f; --series-3: #2b8a6b; --series-4: #8254a8; --series-5: #a3852b; --series-6: #5b6b7a; --accent: #c2551f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #16171a; --surface: #1f2125; --line: #34373d; --text: #e9e7e2; --muted: #9a968e;
    --series-1: #6ea8e5; --series-2: #f09a5e; --series-3: #5cc4a0; --series-4: #bd94e0; --series-5: #d9bd62; --series-6: #a9b8c6; --accent: #f09a5e;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 48px 24px 64px; }
header p { margin: 4px 0 0; color: var(--muted); }
h1 { margin: 0; font-size: 30px; line-height: 1.2; letter-spacing: -0.015em; }
h2 { margin: 0 0 12px; font-size: 17px; letter-spacing: -0.005em; }
h3 { margin: 0 0 4px; font-size: 13px; font-weight: 600; color: var(--muted); }
section { margin-top: 20px; padding: 22px 24px; background: var(--surface); border: 1px solid var(--line); border-radius: 10px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin-top: 28px; }
.tile { padding: 14px 12px; background: var(--surface); border: 1px solid var(--line); border-radius: 10px; }
.tile .value { display: block; font-size: 17px; white-space: nowrap; font-weight: 600; letter-spacing: -0.01em; font-variant-numeric: tabular-nums; }
.tile .name { color: var(--muted); font-size: 13px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 24px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(360px, 1fr)); gap: 4px 36px; align-items: start; }
.wide { overflow-x: auto; }
.wide > svg { min-width: 560px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: center; margin-bottom: 8px; color: var(--muted); font-size: 13px; }
.legend .key::before { content: ""; display: inline-block; width: 18px; height: 3px; margin-right: 7px; vertical-align: middle; border-radius: 2px; background: var(--key); }
.switch { margin-left: auto; display: flex; border: 1px solid var(--line); border-radius: 7px; overflow: hidden; }
.switch label { padding: 2px 11px; cursor: pointer; }
.choice { position: absolute; opacity: 0; pointer-events: none; }
#linear:checked ~ .legend label[for="linear"], #log:checked ~ .legend label[for="log"] { background: var(--line); color: var(--text); }
.choice:focus-visible ~ .legend .switch { outline: 2px solid var(--series-1); }
#linear:checked ~ .on-log, #log:checked ~ .on-linear { display: none; }
pre { margin: 0; overflow-x: auto; font: 12.5px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
.sample { font: 15px/1.65 Georgia, "Iowan Old Style", "Noto Serif", "Liberation Serif", serif; white-space: pre-wrap; overflow-wrap: anywhere; }
.sample b { color: var(--accent); font-weight: 600; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
th { text-align: left; font-weight: 400; color: var(--muted); vertical-align: top; }
td, th { padding: 6px 0; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
td { text-align: right; overflow-wrap: anywhere; padding-left: 18px; }
.facts th, .numbers td { white-space: nowrap; overflow-wrap: normal; }
.numbers thead th { font-size: 12.5px; }
.numbers thead th + th { text-align: right; padding-left: 18px; }
section > h3:not(:first-of-type) { margin-top: 30px; }
section p { margin: 0 0 12px; }
section ul { margin: 12px 0 0; padding-left: 20px; }
details { margin-top: 14px; border-top: 1px solid var(--line); padding-top: 12px; }
summary { cursor: pointer; color: var(--muted); }
details pre { margin-top: 12px; }
footer { margin-top: 28px; color: var(--muted); font-size: 13px; }
@media print { body { background: #fff; } section, .tile { break-inside: avoid; } }
@media (max-width: 480px) { .columns { grid-template-columns: 1fr; } main { padding: 28px 14px; } section { padding: 18px 16px; } }
`;
