"""Base models: the one of the package, a person's own, and how they are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.checkpoint.helpers import make
from textgen.checkpoint.bases import (
    ENGLISH,
    add_base,
    bundled_base,
    find_base,
    list_bases,
    own_bases,
    remove_base,
)
from textgen.checkpoint.format import load_checkpoint, save_checkpoint
from textgen.checkpoint.runs import find_checkpoint
from textgen.cli import cli
from textgen.errors import CheckpointError, ConfigError

MOST_BYTES = 8 * 10**6


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without bases, in a folder without runs."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bases", *arguments])


def test_the_package_brings_a_small_model_of_english() -> None:
    path = find_checkpoint(ENGLISH)
    assert path == bundled_base(ENGLISH)
    assert path.stat().st_size <= MOST_BYTES
    saved = load_checkpoint(path)
    assert set("abcABC123.,;“”‘’—–é\n") <= set(saved.tokenizer.characters)
    assert saved.ngrams is None


def test_its_card_says_what_it_has_read_and_how_well_it_predicts() -> None:
    card = CliRunner().invoke(cli, ["info", ENGLISH, "--card"]).output
    assert card.startswith("# english")
    assert "three men in a boat" in card


def test_a_run_of_the_same_name_comes_first(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoints" / ENGLISH, make())
    assert find_checkpoint(ENGLISH) == Path("checkpoints", ENGLISH)


def test_a_copy_of_a_run_is_found_by_its_name(tmp_path: Path) -> None:
    saved = make()
    place = add_base("diary", saved)
    assert find_base("diary") == place == find_checkpoint("diary")
    loaded = load_checkpoint(place)
    for name, weight in saved.weights.items():
        np.testing.assert_array_equal(loaded.weights[name], weight)
    assert [base.name for base in list_bases()] == [ENGLISH, "diary"]
    remove_base("diary")
    assert find_base("diary") is None


def test_a_base_is_not_replaced_by_accident() -> None:
    add_base("diary", make())
    with pytest.raises(ConfigError, match="there is a base 'diary' already"):
        add_base("diary", make())
    add_base("diary", make(), overwrite=True)


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "-x", "x" * 101, ".hidden", "auto", "none"]
)
def test_names_that_mean_something_else_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a base"):
        add_base(name, make())


def test_the_base_of_the_package_stays() -> None:
    with pytest.raises(ConfigError, match="comes with the package"):
        add_base(ENGLISH, make(), overwrite=True)
    with pytest.raises(ConfigError, match="comes with the package, which keeps it"):
        remove_base(ENGLISH)
    with pytest.raises(ConfigError, match="You have added none"):
        remove_base("another")
    assert bundled_base(ENGLISH).exists()


def test_a_mistyped_name_is_corrected() -> None:
    with pytest.raises(CheckpointError, match="Did you mean 'english'"):
        find_checkpoint("englsh")
    add_base("diary", make())
    with pytest.raises(ConfigError, match="Did you mean 'diary'"):
        remove_base("dairy")


def test_the_command_adds_lists_and_removes(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoints" / "notes", make())
    added = run("add", "diary", "notes")
    assert "--init-from diary" in added.output, added.output
    lines = run().output.splitlines()
    assert [line.split()[0] for line in lines] == [ENGLISH, "diary"]
    assert "comes with textgen" in lines[0]
    assert "yours" in lines[1]
    assert "diary is deleted" in run("remove", "diary").output
    assert len(run().output.splitlines()) == 1


def test_a_damaged_base_is_listed_with_what_is_wrong() -> None:
    add_base("diary", make())
    folder = own_bases()
    assert folder is not None
    (folder / "diary.safetensors").write_bytes(b"nothing")
    assert "damaged" in run().output.splitlines()[1]
