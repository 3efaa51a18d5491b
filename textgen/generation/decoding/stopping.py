"""Stopping criteria: stop texts, and the end of a sentence, line or paragraph."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNITS = {
    "line": r"(?=(\n))",
    "paragraph": r"(?=(\n[^\S\n]*\n))",
    # Titles and initials have full stops as well: "Mr. A. Smith" is not a whole sentence.
    # In Chinese and Japanese no space follows a sentence. Some of these closing quotes
    # open a quotation in other languages, but then no white space follows.
    "sentence": (
        r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\b[A-Z])"
        r"[.!?…]+[\"'”’“‘»«)\]]*(?=(\s))"
        r"|[。！？]+[」』”’）]*(?=([^。！？」』”’）]))"
        r"|(?=(\n[^\S\n]*\n))"
    ),
}
"""Patterns that match up to the end of a unit; the group is the context after it."""

BREAKS = {"line": "\n", "paragraph": "\n\n", "sentence": "\n\n"}
"""What ends a unit without being part of it: from it on, the next one begins."""

UNSPACED_ENDS = "。！？」』”’）"
"""Any character after one of these may show that a sentence is complete."""

BLANK_END = re.compile(r"\n[^\S\n]*\Z")
"""White space that may turn out to precede a blank line."""

CONTEXT = 32
"""Characters before a piece that are searched for the start of a unit's end."""


class StoppingCriteria:
    """Passes on a text piece by piece, up to where a criterion may still cut it off.

    Only characters that may be the start of a stop text, or of a blank line that ends a
    unit, are buffered.

    Args:
        stops: the first to be complete ends the text and is not shown.
        until: "sentence", "line", "paragraph", or None. A unit begun by the prompt is
            finished; a unit of white space alone does not count.
        min_length: the text does not end before it has this many characters.
        prompt: the text before it.

    >>> stopping = StoppingCriteria(stops=["end"])
    >>> [stopping.feed(piece) for piece in ("an", " e", "nd", "!")], stopping.reason
    (['an', ' ', '', ''], 'stop')
    """

    def __init__(
        self,
        stops: Sequence[str] = (),
        until: str | None = None,
        min_length: int = 0,
        prompt: str = "",
    ) -> None:
        self.reason: str | None = None
        # A stop text that contains another before its end is never complete first.
        self._stops = [s for s in stops if not any(each in s[:-1] for each in stops)]
        self._starts = {stop[0] for stop in stops}
        self._unit = None if until is None else re.compile(UNITS[until])
        self._least = min_length
        self._num_shown = 0
        self._held = ""
        self._context = prompt[-CONTEXT:]
        self._has_text = until is not None and _is_begun(prompt, until)

    @property
    def is_idle(self) -> bool:
        """Whether there are no criteria: nothing is ever buffered or cut off."""
        return not self._stops and self._unit is None

    def feed(self, piece: str) -> str:
        """The characters that may be shown now; the text ends once `reason` is set."""
        # One by one, so that the result does not depend on how the text is cut into pieces.
        return "".join(map(self._feed, piece))

    def _feed(self, character: str) -> str:
        if self.reason is not None:
            return ""
        if not self._held and self._is_plain(character):
            self._held = character
            return self._show(1)
        self._held += character
        cuts = [(at, "stop") for at in map(self._find_stop, self._stops) if at >= 0]
        cuts += [(at, "until") for at in self._find_unit()]
        if cuts:
            end, self.reason = min(cuts)
            return self._show(end)
        return self._show(len(self._held) - self._num_suspect())

    def flush(self) -> str:
        """The characters still buffered, at the end of the text."""
        return "" if self.reason is not None else self._show(len(self._held))

    def _is_plain(self, character: str) -> bool:
        """Whether no stop text begins and no unit ends here, as for most characters."""
        if character in self._starts:
            return False
        may_end = character.isspace() or self._context[-1:] in UNSPACED_ENDS
        return self._unit is None or not may_end

    def _find_stop(self, stop: str) -> int:
        return self._held.find(stop, self._first)

    def _find_unit(self) -> list[int]:
        if self._unit is None:
            return []
        for match in self._unit.finditer(self._context + self._held):
            at = self._place(match.end())
            is_new = match.end(match.lastindex or 0) > len(self._context)
            if is_new and self._may_cut(at):
                return [at]
        return []

    @property
    def _first(self) -> int:
        """The first index into `_held` at which the text may end."""
        return max(0, self._least - self._num_shown)

    def _place(self, index: int) -> int:
        """Convert an index into context + held to one into `_held`."""
        # A blank line after a unit may begin in the prompt; then nothing is written.
        return max(index - len(self._context), -self._num_shown)

    def _may_cut(self, at: int) -> bool:
        """Whether a unit may end there: if the prompt began it, even without new text."""
        has_text = self._has_text or not _is_blank(self._held[:at])
        return has_text and at >= self._first

    def _num_suspect(self) -> int:
        """How many characters at the end of `_held` may still be cut off."""
        last = self._held[self._first :]
        most = max((_overlap(last, stop) for stop in self._stops), default=0)
        if self._unit is None:
            return most
        blank = BLANK_END.search(self._context + self._held)
        if blank and self._may_cut(at := self._place(blank.start())):
            most = max(most, len(self._held) - at)
        return most

    def _show(self, end: int) -> str:
        shown, self._held = self._held[:end], self._held[end:]
        if shown:
            self._num_shown += len(shown)
            self._context = (self._context + shown)[-CONTEXT:]
            self._has_text = self._has_text or not _is_blank(shown)
        return shown


def _is_begun(prompt: str, until: str) -> bool:
    """Whether the prompt ends within a unit."""
    if until == "line":
        return not _is_blank(prompt.rpartition("\n")[2])
    if until == "paragraph":
        return not _is_blank(re.split(r"\n[^\S\n]*\n", prompt)[-1])
    ends = list(re.finditer(UNITS["sentence"], prompt + " "))
    return not _is_blank(prompt[ends[-1].end() if ends else 0 :])


def _overlap(held: str, stop: str) -> int:
    """How many characters at the end of `held` may begin a stop text.

    >>> _overlap("the e", "end")
    1
    """
    sizes = range(min(len(held), len(stop) - 1), 0, -1)
    return next((size for size in sizes if held.endswith(stop[:size])), 0)


def _is_blank(text: str) -> bool:
    return not text or text.isspace()
