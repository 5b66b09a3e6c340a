import { join } from 'node:path';

/** Where packages of texts are looked up: beside the program, and from the current folder. */
export const lookUpFrom = [new URL(import.meta.url), join(process.cwd(), 'package.json')];
