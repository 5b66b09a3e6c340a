import type { Terminal } from './progress/progress.js';

/** What a command reads and writes. */
export interface Streams {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
}
