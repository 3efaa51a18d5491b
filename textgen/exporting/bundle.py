"""Modules of JavaScript as one script, for a page that is a single file.

Only the forms of import and export that the page uses are known: `import { a, b } from
"./c.js";` and `export` before a function, a class or a constant. Each module becomes a
function that returns what it exports, so that their names stay apart.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

IMPORT = re.compile(r'^import \{([^}]+)\} from "(\.{1,2}/[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(
    r"^export (?=(?:(?:async )?function\*?|class|const) (\w+))", re.MULTILINE
)


def bundled(entry: str, source: Callable[[str], str]) -> str:
    r"""A script of a module and of all that it imports.

    Args:
        entry: the name of the module.
        source: the text of a module by its name.

    Returns:
        An expression: an object with what the module exports.

    >>> sources = {
    ...     "a.js": 'import { one } from "./b/c.js";\nexport const two = one + one;\n',
    ...     "b/c.js": "export const one = 1;\n",
    ... }
    >>> print(bundled("a.js", sources.__getitem__))
    (() => {
    const modules = {};
    modules["b/c.js"] = (() => {
    const one = 1;
    return { one };
    })();
    modules["a.js"] = (() => {
    const { one } = modules["b/c.js"];
    const two = one + one;
    return { two };
    })();
    return modules["a.js"];
    })()
    """
    made: dict[str, str] = {}
    _add(entry, source, made)
    parts = [f'modules["{name}"] = {code};' for name, code in made.items()]
    body = "\n".join(["const modules = {};", *parts, f'return modules["{entry}"];'])
    return f"(() => {{\n{body}\n}})()"


def _add(name: str, source: Callable[[str], str], made: dict[str, str]) -> None:
    """Add a module after those that it imports."""
    text = source(name)
    folder = posixpath.dirname(name)

    def local(found: re.Match[str]) -> str:
        other = posixpath.normpath(posixpath.join(folder, found[2]))
        return f'const {{{found[1]}}} = modules["{other}"];\n'

    for found in IMPORT.finditer(text):
        other = posixpath.normpath(posixpath.join(folder, found[2]))
        if other not in made:
            _add(other, source, made)
    exported = ", ".join(EXPORT.findall(text))
    body = EXPORT.sub("", IMPORT.sub(local, text))
    made[name] = f"(() => {{\n{body}return {{ {exported} }};\n}})()"
