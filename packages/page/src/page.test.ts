import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { figure, html, Markup, numbersTable, pageOf, Plot } from './index.js';

test('a page shows texts as they are, and keeps markup', () => {
  const { document } = parseHTML(pageOf('a <b>', html`<h1>${'1 < 2 & "so"'}</h1>${numbersTable(['x', 'y'], [['<i>', 3]])}${[new Markup('<p>kept</p>')]}`));
  expect(document.title).toBe('a <b>');
  expect(document.querySelector('h1')!.textContent).toBe('1 < 2 & "so"');
  expect([...document.querySelectorAll('tbody th, tbody td')].map(({ textContent }) => textContent)).toEqual(['<i>', '3']);
  expect(document.querySelectorAll('p')).toHaveLength(1);
  expect(document.querySelectorAll('script, link[rel=stylesheet]')).toHaveLength(0);
});

test('a figure is SVG with a label, a mark for each datum, in the colours of the page', () => {
  const { document } = parseHTML(figure({ label: 'two dots', marks: [Plot.dot([{ x: 1, y: 2 }, { x: 2, y: 3 }], { x: 'x', y: 'y', fill: 'var(--series-2)' })] }));
  const svg = document.querySelector('svg')!;
  expect(svg.getAttribute('aria-label')).toBe('two dots');
  expect(svg.querySelectorAll('circle')).toHaveLength(2);
  expect(svg.outerHTML).toContain('var(--series-2)');
});
