const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text for the inside of an element or attribute. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => entities[character]!);

/** Markup that is put in as it stands. */
export class Markup {
  constructor(readonly text: string) {}
}

/** `html` markup: values are escaped, save markup and lists of it. */
export function html(parts: TemplateStringsArray, ...values: readonly (string | number | Markup | readonly Markup[])[]): Markup {
  const shown = values.map((value) => {
    if (value instanceof Markup) return value.text;
    return Array.isArray(value) ? (value as readonly Markup[]).map(({ text }) => text).join('') : escapeHtml(String(value));
  });
  return new Markup(parts.reduce((all, part, i) => all + part + (shown[i] ?? ''), ''));
}

/** A table with names on the left and values on the right. */
export function factsTable(facts: readonly (readonly [string, string | number])[]): Markup {
  return html`<table class="facts"><tbody>${facts.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}</tbody></table>`;
}

/** A table with a head; every column but the first holds numbers. */
export function numbersTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): Markup {
  return html`<div class="wide"><table class="numbers"><thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead><tbody>${rows.map(([first, ...rest]) => html`<tr><th scope="row">${first!}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`;
}
