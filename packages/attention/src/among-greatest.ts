/** Which of a row's values are among its greatest, exactly. */
import { ShapeError, defineFused, ones, where, zeros, type Tensor } from '@ashlar/tensor';

const top = 0x80000000;

const apply = defineFused<{ readonly count: number }>({
  name: 'amongGreatest',
  outputs: ([values], { count }) => {
    const width = values?.shape.at(-1);
    if (width === undefined || values!.dtype !== 'f32' || !(Number.isInteger(count) && count >= 1)) throw new ShapeError(`amongGreatest takes f32 [..., N] and a count from 1, got ${values?.dtype} [${values?.shape.join(', ')}] and ${count}`);
    return [{ shape: values!.shape, dtype: 'f32' }];
  },
  // The bits of the last that counts are found from the highest to the lowest, each by counting: 32 passes, whatever the count.
  reference: ([values], { count }) => {
    if (count >= values!.shape.at(-1)!) return [ones(values!.shape)];
    const bits = values!.bitcast('u32'), ordered = where(bits.ge(top), bits.not(), bits.or(top)); // greater numbers have greater bits
    let last = zeros([...values!.shape.slice(0, -1), 1], 'u32');
    for (let bit = 31; bit >= 0; bit--) {
      const candidate = last.or(2 ** bit);
      last = where(ordered.ge(candidate).cast('i32').sum(-1, { keepDims: true }).ge(count), candidate, last);
    }
    return [ordered.ge(last).cast('f32')];
  },
  vjp: () => [undefined],
  tolerance: { f32: 0 },
  cases: [{ inputs: [{ shape: [5, 7] }], attributes: { count: 1 } }, { inputs: [{ shape: [2, 3, 33] }], attributes: { count: 4 } }, { inputs: [{ shape: [3, 9] }], attributes: { count: 9 } }, { inputs: [{ shape: [2, 5] }], attributes: { count: 8 } }],
});

/** 1 for each of a row's `count` greatest values and those that tie with the last of them, else 0, of up to N: f32 [..., N] → f32 [..., N], without a gradient. */
export const amongGreatest = (values: Tensor, count: number): Tensor => apply([values], { count })[0]!;
