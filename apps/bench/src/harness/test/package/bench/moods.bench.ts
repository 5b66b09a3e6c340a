// What the harness is tried on: cases that are right, wrong, unable and of a known length.
import type { Benchmark } from '@ashlar/conformance/benchmark';

const wait = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

export const benchmarks: Benchmark[] = [
  {
    suite: 'moods', name: 'moods', description: 'Waits.',
    parameters: { mood: ['right', 'wrong', 'unable'], ms: [5, 20] },
    when: ({ mood, ms }) => mood === 'right' || ms === 5,
    prepare({ mood, ms }) {
      if (mood === 'unable') throw new Error('no such library here');
      let calls = 0, enqueued = 0;
      return {
        work: { tokens: 10, bytes: 1e6 },
        check: () => { if (mood === 'wrong') throw new Error('3 is not 4'); },
        run: () => { calls++; enqueued += ms as number; },
        async synchronise() { await wait(enqueued); enqueued = 0; },
        figures: () => ({ calls, stateBytes: 2048 }),
      };
    },
    judge: (results) => [{ what: `${results.length} were timed`, holds: results.every(({ ms, parameters }) => ms >= (parameters['ms'] as number) * 0.8) }],
  },
  { suite: 'moods', name: 'ending', description: 'Ends its process.', parameters: {}, prepare: () => process.exit(3) },
];
