/** Elements of slots as WGSL: loads and stores, with the conversion between what memory holds and what shaders compute with. */
import type { DType } from '@ashlar/tensor';
import type { SlotAccess } from './bindings.js';
import { typeName, type ValueType } from './emitter.js';

/** What a shader computes with: halves are widened, bool is WGSL's own. */
export const valueType = (dtype: DType): ValueType => (dtype === 'f16' ? 'f32' : dtype);

/** Brackets, but around a name or number. */
export const wrap = (text: string): string => (/^\w+$/.test(text) ? text : `(${text})`);

const plus = (access: SlotAccess, at: string): string => (access.first === 0 ? at : /^\d+$/.test(at) && typeof access.first === 'number' ? String(Number(at) + access.first) : `${wrap(at)} + ${access.first}`);

/** Converts between what the binding holds and what the shader computes with. */
function fromMemory(access: SlotAccess, text: string, varies: boolean): string {
  const { element } = access.binding, { dtype } = access, type = valueType(dtype);
  if (dtype === 'bool') return `${text} != ${varies ? 'vec4<u32>(0u)' : '0u'}`;
  if (dtype === 'f16') return `${typeName('f32', varies)}(${text})`;
  return element === type ? text : `bitcast<${typeName(type, varies)}>(${text})`;
}

function toMemory(access: SlotAccess, text: string, varies: boolean): string {
  const { element } = access.binding, { dtype } = access;
  if (dtype === 'bool') return varies ? `select(vec4<u32>(0u), vec4<u32>(1u), ${text})` : `select(0u, 1u, ${text})`;
  if (dtype === 'f16') return `${varies ? 'vec4<f16>' : 'f16'}(${text})`;
  return element === dtype ? text : `bitcast<${varies ? `vec4<${element}>` : element}>(${text})`;
}

/** One element, as a value of the shader. */
export function loadScalar(access: SlotAccess, at: string): string {
  const index = plus(access, at);
  const element = access.binding.vector ? component(access.binding.name, index) : `${access.binding.name}[${index}]`;
  return fromMemory(access, element, false);
}

const component = (name: string, index: string): string =>
  (/^\d+$/.test(index) ? `${name}[${Number(index) >> 2}].${'xyzw'[Number(index) & 3]}` : `${name}[${wrap(index)} >> 2u][${wrap(index)} & 3]`);

/** Four elements from `at`, a multiple of 4; the binding must be one of vectors. */
export function loadVector(access: SlotAccess, at: string): string {
  return fromMemory(access, `${access.binding.name}[${quarter(plus(access, at))}]`, true);
}

export function storeScalar(access: SlotAccess, at: string, value: string): string {
  const index = plus(access, at);
  const element = access.binding.vector ? component(access.binding.name, index) : `${access.binding.name}[${index}]`;
  return `${element} = ${toMemory(access, value, false)};`;
}

export function storeVector(access: SlotAccess, at: string, value: string): string {
  return `${access.binding.name}[${quarter(plus(access, at))}] = ${toMemory(access, value, true)};`;
}

/** The vec4 number `quarter` of the slot. */
export function loadQuarter(access: SlotAccess, index: string): string {
  if (typeof access.first !== 'number') throw new Error('internal: a vector load through a moving window');
  return fromMemory(access, `${access.binding.name}[${access.first === 0 ? index : `${wrap(index)} + ${access.first / 4}`}]`, true);
}

const quarter = (index: string): string => (/^\d+$/.test(index) ? String(Number(index) >> 2) : `${wrap(index)} >> 2u`);
