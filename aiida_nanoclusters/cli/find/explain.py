"""aiida-nanoclusters explain: the provenance of a node as text and as a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from aiida_nanoclusters.cli.find.find import database
from aiida_nanoclusters.cli.find.listing import narrow_console, to_json, wrapped
from aiida_nanoclusters.cli.terminal import Fixable, echo, profile_option
from aiida_nanoclusters.formats.output_files import write_text
from aiida_nanoclusters.formats.plain_text import excerpt, printable, said_by

if TYPE_CHECKING:
    from aiida.orm import Node

    from aiida_nanoclusters.queries.explanation import Explanation, Numbers

#: Largest number of lines of a section of the text; --json has all.
MOST_LINES = 12
#: Columns by which what a line goes on with is indented.
_INDENT = 6
#: Largest number of nodes of a complete graph.
MOST_NODES = 2000
_SUFFIXES = (".svg", ".html")
#: Links in a picture, which would be followed, or run.
_LINK = re.compile(r'\s(?:xlink:)?href="[^"]*"')
_EPILOG = """\b
Example:
  aiida-nanoclusters explain 7d3f1c52
  aiida-nanoclusters explain 7d3f1c52 --graph origin.svg
"""


@click.command(epilog=_EPILOG)
@click.argument("uuid")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@click.option(
    "--graph",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the steps that led to the node and the data passed between them, as .svg or .html. "
    "Default: no picture.",
)
@click.option(
    "--full", is_flag=True, help="With --graph: draw every node instead of steps (needs graphviz)."
)
@profile_option
def explain(
    uuid: str, as_json: bool, graph: Path | None, full: bool, profile_name: str | None
) -> None:
    """Show the provenance of a node: its origin, and what was computed from it.

    Printed are inputs, the data behind them, codes and versions, settings and seeds, computing
    time, failed processes and dependent results. UUID (or its beginning, or a pk) is that of data
    or of a process.
    """
    if full and graph is None:
        raise Fixable("--full draws a picture: name its file by --graph origin.svg")
    if graph is not None and graph.suffix not in _SUFFIXES:
        raise Fixable(f"{graph} is neither {' nor '.join(_SUFFIXES)}: choose one of these endings")
    with database(profile_name):
        from aiida_nanoclusters.queries import find_node
        from aiida_nanoclusters.queries.explanation import explain as explain_node

        node = find_node(uuid)
        found = explain_node(node)
    if graph is not None:
        picture = full_picture(node) if full else stage_picture(found)
        write_picture(graph, picture, found)
    if as_json:
        echo(to_json(_plain(found)))
        return
    console = narrow_console()
    for line in explanation_lines(found):
        for own in line.plain.split("\n"):
            for part in wrapped(own, console.width, _INDENT):
                console.print(Text(part, line.style), soft_wrap=True)
    if graph is not None:
        console.print(f"\n{graph.resolve()}", soft_wrap=True, markup=False)


# -- words ---------------------------------------------------------------------------------


def explanation_lines(found: Explanation) -> Iterator[Text]:
    """Return the explanation line by line."""
    yield Text(f"{found.kind} {found.uuid}", "bold")
    yield Text(f"  {found.what}")
    for text in (found.label, found.description):
        if text:
            yield Text(f"  “{_short(text, 200)}”")
    yield Text(f"  {found.created.strftime('%Y-%m-%d %H:%M %Z')}")
    yield from _part("Made by", _makers(found))
    yield from _part("Inputs", (f"{s.name}: {s.what}\n    {s.uuid}" for s in found.sources))
    yield from _part("Data behind it", (f"{s.name}: {s.what}\n    {s.uuid}" for s in found.data))
    yield from _part(
        "Programs",
        [
            f"{c.label} on {c.computer}, {_count(c.jobs, 'job')}"
            + (f": {c.executable}" if c.executable else "")
            for c in found.codes
        ],
    )
    yield from _part(
        "Versions", sorted({f"{v.package} {v.version}, {v.source}" for v in found.versions})
    )
    yield from _part("Settings and seeds", _settings(found.numbers))
    yield from _part("Computing time", _costs(found))
    yield from _part("Failed processes", _faults(found))
    yield from _part("Computed from it", _dependents(found), none="nothing yet")


def _part(head: str, lines: Any, none: str = "") -> Iterator[Text]:
    """Yield a heading and its lines, of many lines the first ones."""
    listed = list(lines) or ([none] if none else [])
    if not listed:
        return
    yield Text(f"\n{head}", "bold")
    for line in listed[:MOST_LINES]:
        yield Text(f"  {line}")
    if len(listed) > MOST_LINES:
        yield Text(f"  ... and {len(listed) - MOST_LINES} more: --json", "dim")


def _makers(found: Explanation) -> Iterator[str]:
    if found.made_by is not None:
        yield f"{found.made_by.what}\n    {found.made_by.uuid}"
    elif not found.sources and not found.costs:
        yield "no process: it was stored by hand, or imported without its origin"
    for caller in found.callers:
        yield f"called by {caller.what}\n    {caller.uuid}"


def _settings(numbers: Sequence[Numbers]) -> Iterator[str]:
    """Yield for each process its plain inputs as `name value`; each process once."""
    own: dict[str, list[Numbers]] = {}
    for number in numbers:
        own.setdefault(number.process, []).append(number)
    for process, given in own.items():
        plain = [n for n in given if not isinstance(n.value, dict)]
        said = "; ".join(f"{n.name} {_said(n.value)}" for n in plain)
        lines = [f"{process}: {said}" if said else f"{process}:"]
        for number in given:
            if isinstance(number.value, dict):
                protocol = f" as in the protocol {number.protocol}" if number.protocol else ""
                flat = "; ".join(f"{k} {_said(v)}" for k, v in _flat(number.value))
                lines.append(f"    {number.name}{protocol}: {flat}")
        yield "\n".join(lines)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield settings by dotted name."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _said(value: Any) -> str:
    """Return a setting in words: of a list its items."""
    if isinstance(value, list):
        items = (", ".join(_said(item) for item in value)) if value else "none"
        return _short(items, 120)
    if isinstance(value, dict):
        return "(" + ", ".join(f"{k} {_said(v)}" for k, v in value.items()) + ")"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return _short(value)


def _short(value: Any, most: int = 60) -> str:
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _costs(found: Explanation) -> list[str]:
    lines = []
    for cost in found.costs:
        if not cost.jobs:
            continue
        cached = f", {cost.cached} of them from cache" if cost.cached else ""
        about = "about " if cost.estimated else ""
        lines.append(
            f"{cost.stage}: {_count(cost.jobs, 'job')}{cached}, {about}{_hours(cost.wall_hours)} "
            f"wall time, {about}{_hours(cost.core_hours)} core time"
        )
    jobs = sum(cost.jobs for cost in found.costs)
    if len(lines) > 1:
        core = sum(cost.core_hours for cost in found.costs)
        lines.append(f"total: {_count(jobs, 'job')}, {_hours(core)} core time")
    if any(cost.estimated for cost in found.costs):
        lines.append("(about: from submission to end, where the scheduler reports no time)")
    return lines


def _hours(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{60 * hours:.1f} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} s"


def _faults(found: Explanation) -> Iterator[str]:
    for fault in sorted(found.faults, key=lambda f: f.mended):
        status = f"[{fault.exit_status}]" if fault.exit_status else fault.state
        mended = " (its work chain recovered)" if fault.mended else ""
        yield f"{fault.label} {status} {_short(fault.message, 100)}{mended}\n    {fault.uuid}"


def _dependents(found: Explanation) -> Iterator[str]:
    for other in found.dependents:
        name = f" as {other.returned_as}" if other.returned_as else ""
        yield f"{other.kind}{name}\n    {other.uuid}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def _plain(found: Explanation) -> dict[str, Any]:
    """Return the explanation with lists in place of sets."""
    content = asdict(found)
    content["graph"] = {
        "stages": [{**asdict(step), "pks": len(step.pks)} for step in found.graph.steps.values()],
        "materials": [asdict(material) for material in found.graph.materials],
        "left_out": found.graph.left_out,
    }
    for step in content["graph"]["stages"]:
        step["processes"] = step.pop("pks")
    return content


# -- pictures ------------------------------------------------------------------------------


def stage_picture(found: Explanation) -> str:
    """Return the picture of the steps as SVG.

    Raises
    ------
    Fixable
        If no process created the node.
    """
    from aiida_nanoclusters.cli.find.provenance_graph import draw

    picture = draw(found.graph, f"Steps that led to {found.kind} {found.uuid}")
    if not picture:
        raise Fixable(f"{found.uuid} has no provenance to draw: no process created it")
    return picture


def full_picture(node: Node) -> str:
    """Return all ancestors of a node, and what a process called, as SVG.

    Raises
    ------
    Fixable
        If graphviz is missing, or there are more than :data:`MOST_NODES` nodes.
    """
    from aiida.common.links import LinkType
    from aiida.orm.utils.links import LinkPair
    from aiida.tools.graph.graph_traversers import traverse_graph
    from aiida.tools.visualization import Graph
    from graphviz.backend import ExecutableNotFound

    found = traverse_graph(
        [int(node.pk or 0)],
        links_backward=[LinkType.CREATE, LinkType.INPUT_CALC, LinkType.INPUT_WORK],
        links_forward=[LinkType.CALL_CALC, LinkType.CALL_WORK, LinkType.CREATE, LinkType.RETURN]
        if hasattr(node, "process_label")
        else [],
        get_links=True,
    )
    if len(found["nodes"]) > MOST_NODES:
        raise Fixable(
            f"{len(found['nodes'])} nodes are too many to draw: leave out --full, or draw a part"
        )
    graph = Graph(graph_attr={"rankdir": "TB"}, node_sublabel_fn=_sublabel)
    for pk in sorted(found["nodes"]):
        graph.add_node(pk)
    for link in sorted(found["links"] or ()):
        kind = LinkType(link.link_type)
        graph.add_edge(link.source_id, link.target_id, LinkPair(kind, link.link_label))
    try:
        text: str = graph.graphviz.pipe(format="svg", encoding="utf-8")
    except ExecutableNotFound as error:
        raise Fixable(
            "the complete graph needs graphviz: `sudo apt install graphviz` (or `conda install "
            "graphviz`); without --full it is not needed"
        ) from error
    return _LINK.sub("", text[text.index("<svg") :])


def _sublabel(node: Node) -> str:
    """What stands below the type of a node; a label that ends in `>` graphviz takes for HTML."""
    from aiida.tools.visualization.graph import default_node_sublabels

    try:
        text = str(default_node_sublabels(node) or "")
    except Exception as error:  # of a node whose content is not what its type says
        text = f"cannot be read: {said_by(error)}"
    lines = (excerpt(line, 100) for line in text.splitlines())
    return "\n".join(lines).replace("<", "‹").replace(">", "›")


def write_picture(path: Path, picture: str, found: Explanation) -> None:
    """Write the picture as SVG, or within an HTML page.

    Raises
    ------
    Fixable
        If the file cannot be written.
    """
    if path.suffix == ".html":
        title = escape(f"{found.kind} {found.uuid}")
        picture = (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"</head><body><h1>{title}</h1><p>{escape(found.what)}</p>{picture}</body></html>\n"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, printable(picture))
    except OSError as error:
        raise Fixable(f"cannot write {path}: {error.strerror}; name another file") from error
