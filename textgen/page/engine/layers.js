/**
 * Layers, as `textgen/model/layers.py` describes them.
 *
 * A layer has `step`, from its input to its output, which may be overwritten by the next
 * step, and `states`, the vectors that it carries from character to character.
 */

import { CELLS } from "./cells.js";

class Embedding {
  constructor({ width }, weights, memory) {
    this.states = [];
    this.rows = weights.embedding;
    this.width = width;
    this.output = memory.vector(width);
  }

  step(id) {
    const start = id * this.width;
    this.output.set(this.rows.subarray(start, start + this.width));
    return this.output;
  }
}

class Recurrent {
  constructor({ cell, units }, weights, memory) {
    this.cell = new CELLS[cell](units, weights, memory);
    this.states = this.cell.states;
  }

  step(x) {
    return this.cell.step(x);
  }
}

/** y = x + relu([x, the x before, ...] K + b) */
class Convolution {
  constructor({ width, size }, weights, memory) {
    this.width = width;
    this.memory = memory;
    this.bias = weights.bias;
    this.kernel = memory.matrix(weights.kernel, size * width, width);
    this.seen = memory.vector(size * width);
    this.output = memory.vector(width);
    this.end = (size - 1) * width;
    this.states = [this.seen.subarray(0, this.end)];
  }

  step(x) {
    const { seen, output, width } = this;
    // The present input first, and the oldest falls out.
    seen.copyWithin(width, 0, this.end);
    seen.set(x.subarray(0, width));
    output.set(this.bias);
    this.memory.addProduct(seen, this.kernel, output);
    for (let at = 0; at < width; at++) output[at] = x[at] + Math.max(0, output[at]);
    return output;
  }
}

/**
 * q = (x Q + b) / sqrt(units);  y = x + (sum over the last inputs m of softmax(q m) m) V
 *
 * The memory is a ring, in which the present input replaces the oldest one.
 */
class Attention {
  constructor({ units, size }, weights, memory) {
    this.units = units;
    this.size = size;
    this.memory = memory;
    this.queryBias = weights.query_bias;
    this.queryKernel = memory.matrix(weights.query_kernel, units, units);
    this.valueKernel = memory.matrix(weights.value_kernel, units, units);
    this.query = memory.vector(units);
    this.mean = memory.vector(units);
    this.output = memory.vector(units);
    this.ring = new Float32Array(size * units);
    this.count = new Float32Array(1);
    this.shares = new Float64Array(size);
    this.states = [this.ring, this.count];
  }

  step(x) {
    const { units, size, ring, count, output, query, mean } = this;
    ring.set(x.subarray(0, units), (count[0] % size) * units);
    // Full rounds are left out, so that the count stays exact.
    count[0] = count[0] + 1 >= 2 * size ? size : count[0] + 1;
    query.set(this.queryBias);
    this.memory.addProduct(x, this.queryKernel, query);
    this.#average(Math.min(count[0], size), query, mean);
    output.set(x);
    this.memory.addProduct(mean, this.valueKernel, output);
    return output;
  }

  #average(numSeen, query, mean) {
    const { units, ring, shares } = this;
    for (let row = 0; row < numSeen; row++) {
      let score = 0;
      for (let unit = 0; unit < units; unit++) score += query[unit] * ring[row * units + unit];
      shares[row] = score / Math.sqrt(units);
    }
    const scores = shares.subarray(0, numSeen);
    const largest = scores.reduce((a, b) => Math.max(a, b));
    let total = 0;
    scores.forEach((score, row) => (total += scores[row] = Math.exp(score - largest)));
    mean.fill(0);
    for (let row = 0; row < numSeen; row++) {
      const share = scores[row] / total;
      for (let unit = 0; unit < units; unit++) mean[unit] += share * ring[row * units + unit];
    }
  }
}

/** (x - mean(x)) / sqrt(var(x) + epsilon) * scale + offset */
class Normalization {
  constructor({ units, epsilon }, weights, memory) {
    this.states = [];
    this.units = units;
    this.epsilon = epsilon;
    this.scale = weights.norm_scale;
    this.offset = weights.norm_offset;
    this.output = memory.vector(units);
  }

  step(x) {
    const { units, scale, offset, output } = this;
    let mean = 0;
    for (let unit = 0; unit < units; unit++) mean += x[unit] / units;
    let variance = 0;
    for (let unit = 0; unit < units; unit++) variance += (x[unit] - mean) ** 2 / units;
    const factor = 1 / Math.sqrt(variance + this.epsilon);
    for (let unit = 0; unit < units; unit++) {
      output[unit] = (x[unit] - mean) * factor * scale[unit] + offset[unit];
    }
    return output;
  }
}

/** x + the outputs of earlier layers */
class Residual {
  constructor({ sources, width }, _weights, memory) {
    this.states = [];
    this.sources = sources;
    this.output = memory.vector(width);
  }

  step(x, outputs) {
    const { output } = this;
    output.set(x);
    for (const source of this.sources) {
      const other = outputs[source];
      for (let at = 0; at < output.length; at++) output[at] += other[at];
    }
    return output;
  }
}

/** x K + b; a projection has no b, and a tied output the embedding for its K. */
class Affine {
  constructor({ inputs, outputs }, weights, memory) {
    this.states = [];
    this.memory = memory;
    this.bias = weights.bias;
    this.kernel = memory.matrix(weights.kernel, inputs, outputs);
    this.output = memory.vector(outputs);
  }

  step(x) {
    this.output.fill(0);
    if (this.bias) this.output.set(this.bias);
    this.memory.addProduct(x, this.kernel, this.output);
    return this.output;
  }
}

/** Every kind of layer, by the name of its description. */
export const KINDS = {
  Embedding,
  Convolution,
  Recurrent,
  Attention,
  Normalization,
  Residual,
  Projection: Affine,
  Output: Affine,
};
