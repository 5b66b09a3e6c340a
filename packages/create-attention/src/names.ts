/** What a variant may be called, and the forms of its name. */

/** A name that cannot be used; the message says what would do. */
export class NameError extends Error {
  override readonly name = 'NameError';
}

export interface Names {
  /** Of the npm package, with its scope: `@me/my-attention`. */
  readonly package: string;
  /** Of files: `my-attention`. */
  readonly file: string;
  /** Of the function and in configs: `myAttention`. */
  readonly camel: string;
  /** In the names of types: `MyAttention`. */
  readonly pascal: string;
}

const upper = (word: string): string => word[0]!.toUpperCase() + word.slice(1);

/** Whether strict code may declare a variable of that name. */
function isIdentifier(name: string): boolean {
  try {
    new Function(`'use strict'; const ${name} = 0;`);
    return true;
  } catch {
    return false;
  }
}

/**
 * The forms of a name in kebab-case, with a scope or without.
 * @throws {NameError} where it is none, or its camelCase form is a word of the language.
 */
export function namesOf(given: string): Names {
  const [, file] = /^(?:@[a-z0-9][a-z0-9._-]*\/)?([a-z][a-z0-9]*(?:-[a-z0-9]+)*)$/.exec(given) ?? [];
  if (file === undefined || given.length > 214) {
    const near = given.replace(/^@[^/]*\//, '').replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^[-0-9]+|-+$/g, '');
    throw new NameError(`the name must be lower-case words with hyphens between them, such as ${near || 'my-attention'}, got ${JSON.stringify(given)}`);
  }
  const [first, ...rest] = file.split('-'), camel = [first!, ...rest.map(upper)].join('');
  if (!isIdentifier(camel)) throw new NameError(`${JSON.stringify(camel)} is a word of JavaScript; choose another name, such as ${file}-attention`);
  return { package: given, file, camel, pascal: upper(camel) };
}
