/** Configs of models that are known by name, each a function of its sizes; what is not given is as published. */
import { bart } from './presets/bart.js';
import { bert } from './presets/bert.js';
import { bigBird } from './presets/big-bird.js';
import { distilBert } from './presets/distil-bert.js';
import { gemma3 } from './presets/gemma-3.js';
import { gpt2 } from './presets/gpt-2.js';
import { linearHybrid } from './presets/linear-hybrid.js';
import { llama3 } from './presets/llama-3.js';
import { longformer } from './presets/longformer.js';
import { mistral } from './presets/mistral.js';
import { modernBert } from './presets/modern-bert.js';
import { nanoGpt } from './presets/nano-gpt.js';
import { qwen3 } from './presets/qwen-3.js';
import { roberta } from './presets/roberta.js';
import { t5 } from './presets/t5.js';

export const presets = { gpt2, nanoGpt, llama3, qwen3, mistral, gemma3, bert, roberta, modernBert, distilBert, longformer, bigBird, t5, bart, linearHybrid } as const;
export type PresetName = keyof typeof presets;
