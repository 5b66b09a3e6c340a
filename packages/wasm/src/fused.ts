/** Fused operations: hand-written kernels, chosen by name. A third party's `defineFused({ kernels: { wasm } })` has the same shape as ours. */
import { fusedOps } from '@ashlar/tensor';
import type { FusedKernel, FusedRequest, Slot } from '@ashlar/tensor';
import { attentionKernel } from './attention.js';
import { attentionGradientKernel } from './attention-gradient.js';
import type { Code, FunctionBuilder, ModuleBuilder } from './encoder.js';

/** What a kernel's generator is given. */
export interface EmitContext {
  readonly module: ModuleBuilder;
  /** The function to fill: its parameters are the thread, that thread's working area, then one address a slot. */
  readonly f: FunctionBuilder;
  readonly kernel: FusedKernel;
  /** Threads that will run the function side by side, 0 … threads − 1. */
  readonly threads: number;
  readonly thread: Code;
  /** Address of the thread's own working area (see `scratchBytes`). */
  readonly scratch: Code;
  /** The address of a slot of the kernel, or of one that `slots` named. */
  address(slot: Slot): Code;
}

/** A fused operation's kernel on this backend. */
export interface WasmKernel {
  /** Whether this kernel can run such an operation. */
  when(request: FusedRequest): boolean;
  /** Bytes of each scratch slot that it needs from the plan. */
  scratch(request: FusedRequest, threads: number): number[];
  /** What `explain()` is to say of it; undefined: nothing. */
  note?(request: FusedRequest): string | undefined;
  /** Slots that the code reads besides inputs, outputs and scratch (those of expressions among the attributes). */
  slots?(kernel: FusedKernel): Slot[];
  /** Writes the function. */
  emit(context: EmitContext): void;
  /** Writes a second function, which runs when every thread is done with the first; undefined where there is none. */
  finish?(kernel: FusedKernel): ((context: EmitContext) => void) | undefined;
}

const builtIn: ReadonlyMap<string, WasmKernel> = new Map([['attention', attentionKernel], ['attentionGrad', attentionGradientKernel]]);

/** The kernel of a fused operation: its definition's own, or one of ours. */
export function fusedKernel(op: string): WasmKernel | undefined {
  return fusedOps().get(op)?.kernels?.['wasm'] as WasmKernel | undefined ?? builtIn.get(op);
}
