"""A Keras file opens in Keras, with all that a program needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from tests.exporting.helpers import model_of
from textgen.checkpoint.format import load_checkpoint, save_checkpoint
from textgen.exporting.export import export
from textgen.generation.network.network import Network
from textgen.text.tokenizers.serialization import tokenizer_from_dict


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keras")
    # Every class of layers that is not Keras' own, except for those of other cells.
    kinds = {"conv": 3, "attention": 4, "tie_embeddings": True, "residual": True}
    save_checkpoint(folder / "run", model_of(**kinds, layer_norm=True))
    return export(folder / "run", folder / "model.keras", format="keras").path


def test_keras_opens_the_file_in_a_process_that_only_imports_textgen(
    keras_file: Path,
) -> None:
    script = (
        "import sys, textgen, keras, numpy as np\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "logits = keras.ops.convert_to_numpy(model(np.array([[1, 2, 3]])))\n"
        "print(logits[0, -1].tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(keras_file)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    saved = load_checkpoint(keras_file.with_name("run"))
    network = Network(saved.model, saved.weights)
    ((expected, _),) = network.read_chunks([1, 2, 3], network.initial_state())
    np.testing.assert_allclose(json.loads(done.stdout), expected[-1], atol=1e-4)


def test_a_keras_file_carries_vocabulary_and_card(keras_file: Path) -> None:
    with ZipFile(keras_file) as file:
        data = json.loads(file.read("textgen/tokenizer.json"))
        assert (
            tokenizer_from_dict(data)
            == load_checkpoint(keras_file.with_name("run")).tokenizer
        )
        assert file.read("textgen/README.md").startswith(b"# run")
