"""Character-level text generation with Keras: train on your own text, sample at once.

    path = textgen.train("my_book.txt")
    print(textgen.Generator.load(path).generate("It was ", length=400))

Names are loaded when they are first used: `import textgen` costs nothing, and only
training imports Keras.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from textgen.checkpoint import load_checkpoint
    from textgen.config import ModelConfig, SamplingConfig, TextConfig, TrainConfig
    from textgen.errors import TextgenError
    from textgen.generation.generator import Generator
    from textgen.text.corpus import read_corpus
    from textgen.text.lanes import windows
    from textgen.text.splitting import split
    from textgen.text.tokenizer import ByteTokenizer, CharTokenizer
    from textgen.training.compiling import compile_model
    from textgen.training.model import build_model, load_model
    from textgen.training.train import train

_HOMES = {
    "train": "textgen.training.train",
    "load_model": "textgen.training.model",
    "build_model": "textgen.training.model",
    "compile_model": "textgen.training.compiling",
    "Generator": "textgen.generation.generator",
    "load_checkpoint": "textgen.checkpoint",
    "read_corpus": "textgen.text.corpus",
    "split": "textgen.text.splitting",
    "windows": "textgen.text.lanes",
    "CharTokenizer": "textgen.text.tokenizer",
    "ByteTokenizer": "textgen.text.tokenizer",
    "TextConfig": "textgen.config",
    "ModelConfig": "textgen.config",
    "TrainConfig": "textgen.config",
    "SamplingConfig": "textgen.config",
    "TextgenError": "textgen.errors",
}

__all__ = [
    "ByteTokenizer",
    "CharTokenizer",
    "Generator",
    "ModelConfig",
    "SamplingConfig",
    "TextConfig",
    "TextgenError",
    "TrainConfig",
    "__version__",
    "build_model",
    "compile_model",
    "load_checkpoint",
    "load_model",
    "read_corpus",
    "split",
    "train",
    "windows",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textgen' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
