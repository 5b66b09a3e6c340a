import { main } from '../src/main.js';

/** Runs `ashlar` inside this process. */
export async function ashlar(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({ isTTY: false, columns: 80, write: (text: string) => { written[name] += text; return true; } });
  return { code: await main(words, { stdout: stream('stdout'), stderr: stream('stderr') }), ...written };
}
