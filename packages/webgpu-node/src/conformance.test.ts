import { testBackend } from '@ashlar/conformance';
import { webgpu } from './index.js';

testBackend('webgpu', () => webgpu(), { casesPerPrimitive: 3, programs: 8 });
