/** What the model expected in the place of one character. */

import { element, visible } from "./panel.js";

const NAMES = { " ": "space", "\n": "new line", "\t": "tab" };
const MARKS = { " ": "␣", "\n": "↵", "\t": "⇥" };

const named = (symbol) => NAMES[symbol] ?? `“${visible(symbol)}”`;

/**
 * Show it.
 *
 * @param {HTMLElement} place
 * @param {Panel} panel
 * @param {number} at the character.
 * @param {function(string): void} writeOn told of the text to go on from.
 */
export function showDetail(place, panel, at, writeOn) {
  const { text, bits, likeliest } = panel.character(at);
  const before = panel.before(at);
  place.querySelector("#surprise").textContent = `${named(text)}: ${surprise(bits)}`;
  place.querySelector("#onward").onclick = () => writeOn(before + text);
  const items = likeliest.map(([symbol, chance]) => {
    const button = choice(symbol, chance, symbol === text);
    button.onclick = () => writeOn(before + symbol);
    return element("li", {}, button);
  });
  place.querySelector("#likeliest").replaceChildren(...items);
  place.hidden = false;
}

/** A button for a character that could stand there. */
function choice(symbol, chance, isTaken) {
  const button = element(
    "button",
    { type: "button", title: `Write on with ${named(symbol)}` },
    element("kbd", {}, MARKS[symbol] ?? visible(symbol)),
    element("small", {}, `${(100 * chance).toFixed(chance < 0.1 ? 1 : 0)} %`),
  );
  // The end of a document, for example, is no character.
  button.disabled = [...symbol].length > 1;
  if (isTaken) button.setAttribute("aria-current", "true");
  return button;
}

function surprise(bits) {
  if (bits === null) return "how surprising it was is not known.";
  const words = bits < 1 ? "expected" : bits < 4 ? "a little surprising" : "surprising";
  return `${words}, ${bits.toFixed(1)} bits, a chance of ${chanceShown(2 ** -bits)}.`;
}

function chanceShown(chance) {
  if (chance >= 0.01) return `${(100 * chance).toFixed(0)} %`;
  return `1 in ${Math.round(1 / chance).toLocaleString("en")}`;
}
