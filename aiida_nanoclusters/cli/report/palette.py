"""Colours of structural families: a hue for each packing, lighter and darker for its families."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

from ase.data import atomic_numbers
from ase.data.colors import jmol_colors

#: Hue of each packing, those of the figures of E. Telari et al., ACS Nano 17, 21287 (2023):
#: fcc red, twin green, decahedral blue, icosahedral orange, mixed purple, amorphous pink.
PACKINGS = {
    "fcc": "#d0402f",
    "twin": "#2f9e58",
    "decahedral": "#2f74c8",
    "icosahedral": "#e8912a",
    "mixed": "#8a5cc0",
    "amorphous": "#dd77ae",
}
#: Families of one packing whose shades ascend, and the step in lightness among more.
_ORDERED, _GOLDEN = 6, 0.618
#: Frames without a family or a name.
NONE = "#9aa0a8"
#: Atoms by the packing around them.
ATOMS = {
    "fcc": "#3fae5a",
    "hcp": "#d5402b",
    "icosahedral": "#f2b53a",
    "fivefold": "#e08a1e",
    "bcc": "#5b6ee1",
    "surface": "#e9ebef",
    "other": "#a9b0ba",
}
#: Elements that Jmol has in colours like those of silver and of paper.
_ELEMENTS = {"C": "#4a4f57", "H": "#dfe3ea"}


def element_colours(symbols: Sequence[str]) -> list[str]:
    """Return a colour for each chemical symbol, as Jmol has them but of carbon and hydrogen."""
    return [_ELEMENTS.get(s) or _hex(*jmol_colors[atomic_numbers[s]]) for s in symbols]


def family_colours(packings: Sequence[str]) -> list[str]:
    """Return a colour for each family from the packing that most of its frames have.

    Families of one packing have its hue, darker and lighter; an unknown packing is grey.
    """
    found = [NONE] * len(packings)
    for name in set(packings):
        own = [k for k, packing in enumerate(packings) if packing == name]
        hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(PACKINGS.get(name, NONE)))
        for place, family in enumerate(own):
            # Of many, those that follow each other in the table lie apart in lightness.
            share = 0.5 if len(own) == 1 else place / (len(own) - 1)
            share = share if len(own) <= _ORDERED else (_GOLDEN * place) % 1
            reach = 0.0 if len(own) == 1 else 0.2
            light = min(0.8, max(0.22, lightness + reach * (2 * share - 1)))
            # neighbours in the table differ in hue a little as well
            turned = (hue + 0.035 * (2 * share - 1) * (len(own) > 1)) % 1
            found[family] = _hex(*colorsys.hls_to_rgb(turned, light, saturation))
    return found


def translucent(colour: str, opacity: float) -> str:
    """Return a colour as plotly takes it with an opacity from 0 to 1."""
    red, green, blue = (round(255 * part) for part in _rgb(colour))
    return f"rgba({red},{green},{blue},{opacity})"


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return red, green, blue


def _hex(red: float, green: float, blue: float) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))
