import { parseHTML } from 'linkedom';
import * as Plot from '@observablehq/plot';

/** One chart as SVG text. Colours are the variables of the page's style, so that light and dark need no second drawing. */
export function figure(options: Plot.PlotOptions & { readonly label: string }): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const { label, ...rest } = options;
  const svg = Plot.plot({
    document: document as unknown as Document, width: 640, height: 240, marginLeft: 52, marginRight: 18, marginTop: 18, marginBottom: 34,
    style: { background: 'none', color: 'inherit', fontFamily: 'inherit', fontSize: '12px' }, ariaLabel: label, ...rest,
  });
  svg.setAttribute('role', 'img');
  return svg.outerHTML;
}

export { Plot };
