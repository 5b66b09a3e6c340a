import { testBackend } from '@ashlar/conformance';
import { openDevice } from './device.js';

testBackend('wasm, one thread, plain SIMD, poisoned memory', () => openDevice({ threads: 1, relaxedSimd: false, poison: true, divide: true }));
testBackend('wasm, three threads, poisoned memory', () => openDevice({ threads: 3, poison: true, divide: true }));
