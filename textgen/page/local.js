/** The model in this file, at work in a worker, so that the page never hangs. */

import { stopsOf } from "./settings.js";

/** A source of texts. */
export class LocalSource {
  #worker;
  #model;
  #waiting = new Map();
  #numWritten = 0;

  /** @param {HTMLElement[]} parts of the page: model, weights and engine. */
  constructor(model, weights, engine) {
    this.#model = JSON.parse(model.textContent);
    const code = new Blob([engine.textContent], { type: "text/javascript" });
    this.#worker = new Worker(URL.createObjectURL(code));
    const file = Uint8Array.from(atob(weights.textContent), (each) => each.charCodeAt(0));
    this.#worker.postMessage({ type: "load", model: this.#model, file }, [file.buffer]);
    this.#worker.onmessage = ({ data }) => this.#waiting.get(data.id)?.(data);
    this.#worker.onerror = (error) => {
      error.preventDefault();
      for (const answer of this.#waiting.values()) answer({ problem: error.message });
    };
  }

  /** What is known of the models: the only one. */
  async models() {
    const { name, card, tokenizer } = this.#model;
    const { labels, separator } = tokenizer;
    return [{ name, card, labels, completes: separator === true }];
  }

  /**
   * Write texts side by side.
   *
   * @param {object} settings as the form has them, with a seed.
   * @param {function(number, object): void} onNews told the number of a text, and its new
   *     `characters`, or what was `unknown` in the prompt.
   * @param {AbortSignal} signal ends all of them.
   * @returns {Promise<string[]>} why each ended.
   */
  async write(settings, onNews, signal) {
    const numbers = [...Array(settings.variants).keys()];
    return Promise.all(numbers.map((number) => this.#writeOne(settings, number, onNews, signal)));
  }

  #writeOne(settings, number, onNews, signal) {
    const id = this.#numWritten++;
    const label = settings.label || null;
    const asked = { ...settings, number, label, stop: stopsOf(settings) };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (news) => {
        if (news.characters) requestAnimationFrame(() => this.#post({ type: "shown", id }));
        if (!news.reason && !news.problem) return onNews(number, news);
        this.#waiting.delete(id);
        return news.reason ? resolve(news.reason) : reject(new Error(news.problem));
      });
      signal.addEventListener("abort", () => this.#post({ type: "stop", id }));
      this.#post({ type: "write", id, settings: asked });
    });
  }

  #post(message) {
    this.#worker.postMessage(message);
  }
}
