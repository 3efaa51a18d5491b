"""The corpus check: what it finds, where, and whether its advice is right."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import tracemalloc
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgen.checking.amount import sizes_of
from textgen.checking.finding import Finding
from textgen.checking.repeats import Repeats, TextHash
from textgen.checking.report import Report, examine, summary
from textgen.checking.survey import survey
from textgen.checkpoint.runs import RunDirectory
from textgen.config.model import ModelConfig
from textgen.config.text import TextConfig
from textgen.config.train import TrainConfig
from textgen.errors import TextgenError
from textgen.text.encoded.cache import Cache
from textgen.text.encoded.prepare import prepare_corpus
from textgen.text.encoded.scan import BlockLengths, CorpusStats
from textgen.text.encoded.splitting import split
from textgen.text.reading.corpus import read_corpus
from textgen.text.reading.decoding import HAD_CR, HAD_CRLF
from textgen.text.reading.file_stats import FileStats
from textgen.text.reading.sources import Source
from textgen.training.task.encoding import ReadSettings
from textgen.training.task.new import new_task

STORY = "Kit went to sea and said nothing, not one word.\n"
FRENCH = (
    "L'été, la forêt était fanée ; où étaient les élèves ? « Ça va », dit-il — “oui”…\n"
)
RUSSIAN = "Все люди рождаются свободными и равными в своем достоинстве и правах.\n"
JAPANESE = "すべての人間は、生れながらにして自由であり、かつ、平等である。\n"
CHINESE = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(data: str | bytes, name: str = "a.txt") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


Write = Callable[..., Path]


def check(path: Any, **options: Any) -> Report:
    return examine(path, TextConfig(**options))


def found(report: Report, topic: str) -> Finding:
    (finding,) = [f for f in report.findings if f.topic == topic]
    return finding


def topics(report: Report) -> list[str]:
    return [finding.topic for finding in report.findings]


# --- sound texts ---


def test_a_sound_text_gets_a_clean_bill(write: Write) -> None:
    report = check(write(STORY * 400))
    assert report.findings == ()
    assert report.can_train
    assert report.as_text() == (
        "19,200 characters, 17 different, 1 file.\n\nNothing to fix: ready for training."
    )


@pytest.mark.parametrize("documents", ["whole", "lines"])
def test_real_texts_can_be_trained_on(
    documents: str, shared_corpus: Callable[[str], Path]
) -> None:
    for name in ("tinyshakespeare.txt", "udhr_multiscript.txt", "lunyu_zh.txt"):
        report = check(shared_corpus(name), documents=documents)
        assert report.can_train
        assert not {"wrong encoding", "control characters"} & {*topics(report)}


# --- encodings ---


@pytest.mark.parametrize(
    ("text", "encoding", "advised"),
    [
        (FRENCH, "cp1252", "cp1252"),
        ("Les élèves étaient là.\n", "latin-1", "cp1252"),
        (FRENCH, "utf-16", "utf-16"),
        (FRENCH, "utf-16-le", "utf-16-le"),
        (FRENCH, "utf-16-be", "utf-16-be"),
        (CHINESE, "utf-16-le", "utf-16-le"),
        (FRENCH, "utf-32", "utf-32"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (JAPANESE, "shift_jis", "shift_jis"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (CHINESE, "gb18030", "gb18030"),
    ],
)
def test_the_flag_that_is_advised_reads_the_text(
    text: str, encoding: str, advised: str, write: Write
) -> None:
    path = write((text * 300).encode(encoding))
    finding = found(check(path), "encoding")
    assert finding.severity == "error"
    assert f"add --encoding {advised}." in finding.advice.lower()
    report = check(path, encoding=advised)
    assert report.can_train
    assert report.facts["num_chars"] == len(text) * 300
    assert "wrong encoding" not in topics(report)


def test_a_flag_that_is_wrong_is_to_be_left_out(write: Write) -> None:
    path = write((JAPANESE + RUSSIAN) * 300)
    finding = found(check(path, encoding="shift_jis"), "encoding")
    assert finding.advice == "Leave out --encoding shift_jis."
    finding = found(check(write(FRENCH * 99), encoding="latin-1"), "wrong encoding")
    assert finding.severity == "warning"
    assert finding.advice.endswith("leave out --encoding latin-1.")


def test_a_wrong_byte_is_named_with_its_place_also_in_a_later_piece(write: Write) -> None:
    good = FRENCH.encode() * 15_000
    path = write(good + b"caf\xe9 noir\n" + good)
    assert len(good) > 1 << 20
    finding = found(check(path), "encoding")
    assert f"byte 0xe9 at offset {len(good) + 3:,}, line 15,001" in finding.what
    assert "damaged" in finding.what
    assert f"iconv -f utf-8 -t utf-8 -c {path}" in finding.advice


def test_an_encoding_whose_errors_name_another_is_reported_like_the_rest(
    write: Write,
) -> None:
    path = write(STORY * 2 + "the letter \\xi\n" + STORY * 300)
    finding = found(check(path, encoding="unicode_escape"), "encoding")
    assert f"byte 0x5c at offset {len(STORY) * 2 + 11}, line 3" in finding.what
    assert finding.advice == "Leave out --encoding unicode_escape."


def test_half_a_character_is_an_error_with_its_place(write: Write) -> None:
    report = check(write(STORY * 300 + "+2AA-"), encoding="utf-7")
    finding = found(report, "lone surrogates")
    assert (
        "1 lone surrogate, half of a character each: U+D800 (1, first in line 301)"
        in finding.what
    )
    assert not report.can_train


def test_windows_quotes_read_as_latin_1_are_recognised(write: Write) -> None:
    report = check(write((FRENCH * 99).encode("cp1252")), encoding="latin-1")
    finding = found(report, "control characters")
    assert "U+0093" in finding.what
    assert "try --encoding cp1252" in finding.advice


def test_what_was_decoded_wrongly_before_is_a_hint(write: Write) -> None:
    broken = "Les élèves étaient là.\n".encode().decode("cp1252")
    report = check(write(STORY + broken * 50 + STORY * 300))
    finding = found(report, "wrong encoding")
    assert "'Ã©' for 'é'" in finding.what
    assert "line 2" in finding.what
    assert "ftfy" in finding.advice
    assert "wrong encoding" not in topics(
        check(write("Âge, Ãurea, âme, Ðað, Ñandú\n" * 999))
    )


def test_standard_input_is_examined_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9 noir\n" * 9)))
    finding = found(check("-"), "encoding")
    assert finding.what.startswith("standard input is not utf-8")


# --- files ---


def test_one_broken_file_does_not_end_the_examination(write: Write, tmp_path: Path) -> None:
    write(STORY * 200, "many/a.txt")
    write(STORY.replace("Kit", "Ada") * 200, "many/b.txt")
    write(FRENCH.encode("cp1252"), "many/c.txt")
    write(FRENCH.encode("cp1252"), "many/d.txt")
    write(b"%PDF-1.7 \0", "many/e.txt")
    write(gzip.compress(STORY.encode() * 900)[:-9], "many/f.txt.gz")
    write(b" \n", "many/g.txt")
    report = check([tmp_path / "many", tmp_path / "nothing.txt"])
    errors = [f.what for f in report.findings if f.severity == "error"]
    assert len(errors) == 4
    assert "2 of 7 files" in errors[0]
    assert "it looks like a PDF document" in errors[2]
    assert "damaged or cut short" in errors[3]
    assert "nothing.txt does not exist" in errors[1]
    assert "iconv -f cp1252 -t utf-8" in found(report, "encoding").advice
    assert report.facts["num_files"] == 3
    assert "1 file without text" in str(report.as_text())
    assert not report.can_train


def test_a_file_that_is_read_in_part_is_said_to_be_so(write: Write, tmp_path: Path) -> None:
    write(STORY * 200, "many/a.txt")
    write(STORY.encode() * 30_000 + b"\xff\xff", "many/b.txt")
    report = check(tmp_path / "many")
    assert ", 1 file, and 1 file up to a fault." in report.headline
    assert report.facts["num_files"] == 1


@pytest.mark.parametrize("start", ["text\n", '{"text": "a"}\n'])
def test_a_wrong_byte_has_its_place_in_records_too(start: str, write: Write) -> None:
    suffix = "csv" if start == "text\n" else "jsonl"
    lines = start * 30
    path = write(lines.encode() + b"caf\xe9 noir\n" * 9, f"a.{suffix}")
    finding = found(check(path, documents="records"), "encoding")
    assert f"byte 0xe9 at offset {len(lines) + 3}, line 31" in finding.what
    path = write(lines + "a\0b\n", f"n.{suffix}")
    finding = found(check(path, documents="records"), "NUL bytes")
    assert f"a NUL byte at offset {len(lines) + 1}" in finding.what
    assert "tr -d" in finding.advice


def test_nul_bytes_in_a_text_can_be_deleted(write: Write) -> None:
    finding = found(check(write(STORY * 50 + "\0" + STORY)), "NUL bytes")
    assert finding.severity == "error"
    assert f"a NUL byte at offset {len(STORY) * 50:,}" in finding.what
    assert "tr -d '\\000'" in finding.advice


@pytest.mark.skipif(shutil.which("iconv") is None, reason="runs what is advised")
@pytest.mark.parametrize("name", ["it's $(touch made).txt", "a b.txt", "`touch made`.txt"])
def test_commands_that_are_advised_can_be_pasted(
    name: str, write: Write, tmp_path: Path
) -> None:
    path = write("", f"many/{name}")
    write(STORY, "many/b.txt")
    for data, topic, text in (
        (f"{STORY}\0{STORY}".encode(), "NUL bytes", STORY * 2),
        (FRENCH.encode("cp1252"), "encoding", FRENCH),
        (STORY.encode() + FRENCH.encode() + b"\xff", "encoding", STORY + FRENCH),
    ):
        path.write_bytes(data)
        advice = found(check(path.parent), topic).advice
        command = advice.partition(": ")[2].removesuffix(".")
        # iconv -c says by its exit code that it left something out.
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=False)
        assert (tmp_path / "CLEAN").read_text("utf-8") == text
    assert not (tmp_path / "made").exists()


def test_one_nul_byte_does_not_make_chinese_of_a_text(write: Write) -> None:
    # As UTF-16 all of it could be printed.
    assert "NUL bytes" in topics(check(write("text\n" * 30 + "a\0b\n")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\r\nb\r\n", "CRLF in 1 file"),
        ("a\rb\r", "CR in 1 file"),
        ("a\nb\r\n", "LF and CRLF in 1 file"),
        ("a\nb\rc", "LF and CR in 1 file"),
    ],
)
def test_line_endings_are_told_apart(text: str, said: str, write: Write) -> None:
    finding = found(check(write(text * 2000)), "line endings")
    assert finding.severity == "remark"
    assert said in finding.what
    report = check(write((text * 2000).encode("utf-16")), encoding="utf-16")
    assert found(report, "line endings").what == finding.what
    assert "line endings" not in topics(check(write("a\nb\n" * 2000)))


def test_a_mark_at_the_start_is_a_remark_and_in_the_middle_another(write: Write) -> None:
    report = check(write("\ufeff" + STORY * 200 + "\ufeff" + STORY * 200))
    assert found(report, "byte order mark").severity == "remark"
    assert "U+FEFF" in found(report, "invisible characters").what
    assert "first in line 201" in found(report, "invisible characters").what


def test_files_and_documents_that_are_equal_are_found(write: Write, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(f"{name} " + STORY * 200, f"many/{name}.txt")
    write("b " + STORY * 200, "many/d.txt")
    write(gzip.compress(("a " + STORY * 200).encode()), "many/e.txt.gz")
    for kind in ("whole", "files"):
        finding = found(check(tmp_path / "many", documents=kind), "repeated documents")
        assert finding.severity == "warning"
        assert finding.data["count"] == 2
        example = finding.what.partition("of the text: ")[2].split()
        assert example[0].endswith("e.txt.gz")
        assert example[2].endswith("a.txt.")


def test_blank_files_repeat_nothing(write: Write, tmp_path: Path) -> None:
    for name, text in (
        ("a", ""),
        ("b", ""),
        ("c", STORY * 200),
        ("d", " \n"),
        ("e", " \n"),
    ):
        write(text, f"many/{name}.txt")
    assert "repeated documents" not in topics(check(tmp_path / "many"))
    write(STORY * 200, "many/f.txt")
    finding = found(check(tmp_path / "many"), "repeated documents")
    assert finding.what.startswith("1 of 2 files is equal to an earlier one")
    example = finding.what.partition("of the text: ")[2].split()
    assert [name[-6:] for name in example[:3:2]] == ["/f.txt", "c.txt."]


def test_equal_lines_are_named_by_their_lines(write: Write) -> None:
    lines = [f"line number {n} of a list\n" for n in range(900)]
    lines[700] = lines[20]
    finding = found(check(write("".join(lines)), documents="lines"), "repeated documents")
    assert "1 of 900 documents is equal to an earlier one" in finding.what
    assert "line 701 repeats line 21" in finding.what
    assert "awk '!seen[$0]++'" in finding.advice
    report = check(write("\n".join(lines)), documents="paragraphs")
    assert "paragraph 701 repeats paragraph 21" in found(report, "repeated documents").what


def test_documents_are_named_rightly_behind_a_broken_file(
    write: Write, tmp_path: Path
) -> None:
    write("one line\nanother\n" + "\0", "many/a.txt")
    write(
        "".join(f"line {n} of a list\n" for n in range(900)) + "line 3 of a list\n",
        "many/b.txt",
    )
    finding = found(check(tmp_path / "many", documents="lines"), "repeated documents")
    assert "b.txt, line 901 repeats" in finding.what
    assert "b.txt, line 4." in finding.what


# --- characters ---


def test_control_and_invisible_characters_are_named_with_their_first_place(
    write: Write,
) -> None:
    text = STORY * 300 + "page\x0cbreak\x1b[0m\n" + "zero\u200bwidth \u202eright\u202c\n"
    report = check(write(text))
    controls = found(report, "control characters")
    assert controls.severity == "warning"
    assert "U+000C FORM FEED (1, first in line 301)" in controls.what
    assert "U+001B ESCAPE" in controls.what
    invisible = found(report, "invisible characters")
    assert invisible.severity == "remark"
    assert "3 invisible characters" in invisible.what
    assert "U+200B ZERO WIDTH SPACE (1, first in line 302)" in invisible.what
    assert "Direction marks belong to right-to-left text" in invisible.advice


def test_lost_characters_are_counted(write: Write) -> None:
    finding = found(check(write(STORY * 300 + "caf\ufffd\n" * 2)), "lost characters")
    assert "2 replacement characters U+FFFD (the first in line 301)" in finding.what


def test_two_spellings_side_by_side_are_found(write: Write) -> None:
    path = write("café cafe\u0301 " * 2000)
    finding = found(check(path), "mixed normal forms")
    assert finding.severity == "remark"
    assert "'é' U+00E9" in finding.what
    assert "2,000 of 4,000 are NFC" in finding.what
    assert finding.data["count"] == 4000  # e and its accent
    finding = found(check(path, normalize="none"), "mixed normal forms")
    assert finding.severity == "warning"
    assert "use --normalize nfc" in finding.advice


@given(
    text=st.text(st.sampled_from("ea\u0301\u0323é가ᄀ\u1161\u212bﬁ\u0958\n"), max_size=30)
)
def test_what_nfc_would_change_is_what_it_takes_away(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "forms.txt"
    path.write_text(text, encoding="utf-8")
    gone = Counter(text) - Counter(unicodedata.normalize("NFC", text))
    facts = survey(path, TextConfig(normalize="none"), piece_bytes=3).text
    assert int(np.maximum(facts.raw - facts.nfc, 0).sum()) == gone.total()


def test_rare_characters_are_named_with_what_would_fold_them(write: Write) -> None:
    path = write(STORY * 300 + "%%&é")
    finding = found(check(path), "rare characters")
    assert "3 of 20 different characters are seen fewer than 5 times" in finding.what
    assert "'&' U+0026 AMPERSAND (1)" in finding.what
    assert "--min-count 2 folds 2" in finding.advice
    assert "--min-count 5 folds 3" in finding.advice
    assert "rare characters" not in topics(check(path, tokenizer="byte"))
    finding = found(check(path, min_count=2), "rare characters")
    assert (
        "--min-count 2 makes 2 of 20 different characters one unknown token" in finding.what
    )


# --- size ---


def test_little_text_is_a_warning_before_it_is_an_error(write: Write) -> None:
    finding = found(check(write(STORY * 60)), "little text")
    assert finding.severity == "warning"
    assert "2,592 characters to train on" in finding.what
    finding = found(check(write(STORY * 30)), "little text")
    assert finding.severity == "error"
    assert "needs at least 2,049. Lower --batch-size" in finding.what


def test_little_held_out_names_the_share_that_is_enough(write: Write) -> None:
    path = write(STORY * 500)
    finding = found(check(path, val_fraction=0.01), "little held out")
    share = float(finding.advice.split()[2])
    assert "little held out" not in topics(check(path, val_fraction=share))


def test_a_model_far_larger_than_the_usual_one_is_a_warning(write: Write) -> None:
    report = examine(write(STORY * 400), TextConfig(), model_options={"units": 512})
    finding = found(report, "model too large")
    assert "for 17,280 characters to train on" in finding.what
    assert "--size auto uses (1 x 128 units)" in finding.what
    chosen, usual = (
        ModelConfig(17, num_layers=1, units=512),
        ModelConfig(17, num_layers=1, units=128),
    )
    assert f"{chosen.num_parameters:,} parameters" in finding.what
    ratio = chosen.num_parameters / usual.num_parameters
    assert f"{ratio:.0f} times as many" in finding.what
    report = examine(
        write(STORY * 400), train=TrainConfig(batch_size=1000), model_options={"units": 512}
    )
    assert topics(report) == ["little text", "model too large"]


def test_a_vocabulary_that_cannot_be_learned_is_one_error(write: Write) -> None:
    report = check(write(STORY * 400), min_count=100_000)
    errors = [finding for finding in report.findings if finding.severity == "error"]
    assert [finding.topic for finding in errors] == ["rare characters"]


def test_one_giant_document_and_a_long_line_are_told(write: Write) -> None:
    text = STORY.replace("\n", " ") * 500
    lines = "".join(f"line {n}\n" for n in range(900))
    report = check(write(text + "\n" + lines), documents="lines")
    assert (
        "one of 901 documents has 24,000 characters"
        in found(report, "one giant document").what
    )
    finding = found(check(write("\n" + text)), "long lines")
    assert "24,000 characters (line 2)" in finding.what


LABELLED = '{"text": "some text of a kind", "label": "x"}\n' * 400
MANY_LABELS = "".join(f"some text,{n}\n" for n in range(10_000))
RECORDS = "".join(f"rain number {n} falls,sad\n" for n in range(200))


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("a.txt", STORY * 400, {}),
        ("a.txt", "", {}),
        ("a.txt", " \n\n", {}),
        ("a.txt", "ab", {"val_fraction": 0.4}),
        ("a.txt", "a", {}),
        ("a.txt", "x" * 2277, {}),
        ("a.txt", "x" * 2276, {}),
        ("a.txt", "x" * 300, {"batch_size": 4, "seq_length": 16}),
        ("a.txt", "one line\n", {"documents": "lines"}),
        ("a.txt", "one line\n\nanother\n", {"documents": "lines", "batch_size": 1}),
        ("a.txt", STORY * 60, {"documents": "lines"}),
        ("a.txt", STORY * 46, {"documents": "lines", "seed": 3}),
        ("a.txt", STORY * 60, {"documents": "lines", "test_fraction": 0.2}),
        ("a.txt", STORY * 60, {"documents": "paragraphs"}),
        ("a.txt", STORY * 60, {"min_count": 10_000}),
        ("a.txt", "é" * 1500, {"tokenizer": "byte"}),
        ("a.txt", "é" * 900, {"tokenizer": "byte"}),
        ("a.txt", "é\x81".encode("latin-1") * 3000, {}),
        ("a.txt", "é\x81".encode("latin-1") * 3000, {"encoding": "cp1252"}),
        ("a.txt", "é\x81".encode("latin-1") * 3000, {"encoding": "latin-1"}),
        ("a.txt", STORY * 99 + "\\n", {"encoding": "unicode_escape"}),
        ("a.txt", STORY * 99 + "\\xi", {"encoding": "unicode_escape"}),
        ("a.txt", STORY * 99 + "+2AA-", {"encoding": "utf-7"}),
        ("a.txt", "+2AA-" * 3000, {"encoding": "utf-7", "tokenizer": "byte"}),
        ("a.txt", f"{STORY * 99}+2AA-", {"encoding": "utf-7", "min_count": 2}),
        ("a.txt", STORY * 99 + "\\ud800", {"encoding": "raw_unicode_escape"}),
        ("a.csv", "text,label\n" + RECORDS, {"documents": "records"}),
        ("a.csv", "text,label\n" + RECORDS + "sun,\n", {"documents": "records"}),
        ("a.csv", "text\nsun,1\n", {"documents": "records"}),
        # Nine lines of two letters, the ends of nine and the one before the first.
        ("a.txt", "ab\n" * 10, {"documents": "lines", "batch_size": 1, "seq_length": 27}),
        ("a.txt", "ab\n" * 10, {"documents": "lines", "batch_size": 1, "seq_length": 28}),
        ("a.jsonl", LABELLED, {"documents": "records"}),
        ("a.jsonl", LABELLED + '{"text": "b"}', {"documents": "records"}),
        ("a.txt", STORY * 99, {"documents": "records"}),
        ("a.csv", f"text,label\n{RECORDS}a,{'long ' * 999}\n", {"documents": "records"}),
        ("a.csv", f"text,label\n{MANY_LABELS}", {"documents": "records"}),
        ("a.csv", f"text,label\n{MANY_LABELS}one more,more\n", {"documents": "records"}),
    ],
)  # fmt: skip
def test_it_refuses_what_training_refuses_and_nothing_else(
    name: str, data: str | bytes, options: dict[str, Any], write: Write, tmp_path: Path
) -> None:
    path = write(data, name)
    settings = ReadSettings(cache_dir=tmp_path / "cache")
    try:
        task = new_task(
            path, RunDirectory(tmp_path / "run"), "auto", options, settings=settings
        )
    except TextgenError:
        task = None
    train = {k: v for k, v in options.items() if k in ("batch_size", "seq_length", "seed")}
    text = {k: v for k, v in options.items() if k not in train}
    report = examine(path, TextConfig(**text), TrainConfig(**train))
    assert report.can_train is (task is not None)
    if task is not None:
        assert report.facts["num_chars"] == task.facts["num_chars"]
        assert report.facts["num_documents"] == task.facts["num_documents"]


@pytest.mark.parametrize("documents", ["whole", "lines", "paragraphs", "files"])
def test_the_parts_are_those_of_the_training(
    documents: str, write: Write, tmp_path: Path
) -> None:
    text = "".join(f"{n}: {'word ' * (n % 9)}\n" + "\n" * (n % 4 == 0) for n in range(300))
    for number in range(5):
        write(text[number * 700 : number * 900 + 900], f"many/{number}.txt")
    config = TextConfig(documents=documents, test_fraction=0.2)
    facts = examine(tmp_path / "many", config, TrainConfig(seed=4)).facts
    parts = split(read_corpus(tmp_path / "many", config), config, seed=4)
    expected = [sum(map(len, part)) for part in parts]
    assert [facts["num_train"], facts["num_val"], facts["num_test"]] == expected


def test_very_many_documents_are_split_as_training_splits_them(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if so many were very many: blocks of neighbours, and the first few compared.
    monkeypatch.setattr(BlockLengths.__init__, "__defaults__", (40,))
    monkeypatch.setattr(Repeats.__init__, "__defaults__", (1,))
    path = write("".join(f"line {n} {'word ' * (n % 9)}\n" for n in range(333)))
    config = TextConfig(documents="lines", test_fraction=0.2)
    cache = Cache(tmp_path / "cache")
    corpus = prepare_corpus([Source(str(path))], config, seed=4, cache=cache)
    report = examine(path, config, TrainConfig(batch_size=4, seed=4))
    assert report.can_train
    assert report.facts["num_train"] == corpus.train.num_chars
    assert report.facts["num_val"] == corpus.val.num_chars
    assert report.facts["num_test"] == corpus.test.num_chars
    found = survey(path, config)
    assert (found.stats.num_documents, found.lengths.block_size) == (333, 16)
    parts = sizes_of(found.lengths, config, seed=4)
    assert parts.train_documents == corpus.train.num_documents


# --- reading in pieces ---


@given(
    documents=st.sampled_from(["whole", "lines", "paragraphs", "files"]),
    text=st.text(st.sampled_from("ab \n\r\x0cé\u0301\ufeff漢😀Ã©"), max_size=40),
    size=st.integers(1, 9),
)
def test_however_a_file_is_read_the_findings_are_the_same(
    documents: str, text: str, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "pieces.txt"
    path.write_bytes(text.encode())
    config = TextConfig(documents=documents)
    # One mojibake may be cut in two; all else must be equal.
    one, other = survey(path, config), survey(path, config, piece_bytes=size)
    assert one.repeats.lengths == other.repeats.lengths
    assert one.repeats.found() == other.repeats.found()
    assert one.files == other.files
    assert one.text.places == other.text.places
    assert one.text.longest_line == other.text.longest_line
    assert one.text.longest_line_place == other.text.longest_line_place
    for name in ("raw", "nfc"):
        np.testing.assert_array_equal(getattr(one.text, name), getattr(other.text, name))
    np.testing.assert_array_equal(one.stats.counts, other.stats.counts)


def test_memory_does_not_grow_with_the_file(write: Write) -> None:
    def peak(num_lines: int) -> int:
        path = write("a line of some text é\n" * num_lines)
        tracemalloc.start()
        survey(path, TextConfig())
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(1000)  # tables are made once
    assert peak(400_000) < peak(50_000) + 1_000_000


@given(text=st.text(max_size=30), cuts=st.lists(st.integers(0, 30), max_size=5))
def test_a_hash_does_not_depend_on_the_pieces(text: str, cuts: list[int]) -> None:
    whole, pieces = TextHash(), TextHash()
    text *= 9000
    whole.feed(text)
    edges = sorted(cut * 8000 for cut in cuts)
    for start, end in zip([0, *edges], [*edges, len(text)], strict=True):
        pieces.feed(text[start:end])
    assert whole.close() == pieces.close()


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dddd"]), max_size=12))
def test_repeats_are_counted_as_by_hand(texts: list[str]) -> None:
    repeats = Repeats()
    for text in texts:
        repeats.add(hash(text), len(text))
    seen = [text for number, text in enumerate(texts) if text in texts[:number]]
    result = repeats.found()
    assert (result is None) is (not seen)
    if result is not None:
        assert (result.num_repeats, result.num_chars) == (len(seen), len("".join(seen)))
        assert texts[result.first] == texts[result.second]
        assert texts.index(texts[result.first]) == result.first < result.second


def test_only_so_many_texts_are_compared() -> None:
    repeats = Repeats(max_texts=2)
    for text in "aba":
        repeats.add(hash(text), 1)
    assert repeats.count == 3
    assert repeats.found() is None


# --- one line ---


def line_of(text: str, **options: Any) -> str:
    counts = np.zeros(0x110000, np.int64)
    for character in text:
        counts[ord(character)] += 1
    files = FileStats(
        num_files=options.pop("num_files", 1), changes=options.pop("changes", Counter())
    )
    num_documents = options.pop("num_documents", 1)
    stats = CorpusStats(len(text), num_documents, counts, None, files, sha256="")
    given: dict[str, Any] = {"config": TextConfig(), "num_train_chars": 20_000} | options
    return summary(stats, **given)


def test_the_summary_of_a_sound_text_is_one_short_line() -> None:
    assert line_of("ab" * 9 + "c", changes=Counter({HAD_CRLF: 3})) == (
        "Text: 19 characters, 3 different (1 seen fewer than 5 times), 1 file; nothing to "
        "fix."
    )


def test_the_summary_names_what_a_check_would_explain() -> None:
    line = line_of(
        "ab\x0c\x0c\ufffd" * 5,
        num_documents=5,
        num_files=2,
        changes=Counter({HAD_CR: 2}),
        config=TextConfig(documents="lines", tokenizer="byte"),
        num_train_chars=20,
        shown_paths="many/",
    )
    assert line == (
        "Text: 25 characters, 4 different, 5 documents in 2 files; 10 control characters, "
        "5 U+FFFD, lone CR line endings in 2 files, very little text. Details: textgen "
        "corpus check many/"
    )


def test_the_summary_counts_what_min_count_folds() -> None:
    line = line_of("ab" * 20 + "cd", config=TextConfig(min_count=10))
    assert "4 different (2 seen fewer than 10 times)" in line
