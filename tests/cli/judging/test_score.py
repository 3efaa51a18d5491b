"""`textgen score` as a person meets it: files in, figures or coloured text out."""

from __future__ import annotations

import gzip
import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.helpers import STORY, figures_of, untrained, untrained_on
from textgen.__main__ import run
from textgen.text.tokenizers.byte import ByteTokenizer
from textgen.text.tokenizers.char import CharTokenizer

LETTERS = "".join(sorted(set(STORY)))
FIGURES = {
    "bits_per_char",
    "bits_per_byte",
    "nats_per_char",
    "perplexity",
    "num_chars",
    "num_bytes",
    "num_unknown",
    "protocol",
    "window",
}

Output = pytest.CaptureFixture[str]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """An untrained checkpoint of records that are glad or sad."""
    tokenizer = CharTokenizer(LETTERS, end_of_document=True, labels=("glad", "sad"))
    return untrained_on("records", tmp_path / "labelled", tokenizer)


def errors_of(output: Output, code: int, *arguments: object) -> str:
    assert run(["score", *map(str, arguments)]) == code
    shown = output.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    return shown.err


# --- figures ---


def test_score_as_json_has_the_promised_figures(
    model: Path, story: Path, capsys: Output
) -> None:
    figures = figures_of(capsys, model, story)
    assert set(figures) == FIGURES
    assert figures["num_chars"] == len(STORY) * 200
    assert (figures["protocol"], figures["window"]) == ("continuous", None)
    assert run(["score", str(model), str(story)]) == 0
    shown = capsys.readouterr()
    assert "bits per character, lower is better (continuous: " in shown.out
    assert "6,800 characters, 0 unknown" in shown.out
    assert shown.err == ""


def test_a_window_is_named_with_the_score(model: Path, story: Path, capsys: Output) -> None:
    figures = figures_of(capsys, model, story, "--window", 50)
    assert (figures["protocol"], figures["window"]) == ("windowed", 50)
    run(["score", str(model), str(story), "--window", "1000"])
    assert "(windowed: a cold start every 1,000 characters)" in capsys.readouterr().out


def test_a_compressed_file_and_standard_input_give_the_score_of_the_file(
    model: Path, story: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = figures_of(capsys, model, story)
    packed = story.with_suffix(".txt.gz")
    packed.write_bytes(gzip.compress(story.read_bytes()))
    assert figures_of(capsys, model, packed) == expected
    with story.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert figures_of(capsys, model, "-") == expected


def test_the_encoding_and_line_endings_of_a_file_do_not_change_its_score(
    tmp_path: Path, capsys: Output
) -> None:
    model = untrained(tmp_path / "bytes", ByteTokenizer())
    for name, data in (
        ("a", "né\n€\n".encode()),
        ("b", b"\xef\xbb\xbf" + "ne\u0301\r\n€\r\n".encode()),
    ):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "c").write_bytes("né\n€\n".encode("utf-16"))
    expected = figures_of(capsys, model, tmp_path / "a")
    assert expected["num_chars"] == 5
    assert figures_of(capsys, model, tmp_path / "b") == expected
    assert figures_of(capsys, model, tmp_path / "c", "--encoding", "utf-16") == expected


def test_the_normal_form_is_that_of_the_model(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "a.txt").write_text("e\u0301", encoding="utf-8")
    for form, num_chars in (("none", 2), ("nfc", 1)):
        model = untrained(tmp_path / form, ByteTokenizer(normalize=form))
        assert figures_of(capsys, model, tmp_path / "a.txt")["num_chars"] == num_chars


def test_documents_are_cut_as_the_training_text_was(tmp_path: Path, capsys: Output) -> None:
    tokenizer = CharTokenizer(LETTERS, end_of_document=True)
    model = untrained_on("lines", tmp_path / "lines", tokenizer)
    (tmp_path / "names.txt").write_text("Kit\n\nsea\n")
    figures = figures_of(capsys, model, tmp_path / "names.txt")
    assert figures["num_chars"] == len("Kit\nsea\n")


