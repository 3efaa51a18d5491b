/**
 * The equations of one time step, one class per recurrent cell.
 *
 * They are those of `textgen/generation/network/cells`. A cell computes its gates from
 * `x K + b` and `h R` and changes its state in place.
 */

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** What cells share whose gates are functions of one sum, `x K + h R + b`. */
class JoinedCell {
  constructor(units, weights, memory) {
    const width = weights.bias.length;
    this.units = units;
    this.memory = memory;
    this.bias = weights.bias;
    this.kernel = memory.matrix(weights.kernel, weights.kernel.length / width, width);
    this.recurrent = memory.matrix(weights.recurrent_kernel, units, width);
    this.sums = memory.vector(width);
    this.h = memory.vector(units);
    this.states = [this.h];
  }

  /** The next h. */
  step(x) {
    this.sums.set(this.bias);
    this.memory.addProduct(x, this.kernel, this.sums);
    this.memory.addProduct(this.h, this.recurrent, this.sums);
    this.update(this.sums, this.units);
    return this.h;
  }
}

/**
 * i, f, o = sigmoid(x K + h R + b);  g = tanh(x K + h R + b)
 * c <- f c + i g;  h <- o tanh(c)
 */
class LSTM extends JoinedCell {
  constructor(units, weights, memory) {
    super(units, weights, memory);
    this.c = memory.vector(units);
    this.states.push(this.c);
  }

  update(sums, units) {
    const { h, c } = this;
    for (let unit = 0; unit < units; unit++) {
      const i = sigmoid(sums[unit]);
      const f = sigmoid(sums[units + unit]);
      const g = Math.tanh(sums[2 * units + unit]);
      const o = sigmoid(sums[3 * units + unit]);
      c[unit] = f * c[unit] + i * g;
      h[unit] = o * Math.tanh(c[unit]);
    }
  }
}

/** An LSTM whose input gate is 1 - f. */
class CoupledLSTM extends LSTM {
  update(sums, units) {
    const { h, c } = this;
    for (let unit = 0; unit < units; unit++) {
      const f = sigmoid(sums[unit]);
      const g = Math.tanh(sums[units + unit]);
      const o = sigmoid(sums[2 * units + unit]);
      c[unit] = f * (c[unit] - g) + g;
      h[unit] = o * Math.tanh(c[unit]);
    }
  }
}

/** h <- tanh(x K + h R + b) */
class RNN extends JoinedCell {
  update(sums, units) {
    for (let unit = 0; unit < units; unit++) this.h[unit] = Math.tanh(sums[unit]);
  }
}

/**
 * z, r = sigmoid(x K + b + h R + d);  g = tanh(x K + b + r (h R + d))
 * h <- z h + (1 - z) g
 */
class GRU {
  constructor(units, weights, memory) {
    const width = 3 * units;
    this.units = units;
    this.memory = memory;
    this.bias = weights.bias.subarray(0, width);
    this.recurrentBias = weights.bias.subarray(width);
    this.kernel = memory.matrix(weights.kernel, weights.kernel.length / width, width);
    this.recurrent = memory.matrix(weights.recurrent_kernel, units, width);
    this.ofInput = memory.vector(width);
    this.ofState = memory.vector(width);
    this.h = memory.vector(units);
    this.states = [this.h];
  }

  /** The next h. */
  step(x) {
    const { memory, units, ofInput, ofState, h } = this;
    ofInput.set(this.bias);
    ofState.set(this.recurrentBias);
    memory.addProduct(x, this.kernel, ofInput);
    memory.addProduct(h, this.recurrent, ofState);
    for (let unit = 0; unit < units; unit++) {
      const z = sigmoid(ofInput[unit] + ofState[unit]);
      const r = sigmoid(ofInput[units + unit] + ofState[units + unit]);
      const g = Math.tanh(ofInput[2 * units + unit] + r * ofState[2 * units + unit]);
      h[unit] = z * (h[unit] - g) + g;
    }
    return h;
  }
}

/** Every cell, by its name in a configuration. */
export const CELLS = { lstm: LSTM, gru: GRU, rnn: RNN, coupled: CoupledLSTM };
