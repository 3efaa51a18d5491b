/**
 * The random numbers of NumPy's `default_rng`, so that a seed gives the same text here and
 * in Python: SeedSequence and PCG64 (O'Neill 2014), XSL RR 128/64.
 */

const MASK_128 = (1n << 128n) - 1n;
const MASK_64 = (1n << 64n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

export class Random {
  #state = 0n;
  #increment;

  /** @param {bigint[]} entropy whole numbers of at least 0. */
  constructor(entropy) {
    const [a, b, c, d] = seedWords(entropy);
    this.#increment = ((((c << 64n) | d) << 1n) | 1n) & MASK_128;
    this.#advance();
    this.#state = (this.#state + ((a << 64n) | b)) & MASK_128;
    this.#advance();
  }

  /** The next number, uniform in [0, 1). */
  next() {
    this.#advance();
    const state = this.#state;
    const folded = (state >> 64n) ^ (state & MASK_64);
    const turn = state >> 122n;
    const turned = ((folded >> turn) | (folded << (64n - turn))) & MASK_64;
    return Number(turned >> 11n) * 2 ** -53;
  }

  #advance() {
    this.#state = (this.#state * MULTIPLIER + this.#increment) & MASK_128;
  }
}

// --- SeedSequence, in arithmetic of 32 bits ---

const POOL_SIZE = 4;

function seedWords(entropy) {
  const words = entropy.flatMap(wordsOf);
  const hash = hasher(0x43b0d7e5, 0x931e8875);
  const pool = Array.from({ length: POOL_SIZE }, (_, n) => hash(words[n] ?? 0));
  const stir = (word, except) => {
    for (let at = 0; at < POOL_SIZE; at++) {
      if (at !== except) pool[at] = mixed(pool[at], hash(word()));
    }
  };
  for (let from = 0; from < POOL_SIZE; from++) stir(() => pool[from], from);
  for (const word of words.slice(POOL_SIZE)) stir(() => word);
  const output = hasher(0x8b51f9dd, 0x58f38ded);
  const halves = Array.from({ length: 8 }, (_, n) => BigInt(output(pool[n % POOL_SIZE])));
  return [0, 2, 4, 6].map((n) => halves[n] | (halves[n + 1] << 32n));
}

/** The 32-bit words of a whole number, the lowest first; one at least. */
function wordsOf(number) {
  const rest = number >> 32n;
  return [Number(number & 0xffffffffn), ...(rest ? wordsOf(rest) : [])];
}

function hasher(start, factor) {
  let constant = start;
  return (word) => {
    const changed = word ^ constant;
    constant = Math.imul(constant, factor) >>> 0;
    const product = Math.imul(changed, constant) >>> 0;
    return (product ^ (product >>> 16)) >>> 0;
  };
}

function mixed(one, other) {
  const sum = (Math.imul(0xca01f9dd, one) - Math.imul(0x4973f715, other)) >>> 0;
  return (sum ^ (sum >>> 16)) >>> 0;
}
