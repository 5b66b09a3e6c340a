// npm start: everything set up, then a small language model trained on Moby-Dick. Further arguments go to `ashlar train`.
import { join } from 'node:path';
import { setup } from './setup.mjs';
import { root, runScript, runVisibly } from './steps.mjs';

await runScript(async () => {
  const env = await setup();
  const cli = join(root, 'apps', 'trainer', 'dist', 'cli.js');
  return runVisibly(process.execPath, [cli, 'train', '--config', 'configs/moby-dick.json', ...process.argv.slice(2)], env);
});
