/** From logits to the next id; what `textgen/generation/sampling` defines. */

/** Sums of probabilities that differ by less than this count as equal. */
const ROUNDING = 1e-12;

/** The settings of a text, ready to choose one id after the other. */
export class Sampler {
  #settings;

  /**
   * @param {object} settings temperature, and topK, topP, minP, which may be null.
   */
  constructor(settings) {
    this.#settings = settings;
  }

  /**
   * @param {Float64Array} logits
   * @param {number} uniform a random number, uniform in [0, 1).
   */
  choose(logits, uniform) {
    const { temperature, topK, topP, minP } = this.#settings;
    const best = largestIndex(logits);
    if (temperature === 0) return best;
    const levels = logits.map((logit) => (logit - logits[best]) / temperature);
    const isTruncated = topK !== null || topP !== null || minP !== null;
    const kept = isTruncated ? this.#kept(levels) : [...levels.keys()];
    return drawn(kept, levels, uniform);
  }

  /** The ids that top-k, top-p and min-p leave, in the order of the vocabulary. */
  #kept(levels) {
    const { topK, topP, minP } = this.#settings;
    const order = Uint32Array.from(levels.keys());
    order.sort((a, b) => levels[a] - levels[b] || a - b);
    const ascending = Float64Array.from(order, (id) => levels[id]);
    // In ascending order all of them keep a tail; only its start moves.
    let first = ascending.findIndex((level) => Math.exp(level) > 0);
    if (topK !== null && topK < ascending.length - first) {
      first = indexFrom(ascending, ascending[ascending.length - topK]);
    }
    if (topP !== null && topP < 1) first = this.#firstInMass(ascending, first);
    if (minP) first = Math.max(first, indexFrom(ascending, Math.log(minP) - ROUNDING));
    return order.subarray(Math.min(first, order.length - 1)).sort();
  }

  #firstInMass(ascending, first) {
    const weights = ascending.subarray(first).map(Math.exp);
    const total = weights.reduce((a, b) => a + b, 0);
    const surplus = (1 - this.#settings.topP + ROUNDING) * total;
    let reached = 0;
    const place = weights.findIndex((weight) => (reached += weight) > surplus);
    return place < 0 ? ascending.length - 1 : first + place;
  }
}

/** An id of `kept` in proportion to the exponentials of its levels. */
function drawn(kept, levels, uniform) {
  let total = 0;
  const reached = Float64Array.from(kept, (id) => (total += Math.exp(levels[id])));
  return kept[indexAbove(reached, uniform * total)];
}

/** The first index of ascending numbers of at least `least`. */
function indexFrom(ascending, least) {
  const found = ascending.findIndex((each) => each >= least);
  return found < 0 ? ascending.length : found;
}

function indexAbove(ascending, limit) {
  const found = ascending.findIndex((each) => each > limit);
  return found < 0 ? ascending.length - 1 : found;
}

function largestIndex(numbers) {
  let best = 0;
  for (let at = 1; at < numbers.length; at++) if (numbers[at] > numbers[best]) best = at;
  return best;
}

/** Makes ids of prompt and text less likely (Keskar et al. 2019). */
export class RepetitionPenalty {
  #factor;
  #seen = new Set();

  constructor(factor, ids) {
    this.#factor = factor;
    for (const id of ids) this.#seen.add(id);
  }

  append(id) {
    this.#seen.add(id);
  }

  /** Change logits in place. */
  apply(logits) {
    const smaller = this.#factor >= 1 ? Math.min : Math.max;
    for (const id of this.#seen) {
      logits[id] = smaller(logits[id] * this.#factor, logits[id] / this.#factor);
    }
  }
}

/** Log-probabilities in nats. */
export function logSoftmax(logits) {
  const largest = logits[largestIndex(logits)];
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - largest);
  const shift = largest + Math.log(total);
  return Float64Array.from(logits, (logit) => logit - shift);
}
