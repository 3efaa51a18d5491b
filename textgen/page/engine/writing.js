/** A text while it is written, one character after the other. */

import { Random } from "./random.js";
import { RepetitionPenalty, Sampler, logSoftmax } from "./sampling.js";

/** Likeliest characters that are told of each character. */
const NUM_LIKELIEST = 6;

/**
 * Write one text.
 *
 * @param {Network} network
 * @param {Tokenizer} tokenizer
 * @param {object} settings prompt, numChars, temperature, topK, topP, minP, repetitionPenalty,
 *     stop (a list), seed, number, label; null where a setting is not in use. Text number
 *     `number` of a seed has a random stream of its own.
 * @yields {?object} a character: `text`, `bits` (how surprising it was to the model) and
 *     `likeliest` (symbols with their chances); or `unknown`, characters of the prompt that
 *     were left out; null while there is nothing to show.
 * @returns {"length"|"document"|"stop"} why it ended.
 */
export function* written(network, tokenizer, settings) {
  const random = new Random([BigInt(settings.seed), BigInt(settings.number)]);
  const state = network.start();
  const { ids, unknown } = tokenizer.encodePrompt(settings.prompt);
  if (unknown.length) yield { unknown };
  const context = contextOf(network, tokenizer, settings.label, ids, random);
  const read = [...context, ...ids];
  // Copies, since other texts may be written before it goes on.
  let logits = null;
  for (const id of read) {
    logits = Float64Array.from(network.step(id, state));
    yield null;
  }
  const text = new Text(tokenizer, settings, read);
  while (text.reason === null) {
    const id = text.choose(logits, random.next());
    yield* text.append(id, logSoftmax(logits));
    if (text.reason === null) logits = Float64Array.from(network.step(id, state));
  }
  return text.reason;
}

/** The ids before the prompt; the model draws a label if none is given. */
function contextOf(network, tokenizer, label, promptIds, random) {
  if (tokenizer.endId === null) return promptIds.length ? [] : tokenizer.openingIds;
  if (!tokenizer.labels.length) return [tokenizer.endId];
  if (label !== null) {
    return [tokenizer.endId, tokenizer.labelIds[tokenizer.labels.indexOf(label)]];
  }
  const logits = network.step(tokenizer.endId, network.start());
  const among = Float64Array.from(tokenizer.labelIds, (id) => logits[id]);
  const plain = new Sampler({ temperature: 1, topK: null, topP: null, minP: null });
  return [tokenizer.endId, tokenizer.labelIds[plain.choose(among, random.next())]];
}

class Text {
  #tokenizer;
  #sampler;
  #penalty;
  #decoder;
  #held;
  #numLeft;
  #bits = 0;
  #likeliest = null;

  constructor(tokenizer, settings, idsRead) {
    this.#tokenizer = tokenizer;
    this.#sampler = new Sampler(settings);
    const factor = settings.repetitionPenalty;
    this.#penalty = factor === null ? null : new RepetitionPenalty(factor, idsRead);
    this.#decoder = tokenizer.decoder();
    this.#held = new HeldBack(settings.stop.map((stop) => tokenizer.normalized(stop)));
    this.#numLeft = settings.numChars;
    this.reason = settings.numChars ? null : "length";
  }

  /** The next id, from the logits of the network. */
  choose(own, uniform) {
    const logits = own.slice();
    for (const id of this.#tokenizer.unwritten) logits[id] = -Infinity;
    this.#penalty?.apply(logits);
    return this.#sampler.choose(logits, uniform);
  }

  /** Append an id, and yield the characters that may be shown now. */
  *append(id, logProbs) {
    this.#penalty?.append(id);
    this.#bits -= logProbs[id] / Math.LN2;
    this.#likeliest ??= this.#mostLikely(logProbs);
    for (const character of this.#decoder.feed(id)) {
      if (this.#numLeft === 0) break;
      this.#numLeft -= 1;
      yield* this.#held.add({
        text: character,
        bits: this.#bits,
        likeliest: this.#likeliest,
      });
      this.#bits = 0;
      this.#likeliest = null;
    }
    this.#end(id);
    if (this.reason !== null && this.reason !== "stop") yield* this.#held.rest();
    else yield null;
  }

  #end(id) {
    if (this.#held.isStopped) this.reason = "stop";
    else if (id === this.#tokenizer.endId) this.reason = "document";
    else if (this.#numLeft === 0) this.reason = "length";
  }

  #mostLikely(logProbs) {
    const hidden = this.#tokenizer.unwritten;
    const best = [];
    for (let id = 0; id < logProbs.length; id++) {
      const last = best[NUM_LIKELIEST - 1];
      if ((last !== undefined && logProbs[id] <= logProbs[last]) || hidden.includes(id)) continue;
      const place = best.findIndex((other) => logProbs[id] > logProbs[other]);
      best.splice(place < 0 ? best.length : place, 0, id);
      best.length = Math.min(best.length, NUM_LIKELIEST);
    }
    return best.map((id) => [this.#tokenizer.symbol(id), Math.exp(logProbs[id])]);
  }
}

/** Characters that may be the beginning of a stop text, and are not shown before it is known. */
class HeldBack {
  #stops;
  #held = [];

  constructor(stops) {
    // A stop text that contains another before its end is never complete first.
    const inside = (stop) => stops.some((other) => stop.slice(0, -1).includes(other));
    this.#stops = stops.filter((stop) => !inside(stop));
    this.isStopped = false;
  }

  /** Add a character, and yield those that may be shown. */
  *add(character) {
    if (this.isStopped) return;
    this.#held.push(character);
    const text = this.#held.map((each) => each.text).join("");
    const places = this.#stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (places.length) {
      yield* this.#first(Math.min(...places));
      this.isStopped = true;
      return;
    }
    const overlaps = this.#stops.map((stop) => overlap(text, stop));
    yield* this.#first(text.length - Math.max(0, ...overlaps));
  }

  rest() {
    return this.#held;
  }

  /** The characters before a place in the text they make. */
  *#first(end) {
    let at = 0;
    while (this.#held.length && at < end) {
      at += this.#held[0].text.length;
      yield this.#held.shift();
    }
  }
}

/** How much at the end of a text may be the beginning of a stop text. */
function overlap(text, stop) {
  let size = Math.min(text.length, stop.length - 1);
  while (size > 0 && !text.endsWith(stop.slice(0, size))) size -= 1;
  return size;
}
