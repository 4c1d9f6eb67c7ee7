"""What a protocol, a port or click refuses, in one line with the name of the option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click

from aiida_nanoclusters.cli.terminal import Fixable

#: What AiiDA and plumpy write before the message of a validator; the port where they say it.
_PREFIX = re.compile(
    r"(?:invalid attribute value |Error occurred validating port '(?:inputs\.?)?([^']*)': )"
)
#: Options that set ports and settings of other names.
_OPTIONS = {
    "max_concurrent": "jobs",
    "ranges": "sizes",
    "settings": "assignments",
    "labelled": "dataset",
    "cluster": "size",
    "potential": "potentials",
    "loop": "assignments",
    "budget": "labels",
    "per_round": "labels_per_round",
    "calibration_frames": "calibration",
    "max_error": "calibrate",
}


@contextmanager
def fixable() -> Iterator[None]:
    """Tell what is wrong with an input in one line, where a protocol or a port refuses it.

    Raises
    ------
    Fixable
        The message of the validator behind the name of the option, without AiiDA's words.
    """
    try:
        yield
    except ValueError as error:
        raise Fixable(of_option(str(error))) from error


def of_option(message: str) -> str:
    """Return what a validator says behind the option that the running command has for it.

    Parameters
    ----------
    message
        As AiiDA tells it, perhaps behind the names of ports.
    """
    text = " ".join(message.split())
    places: list[str] = []
    while found := _PREFIX.match(text):
        places += (found[1] or "").split(".")[::-1]
        text = text[found.end() :]
    ctx = click.get_current_context(silent=True)
    if ctx is None:
        return text
    if text.startswith("settings: "):
        text = text.removeprefix("settings: ")
        places.append("settings")
    options = {p.name: max(p.opts, key=len) for p in ctx.command.params if p.opts[0][0] == "-"}
    begin = re.match(r"`([\w.]+)`|(\w+)", text)
    path = (begin[1] or begin[2]).split(".") if begin else []
    if "input should" in text:  # of a model of settings: its parts are no ports
        words = [part for part in path if not part.isdigit()]
        names = [*words[-1:], *(words[:1] if path[1:2] and path[1].isdigit() else ()), "settings"]
    else:
        names = [*path[-1:], *path[:1], *places]  # `lammps.potential`: what, then of what
    for name in names:
        flag = options.get(name) or options.get(_OPTIONS.get(name, ""))
        if flag and flag not in text:
            same = begin is not None and [name] == path
            return f"{flag}{text[begin.end() :]}" if same and begin else f"{flag}: {text}"
    return text


def refused_by_port(error: ValueError) -> bool:
    """Whether a message is that of a port of a process, so that the input is at fault."""
    return _PREFIX.match(str(error)) is not None


def why_unreadable(error: OSError | ValueError) -> str:
    """Return why a file cannot be read, without the number and the path that Python adds."""
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or " ".join(str(error).split())).replace('"<unicode string>", ', "")


def told_of_file(name: str, error: BaseException) -> str:
    """Return what is wrong with a file behind its name, which is said once and without a folder."""
    text = re.sub(rf"\S*/{re.escape(name)}", name, " ".join(str(error).split()))
    return text if text.startswith(name) else f"{name}: {text}"
