/** A step of a `tokenizer.json`: a normalizer, or what cuts a text into words. */
export interface FormPart {
  readonly type: string;
  readonly use_regex?: boolean;
  readonly add_prefix_space?: boolean;
  readonly prepend?: string;
  readonly content?: string;
  readonly pattern?: { readonly String?: string; readonly Regex?: string };
  readonly behavior?: string;
  readonly invert?: boolean;
  readonly replacement?: string;
  readonly split?: boolean;
  readonly prepend_scheme?: string;
  readonly strip_left?: boolean;
  readonly normalizers?: readonly FormPart[];
  readonly pretokenizers?: readonly FormPart[];
}

/** What a `tokenizer.json` says of where a text is cut. */
export interface TokenizerForm {
  readonly normalizer?: FormPart | null;
  readonly pre_tokenizer?: FormPart | null;
  readonly added_tokens?: readonly { readonly content: string; readonly lstrip?: boolean; readonly rstrip?: boolean }[];
  readonly model?: {
    readonly type?: string;
    readonly fuse_unk?: boolean;
    readonly ignore_merges?: boolean;
    /** Of Unigram: pieces with their scores. */
    readonly vocab?: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
  };
}

/** The steps of a normalizer or pre-tokenizer, in order. */
export const partsOfForm = (part: FormPart | null | undefined): readonly FormPart[] => (part === null || part === undefined ? [] : (part.normalizers ?? part.pretokenizers)?.flatMap(partsOfForm) ?? [part]);

/** Whether no added token has blanks or takes those beside it. */
export const hasOrdinaryAddedTokens = ({ added_tokens = [] }: TokenizerForm): boolean => added_tokens.every(({ content, lstrip, rstrip }) => !lstrip && !rstrip && !/\s/.test(content));

/** Normalizers that change each character by itself, or with those beside it that are no blanks. */
const localNormalizers: readonly string[] = ['BertNormalizer', 'Lowercase', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Precompiled', 'StripAccents'];
export const normalizesLocally = ({ normalizer }: TokenizerForm): boolean => partsOfForm(normalizer).every(({ type }) => localNormalizers.includes(type));

/** Whether words begin with the blanks before them, and each is looked at by itself: SentencePiece's way, such as T5's. */
export function isOfBlankWords(form: TokenizerForm): boolean {
  const [metaspace, ...others] = partsOfForm(form.pre_tokenizer);
  return metaspace?.type === 'Metaspace' && others.length === 0 && metaspace.split !== false && (metaspace.replacement ?? '\u2581') === '\u2581' && hasOrdinaryAddedTokens(form)
    && partsOfForm(form.normalizer).every(({ type, strip_left, pattern }) => localNormalizers.includes(type) || (type === 'Strip' && !strip_left) || (type === 'Replace' && pattern?.Regex === ' {2,}'));
}

/** Such words of a text: each begins with all of the spaces before it. */
export const blankWords = (text: string): string[] => text.split(/(?<=\S)(?= )/);
