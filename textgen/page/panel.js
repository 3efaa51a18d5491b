/** One text on the page: its characters, their colours, and a cursor among them. */

/** Bits at which the colour changes. */
const LEVELS = [1, 2, 4, 6, 8];

const REASONS = {
  length: "as long as asked",
  document: "the model ended it",
  stop: "stopped before the text you named",
  stopped: "stopped by you",
};

/** A text that grows. */
export class Panel {
  #text;
  #line;
  #facts;
  #characters = [];
  #spans = [];
  #bits = 0;
  #here = -1;
  #onSelect;

  /**
   * @param {object} head `title`, `prompt` and `link` of the text.
   * @param {function(Panel, number): void} onSelect told of the character under the cursor.
   */
  constructor({ title, prompt, link }, onSelect) {
    this.prompt = prompt;
    this.#onSelect = onSelect;
    this.#text = element("div", { className: "text", tabIndex: 0 });
    this.#text.setAttribute("role", "textbox");
    this.#text.setAttribute("aria-readonly", "true");
    this.#text.setAttribute("aria-multiline", "true");
    this.#text.setAttribute(
      "aria-label",
      `${title}. Arrow keys move along the characters, Enter writes on from there.`,
    );
    this.#startLine();
    if (prompt) this.#line.append(element("span", { className: "prompt" }, visible(prompt)));
    this.#facts = element("span", {}, "…");
    const copy = element("button", { type: "button" }, "Copy");
    copy.addEventListener("click", () => navigator.clipboard.writeText(this.whole));
    const repeat = element("a", { href: link }, "Link that repeats it");
    const footer = element("footer", {}, element("span", {}, title), this.#facts, copy, repeat);
    this.element = element("article", {}, this.#text, footer);
    this.#listen();
  }

  /** The new text. */
  get written() {
    return this.#characters.map((each) => each.text).join("");
  }

  /** Prompt and new text. */
  get whole() {
    return this.prompt + this.written;
  }

  /** Show more characters, each with `text`, `bits` (or null) and `likeliest`. */
  add(characters) {
    const isAtEnd = this.#text.scrollTop + this.#text.clientHeight > this.#text.scrollHeight - 40;
    for (const character of characters) {
      const { text, bits } = character;
      const level = LEVELS.filter((most) => bits >= most).length;
      const span = element("span", { className: `c b${level}` }, visible(text));
      span.dataset.at = this.#spans.length;
      this.#bits += bits ?? 0;
      this.#spans.push(span);
      this.#characters.push(character);
    }
    for (const span of this.#spans.slice(-characters.length)) {
      this.#line.append(span);
      if (span.textContent === "\n") this.#startLine();
    }
    if (isAtEnd) this.#text.scrollTop = this.#text.scrollHeight;
  }

  /** Say why the text ended. */
  end(reason) {
    const count = this.#characters.length;
    const bits = this.#bits ? `, ${(this.#bits / count).toFixed(2)} bits each` : "";
    this.#facts.textContent = `${count} characters${bits}; ${REASONS[reason] ?? reason}`;
  }

  /** What is known of a character. */
  character(at) {
    return this.#characters[at];
  }

  /** Prompt and text before a character. */
  before(at) {
    const before = this.#characters.slice(0, at).map((each) => each.text);
    return this.prompt + before.join("");
  }

  /** Each line is a block, since a browser arranges all of a block again when it grows. */
  #startLine() {
    this.#line = element("div");
    this.#text.append(this.#line);
  }

  #listen() {
    this.#text.addEventListener("pointerover", ({ target }) => {
      // A character that was clicked stays, so that its buttons can be reached.
      if (target.dataset.at && !document.querySelector(".held")) {
        this.#select(Number(target.dataset.at));
      }
    });
    this.#text.addEventListener("click", ({ target }) => {
      if (!target.dataset.at) return;
      const wasHeld = target.classList.contains("held");
      this.#select(Number(target.dataset.at));
      target.classList.toggle("held", !wasHeld);
    });
    this.#text.addEventListener("keydown", (event) => {
      const last = this.#characters.length - 1;
      const moves = {
        ArrowRight: this.#here + 1,
        ArrowLeft: this.#here - 1,
        ArrowDown: this.#here + 40,
        ArrowUp: this.#here - 40,
        Home: 0,
        End: last,
      };
      if (!(event.key in moves) || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.#select(Math.max(0, Math.min(last, moves[event.key])));
      this.#spans[this.#here]?.scrollIntoView({ block: "nearest" });
    });
  }

  #select(at) {
    if (!this.#spans.length) return;
    document.querySelector(".here")?.classList.remove("here", "held");
    this.#here = at;
    this.#spans[at].classList.add("here");
    this.#onSelect(this, at);
  }
}

/** An element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A text without characters that a page would obey or cannot show. */
export function visible(text) {
  return text
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (each) =>
      String.fromCharCode(0x2400 + each.codePointAt(0)),
    )
    .replace(/[\u007f-\u009f\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069]/g, "\ufffd");
}
