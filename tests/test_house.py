"""The house plan holds: floors, light imports, and words for everything public."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import textgen
from textgen.checkpoint import Checkpoint, save_checkpoint
from textgen.config import ModelConfig
from textgen.text.tokenizer import CharTokenizer

PACKAGE = Path(textgen.__file__).parent
HEAVY = ("keras", "tensorflow", "jax", "torch")
FLOORS = {
    "textgen.errors": 0,
    "textgen.config": 0,
    "textgen.console": 0,
    "textgen.atomic": 0,
    "textgen.lock": 0,
    "textgen.untrusted": 0,
    "textgen.text": 1,
    "textgen.checkpoint": 2,
    "textgen.run_directory": 2,
    "textgen.describe": 2,
    "textgen.generation": 3,
    "textgen.training": 4,
    "textgen.cli": 5,
    "textgen.__main__": 5,
    "textgen": 6,
}
LIGHT_ROOMS = 3
"""The highest floor that knows nothing of Keras."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
every_module = pytest.mark.parametrize("name", MODULES)


def floor_of(name: str) -> int:
    """The floor of a module: its own entry, or that of the folder it lies in."""
    return FLOORS[name] if name in FLOORS else floor_of(name.rpartition(".")[0])


def imported_names(source: str) -> Iterator[str]:
    """Everything a file imports when it runs, also inside functions, in full."""
    yield from _imports_below(ast.parse(source))


def _imports_below(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are written in full"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            yield from _imports_below(ast.Module(child.orelse, []))
        else:
            yield from _imports_below(child)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def own_module(imported: str) -> str | None:
    """The file of the package that an imported name lives in, or None."""
    while imported:
        if imported in MODULES:
            return imported
        imported = imported.rpartition(".")[0]
    return None


def is_in(imported: str, packages: tuple[str, ...]) -> bool:
    return any(imported == name or imported.startswith(f"{name}.") for name in packages)


def breaches(name: str, source: str) -> list[str]:
    """The imports of a file that the house plan forbids."""
    found = []
    for imported in imported_names(source):
        # The number lives in `__init__.py`, where the build reads it; it needs nothing.
        if imported == "textgen.__version__":
            continue
        target = own_module(imported)
        if target is not None and floor_of(target) > floor_of(name):
            found.append(imported)
        if floor_of(name) <= LIGHT_ROOMS and is_in(imported, HEAVY):
            found.append(imported)
    return found


def test_every_module_has_a_floor_of_its_own_or_of_its_folder() -> None:
    # A new file or folder at the top is given its floor here and in DESIGN.md.
    assert {name for name in MODULES if name.count(".") <= 1} == set(FLOORS)


@every_module
def test_a_file_imports_only_from_its_own_floor_or_from_floors_below(name: str) -> None:
    assert breaches(name, MODULES[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "source", "forbidden"),
    [
        ("textgen.text.lanes", "from textgen.checkpoint import FILES", True),
        ("textgen.config", "import textgen.text.lanes", True),
        ("textgen.checkpoint", "from textgen import training", True),
        ("textgen.checkpoint", "from textgen.generation.network import Network", True),
        ("textgen.describe", "def f():\n    import keras.ops", True),
        ("textgen.generation.network", "from jax import numpy", True),
        ("textgen.generation.network", "from textgen.training.model import x", True),
        ("textgen.training.fit", "import textgen", True),
        ("textgen.text.lanes", "if TYPE_CHECKING:\n    import keras", False),
        ("textgen.text.lanes", "if TYPE_CHECKING:\n    x\nelse:\n    import keras", True),
        ("textgen.training.fit", "import keras", False),
        ("textgen.training.fit", "from textgen import __version__", False),
        ("textgen.run_directory", "from textgen.checkpoint import FILES", False),
    ],
)
def test_the_reader_of_imports_sees_what_is_forbidden(
    name: str, source: str, forbidden: bool
) -> None:
    assert bool(breaches(name, source)) is forbidden


@pytest.mark.parametrize("name", textgen.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(textgen, name) is not None


def test_the_package_lists_its_public_names_and_no_others() -> None:
    assert dir(textgen) == sorted(textgen.__all__)
    with pytest.raises(AttributeError, match="module 'textgen' has no attribute 'sample'"):
        textgen.sample  # noqa: B018


# --- what a fresh process imports ---


def modules_after(code: str, *arguments: str) -> set[str]:
    """The top-level packages that a fresh Python has imported after running `code`."""
    script = (
        f"{code}\nimport sys\nprint('LOADED', *{{m.split('.')[0] for m in sys.modules}})"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    return set(result.stdout.rpartition("LOADED")[2].split())


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    config = ModelConfig(vocab_size=2, num_layers=1, units=2, embedding_dim=2)
    weights = {name: np.zeros(s, np.float32) for name, s in config.weight_shapes().items()}
    path = tmp_path / "best"
    save_checkpoint(path, Checkpoint(config, CharTokenizer("ab"), weights))
    return path


def test_importing_the_package_or_its_command_imports_nothing_heavy() -> None:
    loaded = modules_after("import textgen, textgen.cli")
    assert "textgen" in loaded
    assert not loaded & {*HEAVY, "numpy", "safetensors"}


def test_writing_text_imports_no_keras(checkpoint: Path) -> None:
    loaded = modules_after(
        "import sys, textgen\n"
        "text = textgen.Generator.load(sys.argv[1]).generate('a', length=5)\n"
        "assert len(text) == 5",
        str(checkpoint),
    )
    assert "numpy" in loaded
    assert not loaded & set(HEAVY)


def test_help_imports_no_numpy() -> None:
    loaded = modules_after(
        "from textgen.__main__ import run\n"
        "for line in (['--help'], ['train', '--help'], ['sample', '--help']):\n"
        "    assert run(line) == 0"
    )
    assert "click" in loaded
    assert not loaded & {*HEAVY, "numpy", "safetensors"}


def test_the_commands_that_need_no_keras_import_none(checkpoint: Path) -> None:
    loaded = modules_after(
        "import sys\n"
        "from textgen.__main__ import run\n"
        "assert run(['sample', sys.argv[1], '--prompt', 'a']) == 0\n"
        "assert run(['info', sys.argv[1]]) == 0",
        str(checkpoint),
    )
    assert not loaded & set(HEAVY)


# --- words ---


def undocumented(tree: ast.Module) -> Iterator[str]:
    """The module, and its public classes, functions and methods, without a docstring."""
    if ast.get_docstring(tree) is None:
        yield "the module"
    for node in filter(_is_public, tree.body):
        members = node.body if isinstance(node, ast.ClassDef) else []
        for part in (node, *filter(_is_public, members)):
            if ast.get_docstring(part) is None:
                yield part.name


def _is_public(node: ast.stmt) -> bool:
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, kinds) and not node.name.startswith("_")


@every_module
def test_everything_public_has_a_docstring(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert list(undocumented(tree)) == []


def test_a_missing_docstring_is_seen() -> None:
    source = "class A:\n    def f(self): pass\n    def _g(self): pass\ndef h(): pass"
    assert list(undocumented(ast.parse(source))) == ["the module", "A", "f", "h"]
