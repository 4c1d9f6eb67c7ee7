"""How plotly says colours, symbols, dashes and text, and how matplotlib does.

Series of a report are distinguished by colour on a page of 900 pixels. In a figure of a column's
width, printed in grey or seen with colour blindness, each colour comes with a mark of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from typing import Any

from aiida_nanoclusters.cli.report.figures import MUTED
from aiida_nanoclusters.formats.plain_text import printable

#: The grey of guides, and what it is where a series has it, which paper shows.
_GREY, _BLACK = "#7f7f7f", "#000000"
#: Marks that go with colours, in their order.
MARKERS = ("o", "s", "D", "^", "P", "*", "h", "X", "v", "<", ">", "p")
_SYMBOLS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "cross": "P",
    "star": "*",
    "hexagon": "h",
    "hexagon2": "H",
    "x": "X",
    "line-ns": "|",
    "line-ew": "_",
}
_DASHES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (8, 3))}
_STEPS = {"hv": "steps-post", "vh": "steps-pre", "hvh": "steps-mid"}
_TAG = re.compile(r"<(/?)(b|i|br|sub|sup)\s*/?>")
_RGBA = re.compile(r"rgba?\(([^)]*)\)")


def colour(
    value: Any, opacity: float | None = None, *, series: bool = False
) -> tuple[float, float, float, float]:
    """Return a colour of plotly as red, green, blue and opacity.

    The grey of guides, which a page has also for a `series`, is black there.
    """
    from matplotlib.colors import to_rgba

    text = str(value or "#000000").strip().lower()
    if found := _RGBA.fullmatch(text):
        parts = [float(part) for part in found[1].split(",")]
        red, green, blue = (round(part) for part in parts[:3])
        plain = f"#{red:02x}{green:02x}{blue:02x}"
        kept = parts[3] if len(parts) > 3 else 1.0
    else:
        plain, kept = text, 1.0
    if plain == MUTED.lower():
        plain = _BLACK if series else _GREY
    final = to_rgba(plain)
    return (*final[:3], kept * (1.0 if opacity is None else opacity))


def marker(symbol: Any) -> tuple[str, bool] | None:
    """Return matplotlib's marker of a symbol and whether it is hollow; None for plotly's own."""
    if symbol is None or not isinstance(symbol, str):
        return None
    name = symbol.removesuffix("-open").removesuffix("-dot")
    return _SYMBOLS.get(name, "o"), symbol.endswith("-open")


def dash(line: Any) -> Any:
    """Return matplotlib's style of a line."""
    return _DASHES.get(str(getattr(line, "dash", None) or "solid"), "-")


def step(line: Any) -> str:
    """Return matplotlib's way to draw a stepped line."""
    return _STEPS.get(str(getattr(line, "shape", None)), "default")


def text_of(html: Any) -> tuple[str, bool]:
    """Return a text of plotly as matplotlib draws it, and whether it is bold.

    ``<sub>`` and ``<sup>`` become mathematics, all else stands as it is.
    """
    plain, places = [], {"sub": "_", "sup": "^"}
    at, closes, source = 0, [], str(html or "")
    for tag in _TAG.finditer(source):
        plain.append(_escaped(source[at : tag.start()]))
        at, name = tag.end(), tag[2]
        if name == "br":
            plain.append("\n")
        elif name in places and not tag[1]:
            plain.append(f"$\\mathregular{{{{}}{places[name]}{{")
            closes.append(name)
        elif name in places and closes:
            plain.append("}}$")
            closes.pop()
    plain.append(_escaped(source[at:]))
    return "".join([*plain, *("}}$" for _ in closes)]), "<b>" in source


def _escaped(text: str) -> str:
    shown = printable(unescape(text)).replace("\\", "\\backslash").replace("$", r"\$")
    # which the fonts of matplotlib have no glyph for
    return shown.replace("\u2009", "\u00a0")


def distinct(series: Iterable[tuple[Any, str]]) -> dict[tuple[Any, str], str]:
    """Return a marker for each series, in their order; greys, which are guides, have none.

    Parameters
    ----------
    series
        Colour and name; what has no name has the marker of the first of its colour.
    """
    found: dict[tuple[Any, str], str] = {}
    for tint, name in series:
        if (tint, name) in found or is_grey(tint):
            continue
        own = [mark for (other, _), mark in found.items() if other == tint]
        fresh = MARKERS[len(set(found.values())) % len(MARKERS)]
        found[tint, name] = own[0] if own and not name else fresh
    return found


def is_grey(rgba: tuple[float, float, float, float]) -> bool:
    """Whether a colour is a grey other than black."""
    return max(rgba[:3]) - min(rgba[:3]) < 0.08 and max(rgba[:3]) > 0.1
