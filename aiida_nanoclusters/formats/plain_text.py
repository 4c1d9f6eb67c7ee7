"""Text of unknown origin as it may be shown: no character in it acts on what shows it."""

from __future__ import annotations

import re
from typing import TypeVar

_T = TypeVar("_T")

#: Control characters but line ends and tabs, marks of writing direction, surrogates.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Return a text with every character that would act written as its code.

    A terminal obeys control characters: they move its cursor, clear it, set its title. Marks of
    writing direction let a line read otherwise than it is.

    Examples
    --------
    >>> print(printable("a\x1b[2J"))
    a\u001b[2J
    """
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """Return a text as :func:`printable` does, on one line."""
    return printable(" ".join(text.split()))


def excerpt(text: str, longest: int = 80) -> str:
    """Return the beginning of a text as part of a line: also line ends and tabs as their codes."""
    short = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def said_by(error: BaseException, longest: int = 200) -> str:
    """Return what an exception says as part of a line; its type where it says nothing."""
    return excerpt(" ".join(str(error).split()) or type(error).__name__, longest)


def reason_of(error: BaseException) -> str:
    """Return the type of an exception and what it says, as part of a line."""
    name = type(error).__name__
    return f"{name}: {said_by(error)}" if str(error).strip() else name


def file_name(text: str, most: int = 100) -> str:
    """Return a text as (part of) a name of a file: letters, digits and ``._+-`` only.

    Examples
    --------
    >>> file_name("../../etc/passwd")
    'etc_passwd'
    """
    name = re.sub(r"[^\w.+-]+", "_", printable(text), flags=re.ASCII)
    return name.strip("._-")[:most] or "unnamed"
