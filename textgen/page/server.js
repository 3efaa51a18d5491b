/** Models behind the API of `textgen serve`. */

import { stopsOf } from "./settings.js";

const NUM_LIKELIEST = 6;
const KEY = "textgen key";

/** The server asks for a key, or for another one. */
export class Locked extends Error {}

/** A source of texts. */
export class ServerSource {
  /** The key for requests, kept until the browser is closed. */
  set key(value) {
    sessionStorage.setItem(KEY, value);
  }

  /** What is known of the models. */
  async models() {
    const response = await this.#asked("v1/models");
    const { data } = await response.json();
    return data.map((model) => ({
      name: model.id,
      labels: model.labels,
      completes: model.completes,
    }));
  }

  /** Write texts side by side; see `LocalSource.write`. */
  async write(settings, onNews, signal) {
    const body = JSON.stringify(requestOf(settings));
    const reasons = Array(settings.variants).fill("stopped");
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await this.#asked("v1/completions", { method: "POST", body, headers, signal });
      for await (const event of eventsOf(response.body)) {
        if (event.error) throw new Error(event.error.message);
        for (const warning of event.warnings ?? []) onNews(0, { warning });
        for (const { index, logprobs, text, finish_reason: reason, ended_by: endedBy } of event.choices) {
          const characters = charactersOf(text, logprobs);
          if (characters.length) onNews(index, { characters });
          if (reason) reasons[index] = endedBy ?? reason;
        }
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
    return reasons;
  }

  async #asked(path, options = {}) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const response = await fetch(path, { ...options, headers });
    if (response.ok) return response;
    const answer = await response.json().catch(() => null);
    const message = answer?.error?.message ?? `the server answers ${response.status}.`;
    throw response.status === 401 ? new Locked(message) : new Error(message);
  }
}

/** The settings of the form in the words of the API. */
function requestOf(settings) {
  const stop = stopsOf(settings);
  const body = {
    model: settings.model,
    prompt: settings.prompt,
    max_tokens: settings.numChars,
    n: settings.variants,
    seed: Number(settings.seed),
    temperature: settings.temperature,
    top_k: settings.topK,
    top_p: settings.topP,
    min_p: settings.minP,
    repetition_penalty: settings.repetitionPenalty,
    stop: stop.length ? stop : null,
    label: settings.label || null,
    logprobs: NUM_LIKELIEST,
    stream: true,
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

/**
 * The characters of a piece of text. A model of bytes has several entries for a character:
 * their surprise adds up, and the first one tells what was likeliest.
 */
function charactersOf(text, logprobs) {
  const characters = [...text].map((each) => ({ text: each, bits: null, likeliest: [] }));
  const { token_logprobs: own = [], top_logprobs: top = [], text_offset: offsets = [] } = logprobs ?? {};
  own.forEach((logprob, n) => {
    const character = characters[offsets[n] - offsets[0]];
    if (!character) return;
    character.bits = (character.bits ?? 0) - logprob / Math.LN2;
    if (!character.likeliest.length) {
      character.likeliest = Object.entries(top[n]).map(([symbol, nats]) => [symbol, Math.exp(nats)]);
    }
  });
  return characters;
}

/** The data of server-sent events, up to `[DONE]`, without which they are not complete. */
async function* eventsOf(stream) {
  let rest = "";
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
  throw new Error("The server broke off before the text was complete.");
}
