import { Template } from '@huggingface/jinja';
import { textTokens, type Tokenizer } from '@ashlar/text';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** How a model is shown a conversation. */
export interface ChatFormat {
  /** The tokens of the conversation so far, up to where the next answer begins. */
  tokens(messages: readonly ChatMessage[]): Uint32Array;
  /** Texts that end an answer, beside the tokenizer's end tokens. */
  readonly stops: readonly string[];
}

const speakers = { system: 'System', user: 'User', assistant: 'Assistant' } as const;

/**
 * The format that a tokenizer's `tokenizer_config.json` gives as its `chat_template`, in Jinja. Without one a plain
 * transcript: `User: …`, an empty line, `Assistant:`.
 * @throws {Error} where the template cannot be read; its `tokens` throw where it refuses the messages.
 */
export function chatFormat(tokenizer: Tokenizer): ChatFormat {
  const json = tokenizer.toJSON(), config = (json.type === 'huggingFace' ? json.config ?? {} : {}) as Readonly<Record<string, unknown>>;
  if (typeof config.chat_template !== 'string') {
    const line = ({ role, content }: ChatMessage): string => `${speakers[role]}: ${content}\n\n`;
    return { tokens: (messages) => textTokens(tokenizer, `${messages.map(line).join('')}${speakers.assistant}:`), stops: [`\n${speakers.user}:`] };
  }
  const template = templateOf(config.chat_template), special = (name: string): string => {
    const token = config[name];
    return typeof token === 'string' ? token : (token as { content?: string } | null | undefined)?.content ?? '';
  };
  const tokens = { bos_token: special('bos_token'), eos_token: special('eos_token') };
  return { tokens: (messages) => tokenizer.encode(template.render({ messages, add_generation_prompt: true, ...tokens })), stops: [] };
}

function templateOf(source: string): Template {
  try {
    return new Template(source);
  } catch (error) {
    throw new Error(`the chat template of the tokenizer: ${(error as Error).message}`, { cause: error });
  }
}
