/** The settings of a text: read from the form, written into it, and kept in a link. */

const NUMBERS = ["temperature", "numChars", "variants", "topK", "topP", "minP", "repetitionPenalty"];
const TEXTS = ["prompt", "seed", "stop", "label", "model"];

/** Words for what a temperature does. */
const DARING = [
  [0, "always the likeliest character"],
  [0.35, "careful, repeats itself"],
  [0.55, "sober"],
  [0.75, "balanced"],
  [0.95, "lively"],
  [1.1, "as varied as the text itself"],
  [Infinity, "wild, invents words"],
];

/** The words for a temperature, as `0.60: balanced`. */
export function daringShown(temperature) {
  const [, words] = DARING.find(([most]) => temperature <= most);
  return `${temperature.toFixed(2)}: ${words}`;
}

/**
 * What the form says.
 *
 * @returns {object} numbers, or null where a field is empty, and texts.
 */
export function readSettings(form) {
  const numbers = NUMBERS.map((name) => {
    const value = form.elements[name].value;
    return [name, value === "" ? null : Number(value)];
  });
  const texts = TEXTS.map((name) => [name, form.elements[name].value]);
  return Object.fromEntries([...numbers, ...texts]);
}

/** Write settings into the form; what they lack becomes as it was at first. */
export function fillForm(form, settings) {
  for (const name of [...NUMBERS, ...TEXTS]) {
    const field = form.elements[name];
    const value = settings[name] ?? null;
    if (field.tagName === "SELECT") choose(field, value);
    else field.value = value ?? field.defaultValue;
  }
}

/** Choose a value if there is such an option: a link may come from another model. */
export function choose(select, value) {
  if ([...select.options].some((option) => option.value === value)) select.value = value;
}

/** The fragment of an address that repeats a text. */
export function linkOf(settings) {
  const given = Object.entries(settings).filter(([, value]) => value !== null && value !== "");
  return `#${new URLSearchParams(given)}`;
}

/** The settings in an address; null without any. */
export function settingsOf(hash) {
  const found = new URLSearchParams(hash.slice(1));
  if (!found.has("seed")) return null;
  const known = [...NUMBERS, ...TEXTS].filter((name) => found.has(name));
  return Object.fromEntries(known.map((name) => [name, found.get(name)]));
}

/** The texts that end a text: the field as it is, with `\n` for the end of a line. */
export function stopsOf(settings) {
  return settings.stop === "" ? [] : [settings.stop.replaceAll("\\n", "\n")];
}

/** A seed for those who name none. */
export function newSeed() {
  return String(crypto.getRandomValues(new Uint32Array(1))[0]);
}
