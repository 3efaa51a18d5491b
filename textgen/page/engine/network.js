/** The forward pass: from one character to the logits of the next. */

import { KINDS } from "./layers.js";
import { Memory, matrixSize, paddedSize } from "./products.js";

/** Vectors of the width of each layer that it may need beside its weights. */
const VECTORS = 16;

/** A trained network. It works on one text at a time, whose state it is handed. */
export class Network {
  #layers;
  #states;
  #outputs = {};
  #held = null;

  /**
   * @param {object[]} descriptions of the layers, as `textgen/exporting/html.py` lists them.
   * @param {Map<string, {values: Float32Array, shape: number[]}>} weights by their names.
   */
  constructor(descriptions, weights) {
    const memory = new Memory(roomFor(descriptions, weights));
    this.#layers = descriptions.map((description) => ({
      name: description.name,
      layer: new KINDS[description.kind](description, own(description, weights), memory),
    }));
    this.#states = this.#layers.flatMap(({ layer }) => layer.states);
    this.vocabSize = descriptions.at(-1).outputs;
  }

  /** The state before the first character. */
  start() {
    return new Float32Array(this.#states.reduce((size, each) => size + each.length, 0));
  }

  /**
   * Read one character.
   *
   * @param {number} id
   * @param {Float32Array} state of the text; it is up to date only while another is read.
   * @returns {Float32Array} logits of the next character, which the next step overwrites.
   */
  step(id, state) {
    this.#hold(state);
    let x = id;
    for (const { name, layer } of this.#layers) {
      x = layer.step(x, this.#outputs);
      this.#outputs[name] = x;
    }
    return x.subarray(0, this.vocabSize);
  }

  /** Have the state of a text in the layers, and put that of the last one back. */
  #hold(state) {
    if (this.#held === state) return;
    if (this.#held) this.#move((mine, kept) => kept.set(mine), this.#held);
    this.#move((mine, kept) => mine.set(kept), state);
    this.#held = state;
  }

  #move(copy, state) {
    let start = 0;
    for (const mine of this.#states) {
      copy(mine, state.subarray(start, start + mine.length));
      start += mine.length;
    }
  }
}

/** The weights of a layer by the names that it calls them; none if it has none. */
function own(description, weights) {
  const named = Object.entries(description.weights);
  const found = named.map(([name, stored]) => [name, weights.get(stored).values]);
  if (description.tied_to) {
    found.push(["kernel", transposed(weights.get(description.tied_to))]);
  }
  return Object.fromEntries(found);
}

function transposed({ values, shape: [rows, columns] }) {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = values[row * columns + column];
    }
  }
  return turned;
}

/** Numbers that the layers take in a memory, at most. */
function roomFor(descriptions, weights) {
  let size = 0;
  for (const description of descriptions) {
    for (const stored of Object.values(description.weights)) {
      const { shape } = weights.get(stored);
      const [rows, columns] = shape.length === 2 ? shape : [1, shape[0]];
      size += matrixSize(rows, columns) + VECTORS * paddedSize(columns);
    }
    if (description.tied_to) size += matrixSize(description.inputs, description.outputs);
    size += VECTORS * paddedSize(description.width ?? 0);
  }
  return size;
}
