import { testBackend } from '@ashlar/conformance';
import { webgpu } from './index.js';

testBackend('webgpu', () => webgpu(), { thorough: false, programs: 6 });
