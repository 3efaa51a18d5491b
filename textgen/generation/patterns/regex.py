r"""A regular expression as a table: the next state for each next character.

The language is that of Python's `re`, and `re` itself decides whether an expression is
valid and which characters `[^a-z]`, `\w`, `.` or `(?i)k` match. Only the structure is
compiled here: the expression becomes a graph (Thompson 1968), and sets of the graph's
nodes become the states of the table (Rabin and Scott 1959).

Every text that leads to a final state is accepted by `re.fullmatch`. Lazy quantifiers
mean the same as greedy ones, since the whole text must match. A `$` matches only the very
end of the text, whereas `re` allows one newline after it. Backreferences, lookahead,
lookbehind, conditions, atomic groups and possessive quantifiers need more than a table
and are refused.

A table for searching would also have to find where a match begins, and that part grows
exponentially for patterns as simple as `[A-Z].{20,60}`. Here a match begins where the
text begins.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import numpy as np

from textgen.errors import ConfigError
from textgen.generation.patterns.dfa import (
    ASCII_LETTER,
    ASCII_WORDS,
    EDGE,
    LETTERS,
    NEWLINE,
    NEWLINES,
    WORDS,
    Atom,
    Check,
    Dfa,
    Emit,
    Graph,
    character_classes,
    determinize,
    kind_of,
    too_large,
)


def compile_regex(pattern: str, alphabet: str) -> Dfa:
    """Build the table of a regular expression.

    Args:
        pattern: in the syntax of `re`, except what the module's docstring excludes.
        alphabet: the characters that a text may contain, each once, at least one.

    Raises:
        ConfigError: the expression is invalid, not supported, or too large.

    >>> compile_regex("a*", "ab").is_final.tolist()
    [True, True]
    >>> compile_regex("(a", "abc")
    Traceback (most recent call last):
    textgen.errors.ConfigError: pattern='(a' is not a valid regular expression: missing ...
    """
    with warnings.catch_warnings():
        # "Possible nested set": such brackets may change their meaning one day.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return _compiled(pattern, alphabet)
        except (re.error, OverflowError) as error:
            raise ConfigError(
                f"pattern={pattern!r} is not a valid regular expression: {error}. Fix it, "
                "or put a backslash before a character that is meant literally."
            ) from None
        except RecursionError:
            raise too_large(pattern) from None


def _compiled(pattern: str, alphabet: str) -> Dfa:
    parser = _Parser(pattern, re.compile(pattern).flags)
    graph = Graph(pattern, parser.parse())
    class_of, examples = character_classes(parser.atoms, alphabet)
    members = [np.flatnonzero(atom(examples)).tolist() for atom in parser.atoms]
    kinds = [kind_of(character, parser.atoms) for character in examples]
    next_state, is_final = determinize(graph, members, kinds)
    unmatched = [
        atom.source for atom, found in zip(parser.atoms, members, strict=True) if not found
    ]
    return Dfa(class_of, next_state, is_final, tuple(unmatched))


_CHECKS: dict[str, Check] = {
    r"\A": lambda before, after: before == EDGE,
    r"\Z": lambda before, after: after == EDGE,
    "(?m)^": lambda before, after: before in (EDGE, NEWLINE),
    "(?m)$": lambda before, after: after in (EDGE, NEWLINE),
    r"\b": lambda before, after: (before in LETTERS) != (after in LETTERS),
    r"(?a)\b": lambda before, after: (before == ASCII_LETTER) != (after == ASCII_LETTER),
}


def _unless(check: Check) -> Check:
    # Versions of `re` disagree on whether \B matches in an empty text; here it does not.
    return lambda before, after: not check(before, after) and not before == after == EDGE


def _sequence(parts: Sequence[Emit]) -> Emit:
    def emit(graph: Graph, then: int) -> int:
        for part in reversed(parts):
            then = part(graph, then)
        # One node even for no parts, so that repeats of nothing count towards the limit.
        return graph.add([then])

    return emit


def _either(options: Sequence[Emit]) -> Emit:
    return lambda graph, then: graph.add([option(graph, then) for option in options])


def _repeated(part: Emit, least: int, most: int | None) -> Emit:
    def emit(graph: Graph, then: int) -> int:
        start = then
        if most is None:
            start = graph.add([])
            graph.followers[start] += [part(graph, start), then]
        for _ in range((most or 0) - least):
            start = graph.add([part(graph, start), then])
        for _ in range(least):
            start = part(graph, start)
        return start

    return emit


_ESCAPE = re.compile(
    r"\\(?:x..|u.{4}|U.{8}|N\{[^}]*\}|0[0-7]{0,2}|[1-3][0-7]{2}|[1-9][0-9]?|.)", re.DOTALL
)
_SET = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(?:[0-9]+|[0-9]*,[0-9]*)\})([?+]?)")
_GROUP = re.compile(r"\((?:\?P<[^>]*>|\?([aiLmsux]*)(?:-([imsx]+))?(?=[:)]):?)?")
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_BLANKS = re.compile(r"(?:\s|#[^\n]*)+", re.ASCII)

_REFUSED = {
    "(?=": "lookahead",
    "(?!": "lookahead",
    "(?<=": "lookbehind",
    "(?<!": "lookbehind",
    "(?P=": "a backreference",
    "(?(": "a condition",
    "(?>": "an atomic group",
}


class _Parser:
    """Parses an expression that `re` has found valid.

    `atoms` are the parts that match one character, each once.
    """

    def __init__(self, pattern: str, flags: int) -> None:
        self._pattern = pattern
        self._flags = flags
        self._at = 0
        self.atoms: dict[Atom, int] = {}

    def parse(self) -> Emit:
        """The whole expression."""
        return self._alternatives(self._flags)

    def _alternatives(self, flags: int) -> Emit:
        options = [self._row(flags)]
        while self._next() == "|":
            self._at += 1
            options.append(self._row(flags))
        return options[0] if len(options) == 1 else _either(options)

    def _row(self, flags: int) -> Emit:
        parts = []
        self._skip(flags)
        while self._next() not in ("", "|", ")"):
            part = self._part(flags)
            self._skip(flags)
            parts.append(self._quantified(part))
            self._skip(flags)
        return _sequence(parts)

    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _skip(self, flags: int) -> None:
        """Skip comments, and white space if the flags say that it is ignored."""
        patterns = (_COMMENT, _BLANKS) if flags & re.VERBOSE else (_COMMENT,)
        while any(self._take(pattern) for pattern in patterns):
            pass

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._pattern, self._at)
        if found:
            self._at = found.end()
        return found

    def _quantified(self, part: Emit) -> Emit:
        found = self._take(_QUANTIFIER)
        if not found:
            return part
        if found[1] == "+":
            raise self._refusal("a possessive quantifier", found[0])
        return _repeated(part, *_bounds(found[0]))

    def _part(self, flags: int) -> Emit:
        character = self._next()
        if character == "(":
            return self._group(flags)
        if character == "\\":
            return self._escape(flags)
        if found := self._take(_SET):
            return self._atom(found[0], flags)
        self._at += 1
        if character in "^$":
            return self._line_check(character, flags)
        return self._atom("." if character == "." else re.escape(character), flags)

    def _group(self, flags: int) -> Emit:
        for start, name in _REFUSED.items():
            if self._pattern.startswith(start, self._at):
                raise self._refusal(name, start)
        head = self._take(_GROUP)
        assert head, "`re` accepted a group that is unknown here"
        inner = _changed(flags, head[1] or "", head[2] or "")
        # Flags for the whole pattern come first; `re` has already reported them.
        body = _sequence([]) if self._next() == ")" else self._alternatives(inner)
        self._at += 1
        return body

    def _escape(self, flags: int) -> Emit:
        found = self._take(_ESCAPE)
        assert found, "`re` accepted a backslash at the end"
        name = found[0][1:]
        if name in ("A", "Z", "z"):
            return _place(_CHECKS[r"\A" if name == "A" else r"\Z"])
        if name in ("b", "B"):
            return self._boundary(name, flags)
        if re.fullmatch("[1-9][0-9]?", name):
            raise self._refusal("a backreference", found[0])
        return self._atom(found[0], flags)

    def _line_check(self, character: str, flags: int) -> Emit:
        if not flags & re.MULTILINE:
            return _place(_CHECKS[r"\A" if character == "^" else r"\Z"])
        self._number(NEWLINES)
        return _place(_CHECKS[f"(?m){character}"])

    def _boundary(self, name: str, flags: int) -> Emit:
        self._number(WORDS)
        self._number(ASCII_WORDS)
        check = _CHECKS[r"(?a)\b" if flags & re.ASCII else r"\b"]
        return _place(check if name == "b" else _unless(check))

    def _atom(self, source: str, flags: int) -> Emit:
        relevant = flags & (re.ASCII | re.DOTALL | re.IGNORECASE)
        number = self._number(Atom(source, int(relevant)))
        return lambda graph, then: graph.add([then], read=number)

    def _number(self, atom: Atom) -> int:
        return self.atoms.setdefault(atom, len(self.atoms))

    def _refusal(self, name: str, text: str) -> ConfigError:
        return ConfigError(
            f"pattern={self._pattern!r} has {name} ({text}), which cannot be enforced "
            "while a text is being written. Rewrite it without."
        )


def _place(check: Check) -> Emit:
    return lambda graph, then: graph.add([then], check=check)


def _bounds(quantifier: str) -> tuple[int, int | None]:
    """The minimum and maximum number of repeats; None is unlimited.

    >>> [_bounds(text) for text in ("*", "+?", "?", "{3}", "{,4}", "{5,}")]
    [(0, None), (1, None), (0, 1), (3, 3), (0, 4), (5, None)]
    """
    if quantifier[0] in "*+?":
        return int(quantifier[0] == "+"), 1 if quantifier[0] == "?" else None
    least, comma, most = quantifier.strip("{}?").partition(",")
    if not comma:
        return int(least), int(least)
    return int(least or 0), int(most) if most else None


def _changed(flags: int, added: str, removed: str) -> int:
    for letter in added:
        flags |= re.RegexFlag[letter.upper()]
    # Inside a group, "u" means "not a".
    for letter in removed + ("a" if "u" in added else ""):
        flags &= ~re.RegexFlag[letter.upper()]
    return flags
