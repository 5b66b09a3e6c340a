/** What of a preset may be given; the rest is as published. */
export interface Sizes {
  /** V */
  readonly vocabulary?: number;
  /** C */
  readonly width?: number;
  /** L, of each stack. */
  readonly depth?: number;
  /** H */
  readonly heads?: number;
  /** F */
  readonly hidden?: number;
  /** The longest sequence, in tokens. */
  readonly maxLength?: number;
}

/** Sizes of models whose heads share keys and values. */
export interface GroupedSizes extends Sizes {
  /** G */
  readonly kvHeads?: number;
  /** D */
  readonly headWidth?: number;
}
