"""A model as a `.keras` file, which `keras.models.load_model` opens after `import textgen`.

It is a zip file; beside what Keras puts there, it holds `config.json`, `tokenizer.json` and
`README.md`, as a single file of this package does.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from textgen.checkpoint.format import Checkpoint
from textgen.checkpoint.single_file import metadata_of
from textgen.training.backend.choice import AUTO, choose_backend
from textgen.training.backend.noise import filtered_stderr


def keras_bytes(saved: Checkpoint, card: str) -> bytes:
    """The content of the file.

    Args:
        card: a description for people, in Markdown.

    Raises:
        BackendError: no backend of Keras can be loaded.
    """
    choose_backend(AUTO, saved.model)
    # Once the backend is chosen.
    from textgen.training.model.build import build_model, set_weights

    model = build_model(saved.model)
    set_weights(model, saved.model, saved.weights)
    with tempfile.TemporaryDirectory(prefix="textgen-") as folder:
        path = Path(folder) / "model.keras"
        # Saving loads TensorFlow, if it is installed, whatever the backend.
        with filtered_stderr():
            model.save(path)
        with zipfile.ZipFile(path, "a") as file:
            parts = metadata_of(saved.model, saved.tokenizer, saved.facts, card)
            for name, content in parts.items():
                # Keras has files of its own, one of them called config.json.
                file.writestr(f"textgen/{name}", content)
        return path.read_bytes()
