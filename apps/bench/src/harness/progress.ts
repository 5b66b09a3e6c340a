/** A line on stderr that tells what is going on, where a person looks. */
export function progressLine(): { show(line: string): void; clear(): void } {
  const shown = process.stderr.isTTY === true;
  return {
    show: (line) => { if (shown) process.stderr.write(`\r\x1b[K${line}`); },
    clear: () => { if (shown) process.stderr.write('\r\x1b[K'); },
  };
}
