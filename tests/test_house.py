"""The rules of docs/architecture.md: layers, light imports, and docstrings."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import textgen
from textgen.checkpoint.format import Checkpoint, save_checkpoint
from textgen.config.model import ModelConfig
from textgen.text.tokenizers.char import CharTokenizer

PACKAGE = Path(textgen.__file__).parent
TESTS = Path(__file__).parent
HEAVY = ("keras", "tensorflow", "jax", "torch")
FLOORS = (
    ("errors", "streams", "version", "registration", "model", "page"),
    ("wording", "memory", "cores"),
    ("config", "disk"),
    ("text.unicode", "ngrams"),
    ("text.reading", "text.tokenizers"),
    ("text.encoded", "corpora"),
    ("checkpoint", "checking"),
    ("generation.sampling", "generation.patterns"),
    ("generation.network",),
    ("generation.decoding", "generation.scoring"),
    ("generation",),
    ("inspecting", "serving"),
    ("reporting",),
    ("training.backend",),
    ("training.distributed",),
    ("training.model",),
    ("training.task",),
    ("training.ending",),
    ("training.loop",),
    ("training",),
    ("tuning",),
    ("exporting",),
    ("cli",),
    ("__main__",),
)
"""From the bottom up. A package imports only from itself and from lower floors."""

HEAVY_FROM = "training.backend"
"""The lowest package that may import Keras."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
every_module = pytest.mark.parametrize("name", MODULES)


def room_of(name: str) -> str:
    """The most specific entry of `FLOORS` that contains a module."""
    inside = name.removeprefix("textgen.")
    while inside not in ROOMS:
        if not inside:
            raise LookupError(f"{name} is missing in FLOORS and docs/architecture.md")
        inside = inside.rpartition(".")[0]
    return inside


ROOMS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


parsed = cache(ast.parse)


def imported_names(source: str) -> Iterator[str]:
    """The full names of all imports, also inside functions, except for type checking."""
    yield from _imports_below(parsed(source))


def _imports_below(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "relative import"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.If) and _is_type_checking(child.test):
            yield from _imports_below(ast.Module(child.orelse, []))
        else:
            yield from _imports_below(child)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def own_module(imported: str) -> str | None:
    """The module of this package that an imported name belongs to, or None."""
    while imported:
        if imported in MODULES:
            return imported
        imported = imported.rpartition(".")[0]
    return None


def is_in(imported: str, packages: tuple[str, ...]) -> bool:
    return any(imported == name or imported.startswith(f"{name}.") for name in packages)


def forbidden_imports(name: str, source: str) -> list[str]:
    """The imports of a module that the architecture forbids."""
    found = []
    for imported in imported_names(source):
        target = own_module(imported)
        if target is not None and target != name and not may_import(name, target):
            found.append(imported)
        last = imported.rpartition(".")[2]
        if target is not None and last.startswith("_") and last != "__version__":
            found.append(imported)
        if ROOMS[room_of(name)] < ROOMS[HEAVY_FROM] and is_in(imported, HEAVY):
            found.append(imported)
    return found


def may_import(name: str, target: str) -> bool:
    if target == "textgen" or name == "textgen":
        return name == "textgen"
    room, other = room_of(name), room_of(target)
    return room == other or ROOMS[other] < ROOMS[room]


def test_every_module_has_a_floor_and_every_entry_exists() -> None:
    rooms = {room_of(name) for name in MODULES if name not in CONTAINERS}
    assert rooms == set(ROOMS)


CONTAINERS = {"textgen", "textgen.text"}
"""Packages that only contain other packages."""


def test_modules_do_not_import_each_other_in_cycles() -> None:
    arrows = {
        name: {
            target
            for imported in imported_names(path.read_text(encoding="utf-8"))
            if (target := own_module(imported)) not in (None, name)
        }
        for name, path in MODULES.items()
        if name != "textgen"
    }
    assert cycles(arrows) == []


def cycles(arrows: dict[str, set[str]]) -> list[str]:
    """The modules in import cycles, and those that import them."""
    left = dict(arrows)
    while free := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


