/** A model as it lies in the page: a description in JSON, and weights as safetensors. */

/**
 * The weights of a safetensors file in single precision.
 *
 * @param {Uint8Array} file
 * @returns {Map<string, {values: Float32Array, shape: number[]}>} by their names.
 */
export function weightsOf(file) {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  delete header.__metadata__;
  const stored = new Map();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    // A copy begins where every type may begin.
    const bytes = file.slice(8 + length + offsets[0], 8 + length + offsets[1]);
    stored.set(name, { values: READERS[dtype](bytes.buffer), shape });
  }
  const weights = new Map();
  for (const [name, { values, shape }] of stored) {
    if (name.endsWith(SCALE)) continue;
    const scale = stored.get(name + SCALE);
    weights.set(name, { values: scale ? scaled(values, shape, scale) : values, shape });
  }
  return weights;
}

const SCALE = ".scale";

const READERS = {
  F32: (buffer) => new Float32Array(buffer),
  F16: (buffer) => Float32Array.from(new Uint16Array(buffer), fromHalf),
  I8: (buffer) => new Int8Array(buffer),
};

/** A number in half precision, from its 16 bits. */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Whole numbers times the scale of their row or of their column. */
function scaled(values, [rows, columns], { values: scales, shape }) {
  const perRow = shape[0] === rows && shape[1] === 1;
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = row * columns + column;
      result[at] = values[at] * scales[perRow ? row : column];
    }
  }
  return result;
}
