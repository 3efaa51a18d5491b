"""The engine of the page by itself, in a browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from textgen.config.model import ModelConfig
from textgen.config.sampling import SamplingConfig
from textgen.exporting.bundle import bundled
from textgen.exporting.html import described_layers
from textgen.page import source
from textgen.text.tokenizers.serialization import Tokenizer

ENTRY = """
import { weightsOf } from "./engine/model.js";
import { Network } from "./engine/network.js";
import { Memory, addProductPlainly, paddedSize } from "./engine/products.js";
import { Tokenizer } from "./engine/tokenizer.js";
import { serve } from "./engine/worker.js";
import { written } from "./engine/writing.js";
export const engine = { Memory, addProductPlainly, paddedSize };

/** What a network computes from ids, and what it writes. */
export function tried({ layers, tokenizer, file, ids, texts }) {
  const bytes = Uint8Array.from(atob(file), (each) => each.charCodeAt(0));
  const network = new Network(layers, weightsOf(bytes));
  const state = network.start();
  const logits = ids.map((id) => [...network.step(id, state)]);
  const reader = new Tokenizer(tokenizer);
  return { logits, texts: texts.map((each) => write(network, reader, each)) };
}

/** The last answers of the worker to a load, and to texts one after the other. */
export async function answered({ layers, tokenizer, file, texts }) {
  const scope = {};
  const asked = (message) =>
    new Promise((resolve) => {
      scope.postMessage = (answer) => (answer.reason || answer.problem) && resolve(answer);
      scope.onmessage({ data: message });
    });
  serve(scope);
  const bytes = Uint8Array.from(atob(file), (each) => each.charCodeAt(0));
  const model = { layers, tokenizer };
  const answers = [await asked({ type: "load", id: "model", model, file: bytes })];
  for (const [id, settings] of texts.entries()) {
    answers.push(await asked({ type: "write", id, settings }));
  }
  return answers;
}

function write(network, tokenizer, settings) {
  const steps = written(network, tokenizer, settings);
  const found = { text: "", bits: 0, likeliest: [], unknown: [] };
  let step = steps.next();
  for (; !step.done; step = steps.next()) {
    if (step.value?.unknown) found.unknown = step.value.unknown;
    else if (step.value) {
      found.text += step.value.text;
      found.bits += step.value.bits;
      found.likeliest.push(step.value.likeliest);
    }
  }
  return { ...found, reason: step.value };
}
"""


def open_engine(browser: Any, folder: Path) -> None:
    """Open a page that holds nothing but the engine."""
    script = bundled("tests.js", lambda name: ENTRY if name == "tests.js" else source(name))
    content = f"<meta charset=utf-8><script>const tests = {script};</script>"
    page = folder / "engine.html"
    page.write_text(content, encoding="utf-8")
    browser.get(page.as_uri())


def tried(
    browser: Any,
    config: ModelConfig,
    stored: Mapping[str, np.ndarray],
    tokenizer: Tokenizer,
    ids: list[int],
    texts: list[dict[str, Any]],
) -> dict[str, Any]:
    """What the engine makes of a model: logits after each id, and texts."""
    data = {**_described(config, stored, tokenizer), "ids": ids, "texts": texts}
    script = "return tests.tried(JSON.parse(arguments[0]))"
    found: dict[str, Any] = browser.execute_script(script, json.dumps(data))
    return found


def answered(
    browser: Any,
    config: ModelConfig,
    stored: Mapping[str, np.ndarray],
    tokenizer: Tokenizer,
    texts: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The last answers of the worker: to the model, and to each text."""
    data = {**_described(config, stored, tokenizer), "texts": texts}
    script = "tests.answered(JSON.parse(arguments[0])).then(arguments[1])"
    found: list[dict[str, Any]] = browser.execute_async_script(script, json.dumps(data))
    return found


def _described(
    config: ModelConfig, stored: Mapping[str, np.ndarray], tokenizer: Tokenizer
) -> dict[str, Any]:
    arrays = {name: np.ascontiguousarray(array) for name, array in stored.items()}
    return {
        "layers": list(described_layers(config)),
        "tokenizer": tokenizer.to_dict(),
        "file": base64.b64encode(save(arrays)).decode(),
    }


def settings(
    sampling: SamplingConfig, prompt: str = "", seed: int = 0, number: int = 0, **more: Any
) -> dict[str, Any]:
    """Settings in the words of the page."""
    return {
        "prompt": prompt,
        "numChars": sampling.length,
        "temperature": sampling.temperature,
        "topK": sampling.top_k,
        "topP": sampling.top_p,
        "minP": sampling.min_p,
        "repetitionPenalty": sampling.repetition_penalty,
        "stop": list(sampling.stop),
        "seed": str(seed),
        "number": number,
        "label": None,
        **more,
    }
