/** The model in this file, at work in a worker, so that the page never hangs. */

import { stopsOf } from "./settings.js";

/** A source of texts. */
export class LocalSource {
  #worker;
  #model;
  #weights;
  #waiting = new Map();
  #numAsked = 0;

  /** @param {HTMLElement[]} parts of the page: model, weights and engine. */
  constructor(model, weights, engine) {
    this.#model = model;
    this.#weights = weights;
    const code = new Blob([engine.textContent], { type: "text/javascript" });
    this.#worker = new Worker(URL.createObjectURL(code));
    this.#worker.onmessage = ({ data }) => this.#waiting.get(data.id)?.(data);
    this.#worker.onerror = (error) => {
      error.preventDefault();
      for (const answer of this.#waiting.values()) answer({ problem: error.message });
    };
  }

  /** What is known of the models: the only one, which is loaded. */
  async models() {
    try {
      return [await this.#load()];
    } catch (error) {
      throw new Error(`The model in this file cannot be used: ${error.message}.`);
    }
  }

  async #load() {
    const model = JSON.parse(this.#model.textContent);
    const file = Uint8Array.from(atob(this.#weights.textContent), (each) => each.charCodeAt(0));
    await this.#asked({ type: "load", id: this.#newId(), model, file }, null, [file.buffer]);
    const { name, card, tokenizer } = model;
    return { name, card, labels: tokenizer.labels, completes: tokenizer.separator === true };
  }

  /**
   * Write texts side by side.
   *
   * @param {object} settings as the form has them, with a seed.
   * @param {function(number, object): void} onNews told the number of a text, and its new
   *     `characters`, or a `warning`.
   * @param {AbortSignal} signal ends all of them.
   * @returns {Promise<string[]>} why each ended.
   */
  async write(settings, onNews, signal) {
    const numbers = [...Array(settings.variants).keys()];
    return Promise.all(numbers.map((number) => this.#writeOne(settings, number, onNews, signal)));
  }

  #writeOne(settings, number, onNews, signal) {
    const id = this.#newId();
    const label = settings.label || null;
    const asked = { ...settings, number, label, stop: stopsOf(settings) };
    signal.addEventListener("abort", () => this.#worker.postMessage({ type: "stop", id }));
    return this.#asked({ type: "write", id, settings: asked }, ({ characters, unknown }) => {
      if (unknown) {
        const warning = `The model does not know ${unknown.join(" ")}: left out.`;
        return onNews(number, { warning });
      }
      requestAnimationFrame(() => this.#worker.postMessage({ type: "shown", id }));
      return onNews(number, { characters });
    });
  }

  /** Send the worker a message; what it answers before the end is news. */
  #asked(message, onNews, transferred = []) {
    const { id } = message;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (answer) => {
        if (!answer.reason && !answer.problem) return onNews(answer);
        this.#waiting.delete(id);
        return answer.reason ? resolve(answer.reason) : reject(new Error(answer.problem));
      });
      this.#worker.postMessage(message, transferred);
    });
  }

  #newId() {
    return this.#numAsked++;
  }
}
