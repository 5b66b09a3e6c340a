import { testBackend } from '@ashlar/conformance';
import { webgpu } from './index.js';

testBackend('webgpu', () => webgpu({ adapter: 'swiftshader' }), { thorough: false, programs: 6 });