def test_unknown_characters_are_counted_and_warned_of(
    model: Path, tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "a.txt").write_text("Kit 漢字", encoding="utf-8")
    assert run(["score", str(model), str(tmp_path / "a.txt")]) == 0
    shown = capsys.readouterr()
    assert "4 characters, 2 unknown" in shown.out
    assert shown.err.startswith(
        "Warning: the model does not know 2 characters of this text: left out of the score."
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("place", [Terminal, io.StringIO])
def test_a_bar_shows_how_far_it_is_on_a_terminal_and_nowhere_else(
    place: type[io.StringIO], model: Path, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By name, `textgen.cli.judging.score` is the command, not its module.
    monkeypatch.setattr("textgen.text.reading.progress.BAR_SECONDS", 0)
    errors = place()
    monkeypatch.setattr("sys.stderr", errors)
    assert run(["score", str(model), str(story)]) == 0
    assert ("/6.80k [" in errors.getvalue()) == errors.isatty()
    assert errors.getvalue() == "" or errors.isatty()


# --- labels ---


def test_a_label_is_read_before_each_document(
    labelled: Path, tmp_path: Path, capsys: Output
) -> None:
    (tmp_path / "a.txt").write_text("Kit went\n\nto sea")
    (tmp_path / "a.jsonl").write_text('{"text": "Kit went\\n\\nto sea", "label": "sad"}\n')
    (tmp_path / "a.csv").write_text('text,label\n"Kit went\n\nto sea",glad\n')
    glad = figures_of(capsys, labelled, tmp_path / "a.txt", "--label", "glad")
    sad = figures_of(capsys, labelled, tmp_path / "a.txt", "--label", "sad")
    assert glad["num_chars"] == sad["num_chars"] == len("Kit went\n\nto sea") + 1
    assert glad["bits_per_char"] != sad["bits_per_char"]
    # Records bring their own, and --label goes before it.
    assert figures_of(capsys, labelled, tmp_path / "a.jsonl") == sad
    assert figures_of(capsys, labelled, tmp_path / "a.csv") == glad
    assert figures_of(capsys, labelled, tmp_path / "a.csv", "--label", "sad") == sad


def test_a_missing_or_unknown_label_is_refused_and_the_known_ones_named(
    labelled: Path, model: Path, story: Path, capsys: Output
) -> None:
    shown = errors_of(capsys, 2, labelled, story)
    assert "--label: 'glad', 'sad'." in shown
    shown = errors_of(capsys, 1, labelled, story, "--label", "glum")
    assert "'glum' is not one of the 2 labels: 'glad', 'sad'" in shown
    shown = errors_of(capsys, 1, model, story, "--label", "sad")
    assert "no label 'sad': this model has no labels" in shown


# --- prompts with completions ---


def test_only_completions_are_scored(tmp_path: Path, capsys: Output) -> None:
    tokenizer = CharTokenizer(LETTERS, end_of_document=True, separator=True)
    model = untrained_on("records", tmp_path / "model", tokenizer)
    pairs = tmp_path / "a.csv"
    pairs.write_text("prompt,completion\nKit went,to sea\nKit,went\n")
    assert figures_of(capsys, model, pairs)["num_chars"] == len("to sea\nwent\n")
    assert run(["score", str(model), str(pairs)]) == 0
    shown = capsys.readouterr().out
    assert "bits per character of the completions, lower is better (continuous: " in shown


def test_a_text_without_completions_is_refused_by_a_model_of_completions(
    tmp_path: Path, story: Path, capsys: Output
) -> None:
    tokenizer = CharTokenizer(LETTERS, end_of_document=True, separator=True)
    model = untrained_on("records", tmp_path / "model", tokenizer)
    shown = errors_of(capsys, 2, model, story)
    assert "this model predicts completions, but a document has none. Score" in shown
    assert shown.count("\n") == 1


# --- dynamic evaluation ---


@pytest.mark.slow
def test_dynamic_scores_stand_side_by_side(
    model: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tmp_path / "short.txt"
    short.write_text(STORY * 20)
    static = figures_of(capsys, model, short)
    both = figures_of(capsys, model, short, "--dynamic")
    assert list(both) == ["static", "dynamic"]
    assert both["static"] == static
    dynamic = both["dynamic"]
    assert isinstance(dynamic, dict)
    assert dynamic["protocol"] == "dynamic"
    assert dynamic["num_chars"] == static["num_chars"]
    assert dynamic["bits_per_char"] < static["bits_per_char"]

    with short.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert run(["score", str(model), "-", "--dynamic"]) == 0
    header, bits, *_, gain, _ = capsys.readouterr().out.splitlines()
    assert header.split() == ["static", "dynamic"]
    assert bits.startswith("bits per character")
    shown = [f"{each['bits_per_char']:.4f}" for each in (static, dynamic)]
    assert bits.split()[-2:] == shown
    assert gain.startswith("gain: ")


@pytest.mark.parametrize("other", [["--window", "9"], ["--per-char"]])
def test_dynamic_contradicts_what_has_no_meaning_for_it(
    other: list[str], model: Path, story: Path, capsys: Output
) -> None:
    shown = errors_of(capsys, 2, model, story, "--dynamic", *other)
    assert f"--dynamic and {other[0]} cannot be used together" in shown


# --- what a person can do wrong ---


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["MODEL", "nothing.txt"], 1, "nothing.txt does not exist"),
        (["MODEL", "."], 1, ". is a directory; one file is needed"),
        (["nowhere", "story.txt"], 1, "nowhere: not a checkpoint"),
        (["a", "b", "c"], 2, "[CHECKPOINT] FILE"),
        ([], 2, "Missing argument"),
        (["MODEL", "empty.txt"], 1, "nothing to score: the text is empty"),
        (["MODEL", "strange.txt"], 1, "never seen any of the 2 different characters"),
        (["MODEL", "latin.txt"], 1, "byte 0xe9 at offset 3 (line 1) is not utf-8"),
        (["MODEL", "binary.txt"], 1, "binary.txt is not utf-8: it has a NUL"),
        (["MODEL", "story.txt", "--encoding", "klingon"], 2, "--encoding klingon"),
        (["MODEL", "story.txt", "--window", "0"], 2, "--window"),
        (["--memory", "0", "story.txt"], 2, "--memory takes no number here. Leave 0 out"),
        (["MODEL", "story.txt", "--memory", "0"], 2, "--memory takes no number here"),
        (["story.txt", "--no-memory", "8"], 2, "--no-memory takes no number here"),
        (["--no-memory=0", "story.txt"], 2, "Write --memory or --no-memory."),
        (["--memory=0", "story.txt"], 2, "Write --memory or --no-memory."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes_get_a_clear_line_and_an_exit_code(
    arguments: list[str],
    code: int,
    message: str,
    model: Path,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    Path("strange.txt").write_text("漢字漢", encoding="utf-8")
    Path("latin.txt").write_bytes("caf\xe9 ".encode("latin-1"))
    Path("binary.txt").write_bytes(b"ab\x00\x01")
    found = errors_of(capsys, code, *(a.replace("MODEL", str(model)) for a in arguments))
    assert message in found


def test_ctrl_c_ends_quietly(model: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(STORY * 100_000)
    command = [sys.executable, "-m", "textgen", "score", str(model), "long.txt"]
    with subprocess.Popen(
        [*command, "--per-char"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        # It is in the middle of its work when the first line is there.
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    # click goes on to a new line, behind what the terminal shows of Ctrl-C.
    assert errors == "\n"


def test_help_explains_every_flag(capsys: Output) -> None:
    assert run(["score", "--help"]) == 0
    shown = capsys.readouterr().out
    for flag in ("--window", "--per-char", "--dynamic", "--label", "--encoding", "--json"):
        assert flag in shown
    assert "Examples:" in shown
