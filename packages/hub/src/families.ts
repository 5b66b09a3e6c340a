import { bart } from './families/bart.js';
import { bert } from './families/bert.js';
import { distilbert } from './families/distilbert.js';
import type { Family } from './families/family.js';
import { gpt2 } from './families/gpt2.js';
import { llama } from './families/llama.js';
import { mistral } from './families/mistral.js';
import { qwen2 } from './families/qwen2.js';
import { qwen3 } from './families/qwen3.js';
import { roberta } from './families/roberta.js';
import { t5 } from './families/t5.js';

/** Every family that this package reads and writes, by its `model_type`. A model goes out as the first that has it. */
export const families: Readonly<Record<string, Family>> = Object.fromEntries([gpt2, llama, mistral, qwen2, qwen3, bert, roberta, distilbert, t5, bart].map((family) => [family.name, family]));
