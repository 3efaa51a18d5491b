"""A run writes where nothing is lost, and is found again by path, name or age."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgen.checkpoint.format import (
    CONFIG,
    FILES,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from textgen.checkpoint.runs import (
    RunDirectory,
    default_out,
    find_checkpoint,
    newest_checkpoint,
)
from textgen.config.model import ModelConfig
from textgen.errors import CheckpointError
from textgen.text.reading.sources import find_sources
from textgen.text.tokenizers.char import CharTokenizer


def save(path: Path, vocab_size: int = 2) -> None:
    config = ModelConfig(vocab_size=vocab_size, num_layers=1, units=2, embedding_dim=2)
    weights = {name: np.zeros(s, np.float32) for name, s in config.weight_shapes().items()}
    save_checkpoint(path, Checkpoint(config, CharTokenizer("abc"[:vocab_size]), weights))


def make_run(path: Path, age: int = 0) -> RunDirectory:
    """A run as training leaves it, written `age` seconds before the year 2001."""
    run = RunDirectory(path)
    save(run.best)
    save(run.last)
    run.history_csv.write_text("step\n")
    run.history_png.write_bytes(b"png")
    run.previews.write_text("{}\n")
    run.status.write_text("{}\n")
    for directory in (run.best, run.last):
        os.utime(directory / CONFIG, (978_300_000 - age,) * 2)
    return run


def begin(run: RunDirectory, overwrite: bool = False) -> None:
    """Begin a new run, whose first checkpoint is three symbols wide."""
    run.begin(lambda: save(run.last, vocab_size=3), overwrite=overwrite)


def refusal(run: RunDirectory, overwrite: bool = False) -> str:
    with pytest.raises(CheckpointError) as caught:
        begin(run, overwrite)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names_under(path: Path) -> set[str]:
    return {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}


# --- beginning a run ---


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_missing_directory_is_created(tmp_path: Path, overwrite: bool) -> None:
    run = RunDirectory(tmp_path / "a" / "run")
    run.check(overwrite=overwrite)
    assert not run.path.parent.exists()
    begin(run, overwrite)
    assert os.listdir(run.path) == ["last"]


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    begin(RunDirectory(tmp_path))
    assert os.listdir(tmp_path) == ["last"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_place_with_files_of_others_is_refused(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    assert refusal(RunDirectory(tmp_path), overwrite) == (
        f"{tmp_path} is not empty and holds no run of textgen. Choose another `out`."
    )
    assert (tmp_path / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_refused(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "run").write_text("mine")
    run = RunDirectory(tmp_path / "run")
    assert refusal(run, overwrite) == f"{run.path} is a file. Choose another `out`."
    assert run.path.read_text() == "mine"


@pytest.mark.parametrize("name", ["file/run", "x" * 300])
def test_a_place_that_cannot_be_made_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    message = refusal(RunDirectory(tmp_path / name))
    assert message.startswith(f"{tmp_path / name}: cannot use this directory (")
    assert message.endswith("). Choose another `out`.")


def test_a_place_that_cannot_be_looked_into_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(
        CheckpointError, match=r"cannot use this directory \(Permission denied\)"
    ):
        RunDirectory(tmp_path).check()


def test_another_run_is_kept_unless_overwrite_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    before = names_under(run.path)
    assert refusal(run) == (
        f"{run.path} already holds a run. Continue it with `resume=True`, replace it with "
        "`overwrite=True`, or choose another `out`."
    )
    assert names_under(run.path) == before


def test_overwriting_replaces_last_and_history_and_keeps_best(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    save(run.path / ".last.old")
    save(run.path / ".last.new")
    (run.path / ".history.csv.new").write_text("st")
    run.logs.joinpath("train").mkdir(parents=True)
    run.logs.joinpath("train", "events.out.tfevents.1.host").write_bytes(b"curve")
    begin(run, overwrite=True)
    assert {name.split("/")[0] for name in names_under(run.path)} == {"best", "last"}
    assert load_checkpoint(run.last).model.vocab_size == 3
    # It is replaced by the first evaluation.
    assert load_checkpoint(run.best).model.vocab_size == 2


def test_a_run_that_cannot_be_saved_leaves_the_old_one_whole(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    before = names_under(run.path)

    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match="No space left on device"):
        run.begin(fail, overwrite=True)
    assert names_under(run.path) == before
    assert load_checkpoint(run.last).model.vocab_size == 2


def test_overwriting_keeps_whatever_textgen_did_not_write(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    mine = {"notes.txt", "best/notes.txt", "last/a/b.txt", "logs/train/notes.txt"}
    for name in mine:
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / name).write_text("mine")
    begin(run, overwrite=True)
    save(run.best)
    assert mine < names_under(run.path)


def test_a_link_in_a_run_stays_when_the_run_is_overwritten(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    run.last.rename(tmp_path / "elsewhere")
    run.last.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    begin(run, overwrite=True)
    assert run.last.is_symlink()
    assert load_checkpoint(tmp_path / "elsewhere").model.vocab_size == 3


@pytest.mark.parametrize("name", ["best", ".best.old", "last", ".last.old"])
@pytest.mark.parametrize("file", FILES)
def test_what_is_left_of_a_run_is_a_run(tmp_path: Path, name: str, file: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / file).write_text("x")
    run = RunDirectory(tmp_path)
    assert "already holds a run" in refusal(run)
    begin(run, overwrite=True)
    assert load_checkpoint(run.last).model.vocab_size == 3


def test_overwriting_that_was_cut_short_can_be_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time one more file is removed before the crash."""
    unlink = Path.unlink
    for moment in range(100):
        run = make_run(tmp_path / str(moment))
        left = moment

        def crash(path: Path, missing_ok: bool = False) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            unlink(path, missing_ok)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", crash)
            try:
                begin(run, overwrite=True)
            except KeyboardInterrupt:
                # Either run, and the old one with its history.
                last = load_checkpoint(run.last)
                assert last.model.vocab_size == 3 or run.history_csv.exists()
                assert load_checkpoint(run.best).model.vocab_size == 2
            else:
                break
        begin(run, overwrite=True)
        assert load_checkpoint(run.last).model.vocab_size == 3
        assert sorted(os.listdir(run.path)) == ["best", "last"]
    assert 8 < moment < 99


