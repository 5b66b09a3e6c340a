import { basename } from 'node:path';

/** How this program was called, so that advice can be typed as it stands: `pnpm ashlar`, `npm run ashlar --`, `ashlar`. */
export function invocation(environment: NodeJS.ProcessEnv = process.env, script: string = process.argv[1] ?? ''): string {
  const { npm_lifecycle_event: event, npm_config_user_agent: agent = '' } = environment;
  if (event === 'ashlar') return agent.startsWith('pnpm') ? 'pnpm ashlar' : 'npm run ashlar --';
  if (event === 'start') return 'npm run ashlar --';
  return basename(script) === 'cli.js' ? `node ${script}` : 'ashlar';
}

/** A word as a shell takes it. */
export const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
