"""Train a character-level model on your own text with Keras; generate more like it.

    path = textgen.train("my_book.txt")
    print(textgen.Generator.load(path).generate("It was ", length=400))

Names are loaded on first use: `import textgen` costs nothing, and only training imports
Keras. Once Keras is imported, by whatever code, it knows the layers of this package.
`docs/api.md` has a page about each name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from textgen.registration import register_with_keras
from textgen.version import __version__ as __version__

if TYPE_CHECKING:
    # For type checkers and editors; `as` marks a name as public.
    from textgen.checkpoint.format import load_checkpoint as load_checkpoint
    from textgen.config.model import ModelConfig as ModelConfig
    from textgen.config.sampling import SamplingConfig as SamplingConfig
    from textgen.config.text import TextConfig as TextConfig
    from textgen.config.train import TrainConfig as TrainConfig
    from textgen.errors import TextgenError as TextgenError
    from textgen.exporting.export import export as export
    from textgen.generation.decoding.sample import Sample as Sample
    from textgen.generation.generator import Generator as Generator
    from textgen.generation.scoring.score import Score as Score
    from textgen.generation.scoring.trace import Trace as Trace
    from textgen.generation.vectorizer import TextVectorizer as TextVectorizer
    from textgen.text.encoded.splitting import split as split
    from textgen.text.encoded.windows import windows as windows
    from textgen.text.reading.corpus import read_corpus as read_corpus
    from textgen.text.tokenizers.byte import ByteTokenizer as ByteTokenizer
    from textgen.text.tokenizers.char import CharTokenizer as CharTokenizer
    from textgen.training.model.build import build_model as build_model
    from textgen.training.model.build import load_model as load_model
    from textgen.training.model.compiling import compile_model as compile_model
    from textgen.training.train import train as train
    from textgen.tuning.tune import tune as tune

# Every public name and the module it is loaded from.
_HOMES = {
    "ByteTokenizer": "textgen.text.tokenizers.byte",
    "CharTokenizer": "textgen.text.tokenizers.char",
    "Generator": "textgen.generation.generator",
    "ModelConfig": "textgen.config.model",
    "Sample": "textgen.generation.decoding.sample",
    "SamplingConfig": "textgen.config.sampling",
    "Score": "textgen.generation.scoring.score",
    "TextConfig": "textgen.config.text",
    "TextVectorizer": "textgen.generation.vectorizer",
    "TextgenError": "textgen.errors",
    "Trace": "textgen.generation.scoring.trace",
    "TrainConfig": "textgen.config.train",
    "build_model": "textgen.training.model.build",
    "compile_model": "textgen.training.model.compiling",
    "export": "textgen.exporting.export",
    "load_checkpoint": "textgen.checkpoint.format",
    "load_model": "textgen.training.model.build",
    "read_corpus": "textgen.text.reading.corpus",
    "split": "textgen.text.encoded.splitting",
    "train": "textgen.training.train",
    "tune": "textgen.tuning.tune",
    "windows": "textgen.text.encoded.windows",
}

# Only with scikit-learn, which `from textgen import *` must not need.
_OPTIONAL = {"TextVectorizer"}

__all__ = [*(name for name in _HOMES if name not in _OPTIONAL), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textgen' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


# Last, because it imports parts of this package if Keras is imported already.
register_with_keras()
