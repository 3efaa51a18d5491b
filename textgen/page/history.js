/** Earlier texts, kept in the browser. */

import { element, visible } from "./panel.js";

const MOST_ENTRIES = 50;
const MOST_CHARS = 20_000;
const PREFIX = "textgen history ";

/** The texts of one model, and the list of them on the page. */
export class History {
  #place;
  #key;
  #onOpen;

  /**
   * @param {HTMLElement} place with a list and a button.
   * @param {string} name of the model.
   * @param {function(object): void} onOpen told of the entry that is chosen.
   */
  constructor(place, name, onOpen) {
    this.#place = place;
    this.#key = PREFIX + name;
    this.#onOpen = onOpen;
    place.querySelector("#forget").onclick = () => this.#save([]);
    this.#show(this.#entries());
  }

  /** Keep an entry: `settings`, and the new texts. */
  add(entry) {
    const texts = entry.texts.map((text) => text.slice(0, MOST_CHARS));
    this.#save([{ ...entry, texts, at: Date.now() }, ...this.#entries()].slice(0, MOST_ENTRIES));
  }

  #entries() {
    try {
      const found = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      return found.filter(({ settings, texts }) => settings && Array.isArray(texts));
    } catch {
      return [];
    }
  }

  #save(entries) {
    try {
      localStorage.setItem(this.#key, JSON.stringify(entries));
    } catch {
      // Full, or switched off: the newest texts are still on the page.
    }
    this.#show(entries);
  }

  #show(entries) {
    this.#place.hidden = entries.length === 0;
    const rows = entries.map((entry) => {
      const when = new Date(entry.at).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
      const start = `${entry.settings.prompt}${entry.texts[0]}`.slice(0, 120);
      const button = element("button", { type: "button" }, `${when}  ${visible(start)}`);
      button.addEventListener("click", () => this.#onOpen(entry));
      return element("li", {}, button);
    });
    this.#place.querySelector("ol").replaceChildren(...rows);
  }
}