def test_a_cycle_is_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


MODULES_AND_TESTS = [*MODULES.values(), *sorted(TESTS.rglob("*.py"))]


def test_no_folder_has_more_than_a_dozen_modules_or_tests() -> None:
    counted = [p for p in MODULES_AND_TESTS if TESTS not in p.parents or p.match("test_*")]
    folders = Counter(path.parent for path in counted if path.stem != "__init__")
    assert [folder for folder, count in folders.items() if count > 13] == []


def test_no_file_has_more_than_400_lines() -> None:
    lengths = {p: p.read_text(encoding="utf-8").count("\n") for p in MODULES_AND_TESTS}
    assert [path for path, lines in lengths.items() if lines > 400] == []


@every_module
def test_a_module_imports_only_from_its_own_package_or_lower_floors(name: str) -> None:
    if name in CONTAINERS:
        return
    assert forbidden_imports(name, MODULES[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "source", "forbidden"),
    [
        ("text.encoded.windows", "from textgen.checkpoint.format import FILES", True),
        ("config.text", "import textgen.text.encoded.windows", True),
        ("config.text", "from textgen.disk import lock", True),
        ("checkpoint.format", "from textgen import training", True),
        ("checkpoint.format", "from textgen.generation.generator import Generator", True),
        ("checkpoint.format", "from textgen.checkpoint.runs import _is_empty", True),
        ("checkpoint.describe", "def f():\n    import keras.ops", True),
        ("generation.generator", "from jax import numpy", True),
        ("generation.generator", "from textgen.training.train import train", True),
        ("training.train", "import textgen", True),
        ("config.text", "if TYPE_CHECKING:\n    import keras", False),
        ("config.text", "if TYPE_CHECKING:\n    x\nelse:\n    import keras", True),
        ("training.train", "import keras", False),
        ("training.train", "from textgen.version import __version__", False),
        ("checkpoint.runs", "from textgen.checkpoint.format import FILES", False),
    ],
)
def test_forbidden_imports_are_found(name: str, source: str, forbidden: bool) -> None:
    assert bool(forbidden_imports(f"textgen.{name}", source)) is forbidden


@pytest.mark.parametrize("name", textgen.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(textgen, name) is not None


def test_the_package_lists_its_public_names_and_no_others() -> None:
    assert dir(textgen) == sorted(textgen.__all__)
    with pytest.raises(AttributeError, match="module 'textgen' has no attribute 'sample'"):
        textgen.sample  # noqa: B018


def test_type_checkers_see_the_same_public_names() -> None:
    tree = ast.parse(MODULES["textgen"].read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        name.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert seen == textgen._HOMES


def test_the_types_that_a_generator_returns_are_public() -> None:
    hints = {
        name: inspect.signature(getattr(textgen.Generator, name)).return_annotation
        for name in ("samples", "score", "trace")
    }
    assert hints == {"samples": "Iterator[Sample]", "score": "Score", "trace": "Trace"}
    assert {"Sample", "Score", "Trace"} <= set(textgen.__all__)


# --- imports of a new process ---


def modules_after(code: str, *arguments: str) -> set[str]:
    """The top-level packages imported in a new process after running `code`."""
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
        "assert run(['info', sys.argv[1]]) == 0\n"
        "assert run(['export', sys.argv[1], '-o', sys.argv[2], '--format', 'html']) == 0",
        str(checkpoint),
        str(checkpoint.with_name("page.html")),
    )
    assert not loaded & set(HEAVY)


# --- docstrings ---


def undocumented(tree: ast.Module) -> Iterator[str]:
    """The public classes, functions and methods without a docstring, and the module."""
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
    tree = parsed(MODULES[name].read_text(encoding="utf-8"))
    assert list(undocumented(tree)) == []


def test_a_missing_docstring_is_found() -> None:
    source = "class A:\n    def f(self): pass\n    def _g(self): pass\ndef h(): pass"
    assert list(undocumented(ast.parse(source))) == ["the module", "A", "f", "h"]
