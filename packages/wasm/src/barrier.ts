/** The point where all threads of a run wait for each other. */
import { access, add, call, get, int, load, long, op, repeat, set, store, tee, when } from './code.js';
import type { Code, FunctionBuilder, ModuleBuilder } from './encoder.js';
import { control } from './layout.js';
import { plain } from './opcodes.js';

/** Polls before a thread sleeps: some tens of microseconds. */
const polls = 20_000;

/**
 * barrier(thread): returns when all `threads` have called it. Polls a bounded while, then sleeps; thread 0 only polls
 * where the host forbids it to sleep. Traps once any thread has failed.
 */
const barrierFunction = (module: ModuleBuilder, threads: number, mainMaySleep: boolean): FunctionBuilder => module.once('barrier', () =>
  module.define('barrier', ['i32'], [], (f) => {
    const generation = f.local('i32'), left = f.local('i32');
    const opened = (): Code => load('i32.atomic.load', int(control.opened));
    const stillClosed = (): Code => op('i32.eq', opened(), get(generation));
    const change = (name: 'i32.atomic.rmw.add' | 'i32.atomic.rmw.sub', at: number): Code => access(name, [int(at), int(1)]);
    /** One poll less; true while some are left. */
    const countDown: Code = op('i32.ne', tee(left, add(get(left), int(-1))), int(0));
    const poll: Code = [set(left, int(polls)), repeat([], op('i32.and', stillClosed(), countDown))];
    const sleep: Code = [
      change('i32.atomic.rmw.add', control.asleep), plain.drop,
      access('memory.atomic.wait32', [int(control.opened), get(generation), long(100_000_000)]), plain.drop,
      change('i32.atomic.rmw.sub', control.asleep), plain.drop,
    ];
    f.body.push(
      set(generation, opened()),
      when(op('i32.eq', change('i32.atomic.rmw.add', control.arrived), int(threads - 1)), [
        store('i32.atomic.store', int(control.arrived), int(0)),
        change('i32.atomic.rmw.add', control.opened), plain.drop,
        when(load('i32.atomic.load', int(control.asleep)), [access('memory.atomic.notify', [int(control.opened), int(-1)]), plain.drop]),
        op('return'),
      ]),
      poll,
      when(stillClosed(), repeat([
        when(load('i32.atomic.load', int(control.failed)), op('unreachable')),
        mainMaySleep ? sleep : when(get(f.param(0)), sleep, poll),
      ], stillClosed())),
    );
  }));

export const barrier = (module: ModuleBuilder, threads: number, mainMaySleep: boolean, thread: Code): Code =>
  call(barrierFunction(module, threads, mainMaySleep), thread);
