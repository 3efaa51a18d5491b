"""Mojibake: a table of texts, decoded with the wrong encoding and as they should be."""

from __future__ import annotations

import pytest

from textgen.checking.places import TextCounter


def facts_of(text: str) -> TextCounter:
    counter = TextCounter()
    counter.begin("")
    counter.add(text)
    counter.end()
    counter.flush()
    return counter


TEXTS = [
    "Les élèves étaient là, dit-il : « Ça va » — “oui”… l’été\n",
    "Größe, Äpfel, über, Füße, Öl\n",
    "¿Dónde está el niño? ¡Mañana!\n",
    "Wszyscy ludzie rodzą się wolni i równi\n",
    "Všichni lidé rodí se svobodní\n",
    "Bütün insanlar hür, haysiyet eşit doğarlar\n",
    "Tất cả mọi người sinh ra đều được tự do\n",
    "Все люди рождаются свободными и равными\n",
    "Όλοι οι άνθρωποι γεννιούνται\n",
    "כל בני האדם נולדו\n",
    "すべての人間は、生れながらにして自由\n",
    "人人生而自由，在尊严和权利上一律平等\n",
    "“It’s fine,” he said—twice…\n",
    "nice 😀 work 👍\n",
]


def non_ascii(text: str) -> int:
    return sum(character > "\x7f" for character in text)


@pytest.mark.parametrize("text", TEXTS)
def test_utf_8_decoded_as_latin_1_is_found(text: str) -> None:
    facts = facts_of("sound\n" + text.encode().decode("latin-1"))
    assert facts.num_mojibake >= non_ascii(text) / 3
    assert str(facts.mojibake_place) == "line 2"


@pytest.mark.parametrize("text", TEXTS)
def test_utf_8_decoded_as_cp1252_is_found(text: str) -> None:
    # As browsers do it: bytes that have no character there stay control characters.
    bytes_ = (bytes([byte]) for byte in text.encode())
    broken = "".join(b.decode("cp1252", "ignore") or b.decode("latin-1") for b in bytes_)
    facts = facts_of("sound\n" + broken)
    assert facts.num_mojibake >= non_ascii(text) / 3
    for before, after in facts.mojibake.items():
        assert before in broken
        assert after.strip() in text


@pytest.mark.parametrize(
    "text",
    [*TEXTS, "Âge, Ãurea, âme, Ðað, Ñandú\n", "CAFÉ… À “PARIS” — VÅR ÉCOLE\n"],
)
def test_sound_text_is_left_alone(text: str) -> None:
    assert facts_of(text).num_mojibake == 0
