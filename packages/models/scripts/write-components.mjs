// Writes docs/components from the built package: pnpm --filter @ashlar/models components
import { writeFileSync } from 'node:fs';
import * as models from '@ashlar/models';
import { componentPages } from './component-pages.mjs';

for (const [name, text] of componentPages(models)) writeFileSync(new URL(`../../../docs/components/${name}`, import.meta.url), text);
