"""The page with which a person lets a model write: HTML, style, modules of JavaScript.

`index.html` is complete. With a server it talks through the API of `textgen serve`; in one
file, with the model inside it, through the engine in `engine/`.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePosixPath

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
"""The media types of the files, by their suffix."""


def names() -> list[str]:
    """The files of the page, with `/` between folder and file.

    >>> {"index.html", "engine/network.js"} <= set(names())
    True
    """
    folder = files("textgen.page")
    found = [each.name for each in folder.iterdir() if _is_part(each.name)]
    inside = (folder / "engine").iterdir()
    return sorted([*found, *(f"engine/{each.name}" for each in inside)])


def source(name: str) -> str:
    """The text of a file of the page, by one of the `names`."""
    return files("textgen.page").joinpath(*name.split("/")).read_text("utf-8")


def _is_part(name: str) -> bool:
    return PurePosixPath(name).suffix in TYPES
