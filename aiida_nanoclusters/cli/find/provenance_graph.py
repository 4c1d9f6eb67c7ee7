"""Steps and the data between them as a picture (SVG), laid out from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from aiida_nanoclusters.queries.steps import Material, Step, StepGraph

#: Pixels: of a character, a line, the room around a text, and between boxes.
_CHARACTER, _LINE, _PAD, _GAP, _RISE = 7.2, 17.0, 10.0, 22.0, 44.0
_UUID_SHOWN = 8
_STYLE = """
.provenance { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.provenance text { fill: var(--ink, #1b1e23); text-anchor: middle; }
.provenance .small { fill: var(--muted, #5b626d); }
.provenance .stage rect { fill: var(--card, #eaf1f8); stroke: var(--link, #1f66a8); }
.provenance .failed rect { stroke: #c0392b; }
.provenance .data rect { fill: var(--paper, #ffffff); stroke: var(--line, #b8bec8); }
.provenance .asked rect { stroke: var(--warn-line, #d69a15); stroke-width: 3; }
.provenance path { fill: none; stroke: var(--muted, #5b626d); stroke-width: 1.2; }
.provenance marker path { fill: var(--muted, #5b626d); stroke: none; }
"""


@dataclass
class _Box:
    """A box of the picture: lines of text, and where it lies."""

    key: str
    lines: list[str]
    uuids: Sequence[str]
    style: str
    layer: int = 0
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        return max(len(line) for line in self.lines) * _CHARACTER + 2 * _PAD

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 2 * _PAD - 4


def draw(graph: StepGraph, title: str) -> str:
    """Return the picture as one SVG element; empty where there is nothing to draw.

    Parameters
    ----------
    graph
        From :func:`aiida_nanoclusters.queries.steps.step_graph`.
    title
        Description of the picture for screen readers.
    """
    boxes = {f"step {pk}": _step_box(step) for pk, step in graph.steps.items()}
    edges: list[tuple[str, str]] = []
    for number, material in enumerate(graph.materials):
        box = _data_box(number, material)
        boxes[box.key] = box
        if material.producer is not None:
            edges.append((f"step {material.producer}", box.key))
        edges += [(box.key, f"step {consumer}") for consumer in material.consumers]
    if not boxes:
        return ""
    _set_layers(boxes, edges)
    width, height = _place(boxes, edges)
    arrows = "".join(_arrow(boxes[a], boxes[b]) for a, b in edges)
    drawn = "".join(_drawn(box) for box in boxes.values())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="provenance" role="img" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
        f"{arrows}{drawn}</svg>"
    )


def _step_box(step: Step) -> _Box:
    below = len(step.pks) - 1
    ended = step.state if not step.exit_status else f"exit status {step.exit_status}"
    text = f"{ended}, {below} process{'es' if below != 1 else ''} called" if below else ended
    lines = [step.label, text, step.uuid[:_UUID_SHOWN]]
    good = step.state == "finished" and not step.exit_status
    return _Box(f"step {step.pk}", lines, [step.uuid], "stage" if good else "stage failed")


def _data_box(number: int, material: Material) -> _Box:
    count = len(material.uuids)
    names = ", ".join(material.names)
    lines = [f"{count} × {material.kind}" if count > 1 else material.kind]
    lines += [names if len(names) <= 34 else f"{names[:31]}..."] if names else []
    lines.append(material.uuids[0][:_UUID_SHOWN] + (", ..." if count > 1 else ""))
    style = "data asked" if material.asked else "data"
    return _Box(f"data {number}", lines, material.uuids, style)


def _set_layers(boxes: Mapping[str, _Box], edges: Sequence[tuple[str, str]]) -> None:
    """Put each box below all boxes with an arrow to it; a cycle, if there is one, is cut."""
    below: dict[str, list[str]] = {key: [] for key in boxes}
    for a, b in edges:
        below[a].append(b)
    order: list[str] = []
    state: dict[str, int] = {}
    back: set[tuple[str, str]] = set()
    for start in boxes:
        waiting = [(start, iter(below[start]))] if start not in state else []
        state.setdefault(start, 1)
        while waiting:
            key, rest = waiting[-1]
            following = next(rest, None)
            if following is None:
                state[key] = 2
                order.append(key)
                waiting.pop()
            elif state.get(following) == 1:
                back.add((key, following))
            elif following not in state:
                state[following] = 1
                waiting.append((following, iter(below[following])))
    for key in reversed(order):
        for following in below[key]:
            if (key, following) not in back:
                boxes[following].layer = max(boxes[following].layer, boxes[key].layer + 1)
    for key in order:  # inputs stand directly above their first use
        if not any(b == key for _, b in edges) and below[key]:
            boxes[key].layer = max(0, min(boxes[b].layer for b in below[key]) - 1)


def _place(boxes: Mapping[str, _Box], edges: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Set every box beside its neighbours in the layers above and below; returns the size."""
    layers: dict[int, list[_Box]] = {}
    for box in boxes.values():
        layers.setdefault(box.layer, []).append(box)
    beside: dict[str, list[str]] = {key: [] for key in boxes}
    for a, b in edges:
        beside[a].append(b)
        beside[b].append(a)
    for row in layers.values():
        _spread(row)
    for turn in range(8):
        for layer in sorted(layers, reverse=bool(turn % 2)):
            row = layers[layer]
            for box in row:
                others = [boxes[key].x for key in beside[box.key]]
                box.x = sum(others) / len(others) if others else box.x
            row.sort(key=lambda box: box.x)
            _spread(row)
    left = min(box.x - box.width / 2 for box in boxes.values()) - _GAP
    y = _GAP
    for layer in sorted(layers):
        tallest = max(box.height for box in layers[layer])
        for box in layers[layer]:
            box.x, box.y = box.x - left, y + tallest / 2
        y += tallest + _RISE
    return max(box.x + box.width / 2 for box in boxes.values()) + _GAP, y - _RISE + _GAP


def _spread(row: list[_Box]) -> None:
    """Move overlapping boxes of a layer apart, and keep the middle of the layer."""
    middle = sum(box.x for box in row) / len(row)
    for before, box in pairwise(row):
        box.x = max(box.x, before.x + (before.width + box.width) / 2 + _GAP)
    shift = middle - sum(box.x for box in row) / len(row)
    for box in row:
        box.x += shift


def _arrow(a: _Box, b: _Box) -> str:
    x1, y1, x2, y2 = a.x, a.y + a.height / 2, b.x, b.y - b.height / 2
    bend = (y2 - y1) / 2
    curve = (
        f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
    )
    return f'<path d="{curve}" marker-end="url(#arrow)"/>'


def _drawn(box: _Box) -> str:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    texts = "".join(
        f'<text x="{box.x:.1f}" y="{top + _PAD + 9 + k * _LINE:.1f}"'
        + (' class="small">' if k else ">")
        + f"{escape(line)}</text>"
        for k, line in enumerate(box.lines)
    )
    return (
        f'<g class="{box.style}"><title>{escape(" ".join(box.uuids))}</title>'
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'rx="{14 if box.style.startswith("stage") else 3}"/>{texts}</g>'
    )
