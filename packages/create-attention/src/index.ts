export { NameError, namesOf, type Names } from './names.js';
export { renamed, templateFiles } from './template.js';
export { createAttention, type CreatedAttention } from './create-attention.js';
