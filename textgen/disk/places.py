"""Where the operating system keeps what a program stores for a user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal


def home() -> Path | None:
    """The home directory of this user; None if it is unknown.

    There may be no account of this number, as in some containers, and no `HOME`.
    """
    found = Path(os.path.expanduser("~"))
    # Python takes an empty HOME for the root of the file system.
    return found if found.is_absolute() and os.environ.get("HOME") != "" else None


def user_folder(kind: Literal["cache", "data"]) -> Path | None:
    """The directory of this package's cache or data, which may not exist yet.

    None if neither a home directory nor this place is known.

    >>> user_folder("cache").name
    'textgen'
    """
    import platformdirs

    find = {"cache": platformdirs.user_cache_path, "data": platformdirs.user_data_path}
    try:
        path = find[kind]("textgen", appauthor=False)
    except RuntimeError:
        return None
    # Older versions of platformdirs return `~/...` as it is, a relative path.
    return path if path.is_absolute() else None
