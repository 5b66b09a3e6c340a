/** What graphics processors can do at most, by their makers' data sheets: f32 on the shader cores, and memory. */
export interface Rates {
  /** FLOP/s, a fused multiply-add being two. */
  readonly flops: number;
  /** Bytes a second of device memory. */
  readonly bandwidth: number;
}

const of = (teraflops: number, gigabytes: number): Rates => ({ flops: teraflops * 1e12, bandwidth: gigabytes * 1e9 });

export const gpus: Readonly<Record<string, Rates>> = {
  'GTX 1080 Ti': of(11.3, 484), 'RTX 2080 Ti': of(13.4, 616), 'RTX 3060': of(12.7, 360), 'RTX 3070': of(20.3, 448), 'RTX 3080': of(29.8, 760), 'RTX 3090': of(35.6, 936),
  'RTX 4060': of(15.1, 272), 'RTX 4070': of(29.1, 504), 'RTX 4080': of(48.7, 717), 'RTX 4090': of(82.6, 1008),
  T4: of(8.1, 320), L4: of(30.3, 300), 'A100 40GB': of(19.5, 1555), 'H100 SXM': of(67, 3350),
  'RX 6800 XT': of(20.7, 512), 'RX 7900 XTX': of(61.4, 960), 'Arc A770': of(19.7, 560),
  M1: of(2.6, 68), 'M1 Pro': of(5.2, 200), 'M1 Max': of(10.4, 400), M2: of(3.6, 100), 'M2 Max': of(13.6, 400),
};

/** The rates of a GPU of the table. @throws {Error} on a name that is not in it. */
export function gpuNamed(name: string): Rates {
  const found = Object.entries(gpus).find(([known]) => known.toLowerCase() === name.toLowerCase());
  if (!found) throw new Error(`--gpu must be one of ${Object.keys(gpus).join(', ')}, got ${name}; for another give --flops and --bandwidth`);
  return found[1];
}
