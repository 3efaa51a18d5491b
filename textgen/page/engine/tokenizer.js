/** Text to ids and back, one id per character or per byte, as `textgen/text/tokenizers`. */

const SEPARATOR = "\ufdd0";
const REPLACEMENT = "\ufffd";
const NUM_BYTES = 256;

export class Tokenizer {
  #ids = new Map();
  #symbols = [];

  /** @param {object} data what `to_dict` of the Python class returns. */
  constructor(data) {
    this.isByte = data.kind === "byte";
    this.form = data.normalize;
    this.labels = data.labels;
    const special = [
      ...(data.end_of_document ? ["<eod>"] : []),
      ...(data.unknown ? [REPLACEMENT] : []),
      ...(data.separator ? ["<sep>"] : []),
      ...data.labels.map((label) => `<label:${label}>`),
    ];
    const first = this.isByte ? NUM_BYTES : 0;
    const idOf = (symbol) => (special.includes(symbol) ? first + special.indexOf(symbol) : null);
    this.endId = idOf("<eod>");
    this.unknownId = idOf(REPLACEMENT);
    this.separatorId = idOf("<sep>");
    this.labelIds = data.labels.map((_, n) => first + special.length - data.labels.length + n);
    const own = this.isByte ? Array.from({ length: NUM_BYTES }, (_, byte) => byteName(byte)) : [];
    this.#symbols = this.isByte ? [...own, ...special] : [...special, ...data.characters];
    if (!this.isByte) {
      data.characters.forEach((character, n) => this.#ids.set(character, special.length + n));
    }
    const unwritten = [this.unknownId, this.separatorId, ...this.labelIds];
    /** Ids that are never written. */
    this.unwritten = unwritten.filter((id) => id !== null);
    /** What is read before a text without a prompt. */
    this.openingIds = this.endId === null ? this.#opening() : [this.endId];
  }

  normalized(text) {
    return this.form === "none" ? text : text.normalize(this.form.toUpperCase());
  }

  /**
   * The ids of a text; what the model does not know is left out.
   *
   * @returns {{ids: number[], unknown: string[]}}
   */
  encode(text) {
    const known = this.normalized(text);
    if (this.isByte) return { ids: this.#bytes(known), unknown: [] };
    const ids = [];
    const unknown = new Set();
    for (const character of known) {
      const id = character === SEPARATOR ? this.separatorId : this.#ids.get(character);
      if (id === undefined || id === null) unknown.add(character);
      else ids.push(id);
    }
    return { ids, unknown: [...unknown] };
  }

  /** The ids of a prompt, with the separator if the model completes prompts. */
  encodePrompt(text) {
    const isComplete = this.separatorId === null || text.includes(SEPARATOR);
    return this.encode(isComplete ? text : text + SEPARATOR);
  }

  /** A readable name of an id: mostly the character itself. */
  symbol(id) {
    return this.#symbols[id];
  }

  /** A decoder that takes ids one at a time and returns the characters they complete. */
  decoder() {
    return this.isByte ? new ByteDecoder() : new CharDecoder(this.#symbols, this.endId);
  }

  /** The end of a paragraph, if the model knows what ends one. */
  #opening() {
    for (const opening of [...(this.isByte ? [] : ["。\n"]), ".\n\n"]) {
      const { ids, unknown } = this.encode(opening);
      if (!unknown.length) return ids;
    }
    return [this.#firstKnown(["\n", " "])];
  }

  #firstKnown(characters) {
    if (this.isByte) return characters[0].codePointAt(0);
    const found = characters.find((character) => this.#ids.has(character));
    return found === undefined ? this.#symbols.length - this.#ids.size : this.#ids.get(found);
  }

  #bytes(text) {
    if (this.separatorId === null) return [...new TextEncoder().encode(text)];
    const parts = text.split(SEPARATOR).map((part) => [...new TextEncoder().encode(part)]);
    return parts.flatMap((part, n) => (n ? [this.separatorId, ...part] : part));
  }
}

const byteName = (byte) =>
  byte > 31 && byte < 127 ? String.fromCharCode(byte) : `0x${byte.toString(16).padStart(2, "0")}`;

class CharDecoder {
  constructor(symbols, endId) {
    this.symbols = symbols;
    this.endId = endId;
  }

  feed(id) {
    return id === this.endId ? "" : this.symbols[id];
  }
}

class ByteDecoder {
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  feed(id) {
    const isByte = id < NUM_BYTES;
    const bytes = isByte ? Uint8Array.of(id) : new Uint8Array();
    return this.#decoder.decode(bytes, { stream: isByte });
  }
}
