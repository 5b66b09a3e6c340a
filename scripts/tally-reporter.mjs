// A vitest reporter that writes what the last line of `npm test` needs, as JSON, to the file named by ASHLAR_TALLY.
import { writeFileSync } from 'node:fs';

/** @typedef {{ passed: number, failed: number, skipped: { name: string, reason: string }[] }} Tally */

export class TallyReporter {
  /**
   * @param {readonly import('vitest/node').TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    /** @type {Tally} */
    const tally = { passed: 0, failed: unhandledErrors.length, skipped: [] };
    for (const module of modules) {
      let failed = 0;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') tally.passed++;
        else if (result.state === 'failed') failed++;
        else tally.skipped.push({ name: `${module.relativeModuleId}: ${test.fullName}`, reason: (result.state === 'skipped' && result.note) || 'no reason given' });
      }
      tally.failed += module.ok() ? failed : Math.max(failed, 1);
    }
    writeFileSync(/** @type {string} */ (process.env.ASHLAR_TALLY), JSON.stringify(tally));
  }
}

// Vitest takes a reporter from a file by its default export alone.
export { TallyReporter as default };
