/** The engine in a worker: several texts at once, a little of each in turn. */

import { weightsOf } from "./model.js";
import { Network } from "./network.js";
import { Tokenizer } from "./tokenizer.js";
import { written } from "./writing.js";

/** Milliseconds of work between two looks at the messages. */
const SLICE = 25;

/** Milliseconds between two pieces of a text, since the page takes as long for any. */
const INTERVAL = 80;

/** Pieces of a text that the page has not shown yet; more would make it hang. */
const MOST_UNSHOWN = 2;

/**
 * Answer the messages of the page.
 *
 * In come `{type: "load", id, model, file}`, `{type: "write", id, settings}`,
 * `{type: "shown", id}` for every piece, and `{type: "stop", id}`; out go
 * `{id, characters}` and `{id, unknown}` of each text. The last answer to a load or a text
 * is `{id, reason}`, or `{id, problem}` if it failed.
 *
 * @param {object} scope the global object of a worker.
 */
export function serve(scope) {
  const texts = new Map();
  let model = null;
  let isWorking = false;

  const load = ({ id, model: { layers, tokenizer }, file }) => {
    model = {
      network: new Network(layers, weightsOf(file)),
      tokenizer: new Tokenizer(tokenizer),
    };
    scope.postMessage({ id, reason: "loaded" });
  };
  const write = ({ id, settings }) => {
    const steps = written(model.network, model.tokenizer, settings);
    texts.set(id, { id, steps, characters: [], sentAt: 0, numUnshown: 0 });
    if (!isWorking) work();
  };
  const shown = ({ id }) => {
    const text = texts.get(id);
    if (text) text.numUnshown -= 1;
    if (!isWorking) work();
  };
  const stop = ({ id }) => {
    const text = texts.get(id);
    if (!text) return;
    send(text);
    texts.delete(id);
    scope.postMessage({ id, reason: "stopped" });
  };
  const work = () => {
    const ready = [...texts.values()].filter((text) => text.numUnshown < MOST_UNSHOWN);
    isWorking = ready.length > 0;
    if (!isWorking) return;
    for (const text of ready) orFail(text.id, () => advance(text, SLICE / ready.length));
    // Messages that have come in the meantime are read before it goes on.
    setTimeout(work);
  };
  const advance = (text, milliseconds) => {
    const { id, steps } = text;
    const end = performance.now() + milliseconds;
    let step = steps.next();
    for (; !step.done && performance.now() < end; step = steps.next()) note(text, step.value);
    if (!step.done) note(text, step.value);
    if (step.done || performance.now() >= text.sentAt + INTERVAL) send(text);
    if (step.done && texts.delete(id)) scope.postMessage({ id, reason: step.value });
  };
  const orFail = (id, action) => {
    try {
      action();
    } catch (error) {
      texts.delete(id);
      scope.postMessage({ id, problem: error.message });
    }
  };
  const note = ({ id, characters }, value) => {
    if (value?.unknown) scope.postMessage({ id, unknown: value.unknown });
    else if (value) characters.push(value);
  };
  const send = (text) => {
    if (!text.characters.length) return;
    scope.postMessage({ id: text.id, characters: text.characters });
    text.characters = [];
    text.numUnshown += 1;
    text.sentAt = performance.now();
  };

  const answers = { load, write, shown, stop };
  scope.onmessage = ({ data }) => orFail(data.id, () => answers[data.type](data));
}
