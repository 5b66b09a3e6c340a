export { figure, Plot } from './figure.js';
export { escapeHtml, factsTable, html, Markup, numbersTable } from './html.js';
export { pageOf } from './page.js';
