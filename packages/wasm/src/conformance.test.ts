import { testBackend } from '@ashlar/conformance';
import { wasm } from './index.js';

testBackend('wasm, fused multiply-add, 2 threads', () => wasm({ threads: 2 }));
testBackend('wasm, plain SIMD, 1 thread', () => wasm({ threads: 1, relaxedSimd: false }), { programs: 20 });
