import { html, Markup } from './html.js';
import { style } from './style.js';

/** A whole page that fetches nothing and runs nothing: a title and what stands in `main`. */
export const pageOf = (title: string, main: Markup): string => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Markup(style)}</style>
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`.text;
