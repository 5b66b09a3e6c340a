/** Bytes are not valid UTF-8. `offset` is that of the first byte of the first invalid sequence. */
export class InvalidUtf8Error extends Error {
  override readonly name = 'InvalidUtf8Error';
  constructor(readonly source: string, readonly offset: number, readonly byte: number | undefined) {
    const found = byte === undefined ? 'the text ends inside a character' : `byte 0x${byte.toString(16).toUpperCase().padStart(2, '0')} cannot stand there`;
    super(`${source}: invalid UTF-8 at byte ${offset}: ${found}; convert the file to UTF-8 (for example with iconv)`);
  }
}

/**
 * Finds where bytes that come in chunks are no UTF-8. It accepts exactly the well-formed sequences of the Unicode standard
 * (no surrogates, no overlong forms, at most U+10FFFF).
 */
export class Utf8Scanner {
  private offset = 0;
  private sequenceStart = 0;
  private pending = 0;
  private lowest = 0x80;
  private highest = 0xbf;

  /** @param source What the bytes come from, for the error. */
  constructor(private readonly source: string) {}

  /** Scans the next bytes. Throws `InvalidUtf8Error`. */
  push(chunk: Uint8Array): void {
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (this.pending > 0) {
        if (byte < this.lowest || byte > this.highest) throw new InvalidUtf8Error(this.source, this.sequenceStart, byte);
        this.lowest = 0x80;
        this.highest = 0xbf;
        this.pending--;
      } else if (byte >= 0x80) {
        this.sequenceStart = this.offset + i;
        this.begin(byte);
      }
    }
    this.offset += chunk.length;
  }

  /** Says that the text is over. Throws `InvalidUtf8Error` where it ends inside a character. */
  end(): void {
    if (this.pending > 0) throw new InvalidUtf8Error(this.source, this.sequenceStart, undefined);
  }

  private begin(byte: number): void {
    if (byte < 0xc2 || byte > 0xf4) throw new InvalidUtf8Error(this.source, this.sequenceStart, byte);
    this.pending = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.lowest = 0xa0;
    if (byte === 0xed) this.highest = 0x9f;
    if (byte === 0xf0) this.lowest = 0x90;
    if (byte === 0xf4) this.highest = 0x8f;
  }
}
