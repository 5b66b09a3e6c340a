import { decisive, differences, resolveConfig, resolveConfigFile, type ConfigChoices, type ResolvedConfig } from '../config/resolve.js';
import { exitCodes, Failure } from '../failure.js';
import { createRunFolder, newestUnfinished, readJson, runFolder, runName, stateOf, type RunFolder } from '../run-folder.js';

export interface StartOptions extends ConfigChoices {
  readonly config?: string;
  readonly out?: string;
  readonly resume: boolean;
}

/** Which config is trained, and where. */
export interface Start {
  readonly config: ResolvedConfig;
  /** The run to go on with; undefined for a new one, whose folder is made by `createFolder`. */
  readonly resumed?: RunFolder;
  createFolder(): RunFolder;
}

/** Reads the config, or that of the run to go on with. Throws a Failure with exit code 2 where that is not possible. */
export function planStart(options: StartOptions): Start {
  const written = options.config === undefined ? undefined : resolveConfigFile(options.config, options);
  const resumed = options.resume ? runToResume(options) : undefined;
  if (resumed === undefined) {
    if (written === undefined) throw new Failure(exitCodes.usage, 'train needs a config: --config FILE (to go on with a run: --resume --out DIR)');
    if (options.out !== undefined) refuseUsed(options.out, options.resume);
    return { config: written, createFolder: () => createRunFolder(written.name, options.out, new Date()) };
  }
  const stored = readJson(resumed.config) as Readonly<Record<string, unknown>>;
  const config = resolveConfig(stored, { set: [] }, resumed.config);
  const wanted = written ?? resolveConfig(stored, options, resumed.config);
  const changed = differences(decisive(config), decisive(filledFrom(config, wanted)));
  if (changed.length > 0) {
    throw new Failure(exitCodes.usage, `--resume: ${resumed.shownPath} was begun with another config: ${changed.join('; ')}. Leave the changes out, or begin a new run with another --out`);
  }
  const { source = config.data.source } = wanted.data;
  const continued: ResolvedConfig = { ...config, ...(wanted.sample ? { sample: wanted.sample } : {}), data: { ...config.data, ...(source === undefined ? {} : { source }) } };
  return { config: continued, resumed, createFolder: () => resumed };
}

/** What the data decided when the run began, where the config that is wanted leaves it to them. */
function filledFrom({ model, data }: ResolvedConfig, wanted: ResolvedConfig): ResolvedConfig {
  const own = model as { head?: object; sourceVocabulary?: number }, asked = wanted.model as typeof own;
  return {
    ...wanted, data: { ...data, ...wanted.data },
    model: {
      ...wanted.model, vocabulary: wanted.model.vocabulary ?? model.vocabulary,
      ...(own.head && asked.head ? { head: { ...('classes' in own.head ? { classes: own.head.classes } : {}), ...asked.head } } : {}),
      ...(own.sourceVocabulary === undefined ? {} : { sourceVocabulary: asked.sourceVocabulary ?? own.sourceVocabulary }),
    } as ResolvedConfig['model'],
  };
}

function runToResume({ out, config }: StartOptions): RunFolder | undefined {
  if (out === undefined) {
    if (config === undefined) throw new Failure(exitCodes.usage, '--resume needs --out DIR, the folder of the run, or --config FILE, whose newest unfinished run in runs/ is then taken');
    const found = newestUnfinished(runName(config));
    if (found === undefined) throw new Failure(exitCodes.usage, `--resume: there is no unfinished run of ${runName(config)} in runs/; leave --resume out to begin one`);
    return found;
  }
  const run = runFolder(out), state = stateOf(run);
  if (state === 'unfinished') return run;
  if (state === 'finished') throw new Failure(exitCodes.usage, `--resume: the run in ${out} is finished; its report is ${run.report}`);
  if (state === 'other') throw new Failure(exitCodes.usage, `--resume: ${out} holds no run; give the folder of one by --out`);
  if (config === undefined) throw new Failure(exitCodes.usage, `--resume: there is no run in ${out}; give a --config to begin one there`);
  return undefined;
}

/** Fails early, before a text is read, where a new run cannot have the folder. */
function refuseUsed(out: string, resume: boolean): void {
  const state = stateOf(runFolder(out));
  if (!resume && (state === 'unfinished' || state === 'finished' || state === 'other')) createRunFolder('run', out, new Date());
}
