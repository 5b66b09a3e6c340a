import { createInterface } from 'node:readline';
import { chatFormat, decoded, untilStop, writer, type ChatMessage, type ReadableModel, type WritingOptions } from '@ashlar/generate';
import type { Device } from '@ashlar/tensor';
import { UnknownCharacterError, type Tokenizer } from '@ashlar/text';

export interface ChatOptions {
  readonly model: ReadableModel;
  readonly context: number;
  readonly tokenizer: Tokenizer;
  readonly device: Device;
  readonly options: WritingOptions;
  /** Texts that end an answer, beside those of the format. */
  readonly stop: readonly string[];
  readonly system: string | undefined;
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/**
 * Talks in a terminal, line by line, until the input ends or `/exit`. `/new` forgets what was said. An interruption ends the
 * answer under way; at the prompt it ends the talk. Where a conversation outgrows the context, its oldest lines are left out.
 */
export async function chat({ model, context, tokenizer, device, options, stop, system, input, output }: ChatOptions): Promise<void> {
  const format = chatFormat(tokenizer), one = writer({ model, device, context }), lines = createInterface({ input, output, terminal: output.isTTY === true, prompt: output.isTTY ? '> ' : '' });
  const opening: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  let said: ChatMessage[] = [], answering: AbortController | undefined;
  lines.on('SIGINT', () => {
    if (answering) answering.abort(new Error('interrupted'));
    else lines.close();
  });
  /** The tokens of the conversation, without its oldest lines where there is no room to answer. */
  const tokensOf = (): Uint32Array => {
    for (;;) {
      const tokens = format.tokens([...opening, ...said]);
      if (said.length === 1 || tokens.length + Math.min(options.maxTokens, context >> 2) <= context) return tokens;
      said = said.slice(said[1]?.role === 'assistant' ? 2 : 1);
    }
  };
  try {
    lines.prompt();
    for await (const line of lines) {
      if (line === '/exit') break;
      if (line === '/new') said = [];
      else if (line.trim() !== '') {
        said.push({ role: 'user', content: line });
        answering = new AbortController();
        let answer = '', isKnown = true;
        try {
          const tokens = tokensOf(), drawn = one.write(tokens, { ...options, overflow: 'slide', signal: answering.signal });
          for await (const piece of untilStop(decoded(drawn, tokenizer, tokens), [...format.stops, ...stop])) {
            output.write(answer === '' ? piece.trimStart() : piece);
            answer += piece;
          }
        } catch (error) {
          if (error instanceof UnknownCharacterError) {
            output.write(error.message);
            said.pop();
            isKnown = false;
          } else if (!answering.signal.aborted) throw error;
        }
        output.write('\n');
        if (isKnown) said.push({ role: 'assistant', content: answer.trim() });
        answering = undefined;
      }
      lines.prompt();
    }
  } finally {
    lines.close();
    one.release();
  }
}
