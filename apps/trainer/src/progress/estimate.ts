/** How long the rest will take: seconds a step over the last rows, evaluations and checkpoints included. */
export class RemainingTime {
  readonly #marks: { step: number; at: number }[] = [];

  /** @param now A clock, in seconds. */
  constructor(private readonly steps: number, step: number, private readonly now: () => number) {
    this.#marks.push({ step, at: now() });
  }

  /** Notes that `step` is done, and gives the seconds that remain; undefined before two marks. */
  reached(step: number): number | undefined {
    this.#marks.push({ step, at: this.now() });
    if (this.#marks.length > 200) this.#marks.splice(1, 1);
    const first = this.#marks[0]!, last = this.#marks.at(-1)!;
    return last.step === first.step ? undefined : ((last.at - first.at) / (last.step - first.step)) * (this.steps - last.step);
  }
}
