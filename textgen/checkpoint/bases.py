"""Base models: trained models with a name, each one file, which new runs may begin with.

`english` comes with the package. Others are copies of a person's own models, kept in the
user's data directory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from textgen.checkpoint.format import Checkpoint, as_single_file
from textgen.checkpoint.single_file import SUFFIX
from textgen.disk.atomic import write_file, writing_errors
from textgen.disk.places import user_folder
from textgen.errors import CheckpointError, ConfigError
from textgen.wording import did_you_mean, few, shown

AUTO, NONE = "auto", "none"
"""What a run may begin with besides a model: what suits its text, and nothing."""

ENGLISH = "english"
"""The base model that training begins with where it pays."""

ADVICE = "Free some space, then try again."

_BUNDLED = Path(__file__).parents[1] / "bases"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True)
class Base:
    """A base model.

    Args:
        path: its file.
        is_bundled: whether it came with the package.
    """

    name: str
    path: Path
    is_bundled: bool


def list_bases() -> list[Base]:
    """The base models of this installation, then those that the user added, by name."""
    own = own_bases()
    found = _bases_in(_BUNDLED, is_bundled=True)
    return found + ([] if own is None else _bases_in(own, is_bundled=False))


def own_bases() -> Path | None:
    """The directory of the bases that the user added; None without a home directory."""
    data = user_folder("data")
    return None if data is None else data / "bases"


def find_base(name: str | Path) -> Path | None:
    """The file of the base model of this name; None if there is none."""
    return next((base.path for base in list_bases() if base.name == str(name)), None)


def base_name(path: Path) -> str:
    """The name of the base model whose file this is; empty for any other checkpoint."""
    return next((base.name for base in list_bases() if base.path == path), "")


def bundled_base(name: str = ENGLISH) -> Path:
    """Where a base model of the package is, whether it is whole or not."""
    return _BUNDLED / f"{name}{SUFFIX}"


def is_bundled(path: Path) -> bool:
    """Whether a checkpoint is a base model of the package."""
    return any(base.is_bundled and base.path == path.absolute() for base in list_bases())


def add_base(name: str, checkpoint: Checkpoint, *, overwrite: bool = False) -> Path:
    """Store a copy of a model as a base, without what only resuming needs.

    Returns:
        its file.

    Raises:
        ConfigError: the name is not one, or taken.
        CheckpointError: it cannot be written, or this user has no home directory.
    """
    if not _NAME.fullmatch(name) or name in (AUTO, NONE):
        raise ConfigError(
            f"{shown(name)} cannot name a base. Choose a name of letters, digits, "
            "'_', '-' and '.', which has no other meaning here."
        )
    if bundled_base(name).exists():
        raise ConfigError(f"{name} comes with the package. Choose another name.")
    folder = own_bases()
    if folder is None:
        raise CheckpointError(
            "this user has no home directory to keep a base in. Name the run itself."
        )
    place = folder / f"{name}{SUFFIX}"
    if place.exists() and not overwrite:
        raise ConfigError(
            f"there is a base {name!r} already. Choose another name, or pass `overwrite`."
        )
    with writing_errors(place, "store the base", ADVICE):
        folder.mkdir(parents=True, exist_ok=True)
    write_file(place, as_single_file(checkpoint), ADVICE)
    return place


def remove_base(name: str) -> None:
    """Delete a base that the user added.

    Raises:
        ConfigError: there is none of this name, or it came with the package.
        CheckpointError: it cannot be deleted.
    """
    own = [base for base in list_bases() if not base.is_bundled]
    found = next((base for base in own if base.name == name), None)
    if found is None:
        names = [base.name for base in own]
        known = f"Yours: {few(names)}." if names else "You have added none."
        if bundled_base(name).exists():
            raise ConfigError(f"{name} comes with the package, which keeps it.")
        raise ConfigError(
            f"no base {shown(name)} of yours. {did_you_mean(name, names, otherwise=known)}"
        )
    try:
        found.path.unlink()
    except OSError as error:
        raise CheckpointError(
            f"{found.path}: cannot be deleted ({error.strerror or error}). Delete it by "
            "hand."
        ) from error


def _bases_in(folder: Path, *, is_bundled: bool) -> list[Base]:
    files = sorted(folder.glob(f"*{SUFFIX}"))
    return [Base(file.stem, file, is_bundled) for file in files]
