"""Bytes as ids, and the special tokens that follow them."""

from __future__ import annotations

from textgen.text.tokenizers.byte import ByteTokenizer

# Encoding


def test_each_document_is_normalised_by_itself() -> None:
    ids = ByteTokenizer().encode_documents(["e", "\u0301"])
    assert bytes(ids.tolist()) == "e\u0301".encode()


# Labels


def test_labels_of_bytes_come_after_the_end_of_document() -> None:
    tokenizer = ByteTokenizer(end_of_document=True, labels=("x", "y"))
    assert tokenizer.eod_id == 256
    assert tokenizer.label_ids == (257, 258)
    assert tokenizer.vocab_size == 259
