export { backendChecks, testBackend, type BackendCheck, type TestBackendOptions } from './backend.js';
export { attentionChecks, testAttention, type AttentionCheck, type AttentionReferenceInput, type Rows, type TestAttentionOptions } from './attention.js';
export { primitiveCases, type PrimitiveCase } from './primitives.js';
export { passSwitches, programs, runProgram, type Instruction, type Program } from './random-graph.js';
export { finiteDifferences, worstDerivative, type DirectionalDerivative, type FiniteDifferenceOptions } from './finite-differences.js';
