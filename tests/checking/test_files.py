"""What the corpus check finds in files: encodings, faults, line endings."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.checking.helpers import STORY, Write, check, found, topics

FRENCH = (
    "L'été, la forêt était fanée ; où étaient les élèves ? « Ça va », dit-il — “oui”…\n"
)


RUSSIAN = "Все люди рождаются свободными и равными в своем достоинстве и правах.\n"


JAPANESE = "すべての人間は、生れながらにして自由であり、かつ、平等である。\n"


CHINESE = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。\n"


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
