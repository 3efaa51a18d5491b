/** The page: a form, the texts that it asks for, and what can be done with them. */

import { showDetail } from "./detail.js";
import { History } from "./history.js";
import { LocalSource } from "./local.js";
import { Panel, element, visible } from "./panel.js";
import { Locked, ServerSource } from "./server.js";
import {
  choose,
  daringShown,
  fillForm,
  linkOf,
  newSeed,
  readSettings,
  settingsOf,
} from "./settings.js";
import { followTheme } from "./theme.js";

const SEPARATOR = "\ufdd0";

const byId = (id) => document.getElementById(id);
const form = byId("form");
const [write, stop, status, problem, detail] = ["write", "stop", "status", "problem", "detail"].map(byId);

const parts = ["model", "weights", "engine"].map(byId);
const source = parts[0] ? new LocalSource(...parts) : new ServerSource();
let models = [];
let history = null;
let running = null;

/** Show the models, and do what the address asks for. */
async function begin() {
  report("Loading …");
  try {
    models = await source.models();
  } catch (error) {
    return say(error);
  }
  choices(form.elements.model, models.map(({ name }) => name));
  byId("model-field").hidden = models.length < 2;
  form.elements.model.addEventListener("change", showModel);
  showModel();
  report("");
  write.disabled = false;
  followLink();
  return undefined;
}

/** Show what is known of the chosen model. */
function showModel() {
  const { name, card = "", labels } = chosenModel();
  byId("name").textContent = visible(name);
  document.title = `${visible(name)}: textgen`;
  choices(form.elements.label, ["", ...labels]);
  byId("label-field").hidden = labels.length === 0;
  byId("card").textContent = visible(card);
  byId("about").hidden = card === "";
  history = new History(byId("history"), name, open);
}

const chosenModel = () => models.find(({ name }) => name === form.elements.model.value);

function choices(select, values) {
  select.replaceChildren(
    ...values.map((value) => element("option", { value }, value === "" ? "any" : visible(value))),
  );
}

/** Put settings into the form, for the model that they are of. */
function fill(settings) {
  choose(form.elements.model, settings.model);
  showModel();
  fillForm(form, settings);
  showDaring();
}

/** Write what the form asks for. */
async function run() {
  if (running || !models.length || !form.reportValidity()) return;
  const settings = readSettings(form);
  if (chosenModel().completes && settings.prompt === "") {
    return say(new Error("This model completes prompts. Write one."));
  }
  settings.seed ||= newSeed();
  const panels = show(settings);
  running = new AbortController();
  setRunning(true);
  try {
    const warnings = new Set();
    const note = (number, { characters, warning }) => {
      if (characters) panels[number].add(characters);
      if (warning) warnings.add(visible(warning));
    };
    const reasons = await source.write(settings, note, running.signal);
    panels.forEach((panel, number) => panel.end(reasons[number]));
    const counts = panels.map((panel) => [...panel.written].length);
    report([`Done: ${counts.join(", ")} characters.`, ...warnings].join(" "));
    history.add({ settings, texts: panels.map((panel) => panel.written) });
  } catch (error) {
    running.abort();
    panels.forEach((panel) => panel.end("an error ended it"));
    say(error);
  } finally {
    running = null;
    setRunning(false);
  }
  return undefined;
}

/** Empty panels for the texts of these settings. */
function show(settings) {
  detail.hidden = true;
  problem.hidden = true;
  report("Writing …");
  const prompt = begun(settings.prompt).replace(SEPARATOR, "\n");
  const panels = Array.from({ length: settings.variants }, (_, number) => {
    const of = settings.variants > 1 ? ` ${number + 1}` : "";
    const title = `Text${of}, seed ${settings.seed}`;
    return new Panel({ title, prompt, link: linkOf(settings) }, (panel, at) =>
      showDetail(detail, panel, at, (text) => writeOn(settings, text)),
    );
  });
  byId("texts").replaceChildren(...panels.map((panel) => panel.element));
  return panels;
}

/** Go on from a text that was begun. */
function writeOn(settings, text) {
  running?.abort();
  fill({ ...settings, seed: null });
  // The separator, which is shown as the end of a line, is a character like it.
  const read = begun(settings.prompt);
  form.elements.prompt.value = read + text.slice(read.length);
  afterwards(run);
}

/** A prompt as the model reads it: a completion begins after a separator. */
function begun(prompt) {
  return chosenModel().completes && !prompt.includes(SEPARATOR) ? prompt + SEPARATOR : prompt;
}

/** Show an earlier text again; nothing is known of its surprise. */
function open({ settings, texts }) {
  fill(settings);
  const panels = show({ ...settings, variants: texts.length });
  texts.forEach((text, number) => {
    const characters = [...text].map((each) => ({ text: each, bits: null, likeliest: [] }));
    panels[number].add(characters);
    panels[number].end("an earlier text");
  });
  report("");
  byId("texts").focus();
}

/** Write the text that the address stands for. */
function followLink() {
  const settings = settingsOf(location.hash);
  if (!settings || !models.length) return;
  running?.abort();
  fill(settings);
  afterwards(run);
}

/** Do something once the texts that are being written have ended. */
function afterwards(action) {
  if (running) setTimeout(() => afterwards(action), 20);
  else action();
}

function setRunning(isRunning) {
  write.disabled = isRunning;
  stop.disabled = !isRunning;
}

function say(error) {
  problem.textContent = visible(error.message);
  problem.hidden = false;
  report("");
  if (error instanceof Locked) {
    byId("locked").hidden = false;
    byId("key").focus();
  }
}

function report(text) {
  status.textContent = text;
}

function showDaring() {
  byId("daring").textContent = daringShown(Number(form.elements.temperature.value));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
form.elements.temperature.addEventListener("input", showDaring);
stop.addEventListener("click", () => running?.abort());
byId("key").addEventListener("change", ({ target }) => {
  source.key = target.value;
  byId("locked").hidden = true;
  problem.hidden = true;
  if (!models.length) begin();
});
byId("coloured").addEventListener("change", ({ target }) => {
  byId("texts").classList.toggle("coloured", target.checked);
});
addEventListener("hashchange", followLink);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  if (event.key === "Enter" && event.target.classList?.contains("text")) {
    byId("onward").click();
  }
});
followTheme(byId("theme"));
byId("texts").classList.add("coloured");
showDaring();
begin();
