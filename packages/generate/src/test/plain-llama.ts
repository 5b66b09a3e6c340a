/** A Llama in plain JavaScript: one token at a time, keys and values kept, nothing but loops over Float32Arrays. */

export interface PlainLlamaSizes {
  readonly width: number; readonly hidden: number; readonly layers: number; readonly heads: number; readonly kvHeads: number;
  readonly vocabulary: number; readonly context: number; readonly theta: number; readonly epsilon: number;
}

interface Layer { readonly attentionNorm: Float32Array; readonly q: Float32Array; readonly k: Float32Array; readonly v: Float32Array; readonly o: Float32Array; readonly mlpNorm: Float32Array; readonly gate: Float32Array; readonly up: Float32Array; readonly down: Float32Array; readonly keys: Float32Array; readonly values: Float32Array }

/** The logits after each token; weights by the names of Hugging Face, matrices [outputs, inputs], rotation in halves. */
export function plainLlama({ width, hidden, layers: depth, heads, kvHeads, vocabulary, context, theta, epsilon }: PlainLlamaSizes, weight: (name: string) => Float32Array): (token: number, place: number) => Float32Array {
  const headWidth = width / heads, keyWidth = kvHeads * headWidth, half = headWidth / 2;
  const table = weight('model.embed_tokens.weight'), finalNorm = weight('model.norm.weight');
  const layers = Array.from({ length: depth }, (_, l): Layer => {
    const of = (name: string): Float32Array => weight(`model.layers.${l}.${name}.weight`);
    return {
      attentionNorm: of('input_layernorm'), q: of('self_attn.q_proj'), k: of('self_attn.k_proj'), v: of('self_attn.v_proj'), o: of('self_attn.o_proj'),
      mlpNorm: of('post_attention_layernorm'), gate: of('mlp.gate_proj'), up: of('mlp.up_proj'), down: of('mlp.down_proj'),
      keys: new Float32Array(context * keyWidth), values: new Float32Array(context * keyWidth),
    };
  });
  const x = new Float32Array(width), normed = new Float32Array(width), q = new Float32Array(width), mixed = new Float32Array(width), projected = new Float32Array(width);
  const gate = new Float32Array(hidden), up = new Float32Array(hidden), weights = new Float32Array(context), logits = new Float32Array(vocabulary);

  const multiply = (out: Float32Array, matrix: Float32Array, input: Float32Array, offset = 0, rows = out.length): void => {
    const columns = input.length;
    for (let r = 0, at = 0; r < rows; r++) {
      let sum = 0;
      for (let c = 0; c < columns; c++) sum += matrix[at++]! * input[c]!;
      out[offset + r] = sum;
    }
  };
  const normalize = (gain: Float32Array): void => {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += x[i]! * x[i]!;
    const scale = 1 / Math.sqrt(sum / width + epsilon);
    for (let i = 0; i < width; i++) normed[i] = x[i]! * scale * gain[i]!;
  };
  const cosines = new Float32Array(context * half), sines = new Float32Array(context * half);
  for (let place = 0; place < context; place++) for (let i = 0; i < half; i++) {
    cosines[place * half + i] = Math.cos(place * theta ** (-i / half));
    sines[place * half + i] = Math.sin(place * theta ** (-i / half));
  }
  const rotate = (vector: Float32Array, offset: number, count: number, place: number): void => {
    for (let h = 0; h < count; h++) for (let i = 0; i < half; i++) {
      const cos = cosines[place * half + i]!, sin = sines[place * half + i]!, a = offset + h * headWidth + i, b = a + half;
      const first = vector[a]!, second = vector[b]!;
      vector[a] = first * cos - second * sin;
      vector[b] = second * cos + first * sin;
    }
  };

  return (token, place) => {
    for (let i = 0; i < width; i++) x[i] = table[token * width + i]!;
    for (const layer of layers) {
      const { keys, values } = layer, at = place * keyWidth;
      normalize(layer.attentionNorm);
      multiply(q, layer.q, normed);
      multiply(keys, layer.k, normed, at, keyWidth);
      multiply(values, layer.v, normed, at, keyWidth);
      rotate(q, 0, heads, place);
      rotate(keys, at, kvHeads, place);
      for (let h = 0; h < heads; h++) {
        const of = Math.floor(h * kvHeads / heads) * headWidth, start = h * headWidth;
        let peak = -Infinity, total = 0;
        for (let s = 0; s <= place; s++) {
          let score = 0;
          for (let d = 0; d < headWidth; d++) score += q[start + d]! * keys[s * keyWidth + of + d]!;
          peak = Math.max(peak, weights[s] = score / Math.sqrt(headWidth));
        }
        for (let s = 0; s <= place; s++) total += weights[s] = Math.exp(weights[s]! - peak);
        for (let d = 0; d < headWidth; d++) mixed[start + d] = 0;
        for (let s = 0; s <= place; s++) for (let d = 0; d < headWidth; d++) mixed[start + d]! += weights[s]! / total * values[s * keyWidth + of + d]!;
      }
      multiply(projected, layer.o, mixed);
      for (let i = 0; i < width; i++) x[i]! += projected[i]!;
      normalize(layer.mlpNorm);
      multiply(gate, layer.gate, normed);
      multiply(up, layer.up, normed);
      for (let i = 0; i < hidden; i++) gate[i] = gate[i]! / (1 + Math.exp(-gate[i]!)) * up[i]!;
      multiply(projected, layer.down, gate);
      for (let i = 0; i < width; i++) x[i]! += projected[i]!;
    }
    normalize(finalNorm);
    multiply(logits, table, normed);
    return logits;
  };
}