def test_a_first_save_that_was_cut_short_does_not_block_the_directory(
    tmp_path: Path,
) -> None:
    for name in (".last.new", ".best.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / CONFIG).write_text("{")
    run = RunDirectory(tmp_path)
    begin(run)
    assert load_checkpoint(run.last).model.vocab_size == 3
    run.remove_leftovers()
    assert os.listdir(tmp_path) == ["last"]


# --- naming a run ---


@pytest.mark.parametrize(
    ("paths", "out"),
    [
        ("texts/my_book.txt", "my_book"),
        ("vol.1.txt", "vol.1"),
        (["book.txt.gz", "b.txt"], "book"),
        ("poems/*.md", "poems"),
        ("-", "stdin"),
        ("README", "README"),
        ("BOOK.TXT.GZ", "BOOK"),
        ("poems/**/*.md", "poems"),
        ("poems/20??/[ab]*", "poems"),
    ],
)
def test_a_run_is_named_after_its_first_text(paths: Any, out: str) -> None:
    assert default_out(paths) == Path("checkpoints", out)


def test_a_file_whose_name_looks_like_a_glob_names_its_run(tmp_path: Path) -> None:
    (tmp_path / "we[ird].txt").write_text("text")
    assert default_out(tmp_path / "we[ird].txt") == Path("checkpoints", "we[ird]")


def test_a_run_on_a_pipe_is_named_like_one_on_standard_input(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert default_out(tmp_path / "fifo") == Path("checkpoints", "stdin")
    reading, writing = os.pipe()
    # What a shell makes of <(cat a.txt).
    assert default_out(f"/dev/fd/{reading}") == Path("checkpoints", "stdin")
    os.close(reading)
    os.close(writing)


def test_files_whose_names_match_each_other_as_patterns_keep_their_own(
    tmp_path: Path,
) -> None:
    for name in ("song1", "song[1]", "song[2]"):
        (tmp_path / f"{name}.txt").write_text(name)
        assert default_out(tmp_path / f"{name}.txt") == Path("checkpoints", name)
        found = find_sources(tmp_path / f"{name}.txt", "*.txt")
        assert [source.name for source in found] == [str(tmp_path / f"{name}.txt")]


# --- finding a checkpoint ---


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `checkpoints/` of a working directory, with two runs."""
    monkeypatch.chdir(tmp_path)
    make_run(Path("checkpoints/older"), age=100)
    make_run(Path("checkpoints/newer"), age=10)
    return Path("checkpoints")


def test_a_checkpoint_is_found_by_path(runs: Path) -> None:
    assert find_checkpoint(runs / "older") == runs / "older" / "best"
    assert find_checkpoint(str(runs / "older" / "last")) == runs / "older" / "last"
    assert find_checkpoint((runs / "older").absolute()).is_absolute()


def test_a_checkpoint_is_found_by_the_name_of_its_run(runs: Path) -> None:
    assert find_checkpoint("older") == runs / "older" / "best"
    assert find_checkpoint("older/last") == runs / "older" / "last"


def test_a_checkpoint_here_comes_before_a_run_of_that_name(runs: Path) -> None:
    save(Path("older"))
    assert find_checkpoint("older") == Path("older")


def test_a_folder_of_texts_does_not_hide_the_run_that_was_trained_on_it(
    runs: Path,
) -> None:
    Path("older").mkdir()
    Path("older", "poem.txt").write_text("text")
    assert find_checkpoint("older") == runs / "older" / "best"


def test_without_a_name_the_newest_run_is_taken(runs: Path) -> None:
    assert find_checkpoint() == runs / "newer" / "best"
    os.utime(runs / "older" / "best" / CONFIG)
    assert find_checkpoint() == runs / "older" / "best"


def test_the_newest_run_is_found_after_a_crash_between_two_renames(runs: Path) -> None:
    (runs / "newer" / "best").rename(runs / "newer" / ".best.old")
    assert find_checkpoint().resolve() == (runs / "newer" / ".best.old").resolve()
    assert find_checkpoint("newer").name == ".best.old"


def test_a_checkpoint_replaced_at_this_moment_is_the_newest(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = Path.stat

    def vanish(path: Path, **options: bool) -> os.stat_result:
        if path == runs / "older" / "best" / CONFIG:
            raise FileNotFoundError(2, "No such file or directory")
        return look_up(path, **options)

    monkeypatch.setattr(Path, "stat", vanish)
    monkeypatch.setattr(Path, "glob", lambda path, pattern: _listed(path, pattern))
    assert newest_checkpoint(runs) == runs / "older" / "best"


def _listed(path: Path, pattern: str) -> list[Path]:
    return [path / run / pattern[2:] for run in ("older", "newer") if "/best/" in pattern]


def test_no_checkpoint_at_all_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    message = (
        "no checkpoint under checkpoints/. Train one: textgen train YOUR_TEXT.txt. Or name "
        "a base model, which is here already: english."
    )
    Path("checkpoints").mkdir()
    for _ in "before", "after":
        with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
            find_checkpoint()
        Path("checkpoints", "README.md").write_text("Runs go here.")


@pytest.mark.parametrize("name", ["xyz", "Once upon a time " * 30])
def test_what_is_no_checkpoint_and_no_run_is_named(runs: Path, name: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(name)
    assert str(caught.value) == (
        f"{name}: not a checkpoint (no such directory). "
        "The newest runs under checkpoints/: newer, older."
    )


def test_a_run_that_was_stopped_before_its_first_evaluation_is_not_the_newest(
    runs: Path,
) -> None:
    save(runs / "aborted" / "last")
    assert find_checkpoint() == runs / "newer" / "best"
    with pytest.raises(CheckpointError, match=r"under checkpoints/: newer, older, abort"):
        find_checkpoint("xyz")


def test_a_run_without_an_evaluation_yet_is_found_by_its_last(tmp_path: Path) -> None:
    save(tmp_path / "runs" / "early" / "last")
    assert newest_checkpoint(tmp_path / "runs").name == "last"
    assert find_checkpoint(tmp_path / "runs" / "early").name == "last"


def test_a_mistyped_run_gets_the_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "checkpoints" / "demo" / "best")
    with pytest.raises(
        CheckpointError,
        match=r"demmo: not a checkpoint \(no such directory\)\. Did you mean 'demo'\?$",
    ):
        find_checkpoint("demmo")
