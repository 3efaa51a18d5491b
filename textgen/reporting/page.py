"""What all pages have in common: templates, styles, and text that does them no harm."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from textgen.errors import ConfigError
from textgen.wording import install_command

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def check_installed() -> None:
    """Refuse to begin without the packages that a page needs.

    Raises:
        ConfigError: one is missing; the message says how to install it.
    """
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"a page needs jinja2 and matplotlib ({error}). Install them: "
            f"{install_command('report')}"
        ) from error


def rendered(template: str, /, **values: Any) -> str:
    """A page by the name of its template; text in `values` is escaped."""
    return _environment().get_template(template).render(values)


def asset(name: str) -> Markup:
    """A script or a style, as it is."""
    from markupsafe import Markup

    return Markup(_source(name))


@cache
def _environment() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["shown"] = shown
    environment.globals["asset"] = asset
    return environment


def _source(name: str) -> str:
    return (files("textgen.reporting") / "templates" / name).read_text("utf-8")


def json_for_page(data: Any) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
    escapes |= {"\u2028": "\\u2028", "\u2029": "\\u2029"}
    return re.sub("[<>&\u2028\u2029]", lambda match: escapes[match[0]], text)


def shown(text: str) -> str:
    r"""A text without characters that a page would obey or cannot show.

    >>> shown("a\x00\u202eb\n")
    'a␀�b\n'
    """
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\n\t":
        return character
    if ord(character) < 32:
        return chr(0x2400 + ord(character))
    category = unicodedata.category(character)
    return "\ufffd" if category[0] == "C" or category in ("Zl", "Zp") else character
