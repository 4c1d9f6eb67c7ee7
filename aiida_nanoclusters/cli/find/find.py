"""aiida-nanoclusters find: what is in the profile, by what it is and where it came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli import found
from aiida_nanoclusters.cli.terminal import Fixable, open_profile, profile_option

if TYPE_CHECKING:
    from aiida_nanoclusters.data.potential import PotentialData

_SPAN = re.compile(r"(\d+)(-(\d*))?")
#: End of an open range: no cluster has so many atoms, no set so many frames.
_ENDLESS = 10**9


class Span(click.ParamType):
    """``55``, ``13-55`` or ``100-``, as first and last number."""

    name = "range"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """Return first and last number of the range."""
        if isinstance(value, tuple):
            return value
        match = _SPAN.fullmatch(str(value).strip())
        if match is None:
            raise Fixable(f"`{value}` is no range: give a number, 13-55, or 100- for 100 and more")
        low = int(match[1])
        high = low if match[2] is None else int(match[3] or _ENDLESS)
        if high < low:
            raise Fixable(f"`{value}` is an empty range: give the lower number first")
        return low, high


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
_limit = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Print so many at most.",
)
_elements = click.option(
    "--element",
    "elements",
    multiple=True,
    metavar="Cu",
    help="Holds this element; can be repeated.",
)
_level = click.option("--level", metavar="NAME", help="Level of theory, as `find` prints it.")


def example(command: str) -> str:
    """Return the end of a command's help: an example on a line of its own."""
    return f"\b\nExample:\n  {command}"


def options(*own: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command its own options, then those all of them share."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed((*own, _json, profile_option)):
            function = option(function)
        return function

    return decorate


@contextmanager
def database(profile_name: str | None) -> Iterator[None]:
    """Load the profile; questions that make no sense become one line that names the fix."""
    open_profile(profile_name)
    try:
        yield
    except ValueError as error:
        raise Fixable(str(error)) from error


@click.group()
def find() -> None:
    """Find data sets, potentials, structures, crossovers, and what rests on them.

    UUIDs are printed in full: copy one into `explain`, or into `load_node` of a notebook. The same
    questions are asked from Python by `aiida_nanoclusters.queries`.
    """


@find.command(
    epilog=example("aiida-nanoclusters find datasets --element Cu --sizes 13-55 --labelled")
)
@options(
    _elements,
    click.option("--sizes", type=Span(), metavar="13-55", help="Has clusters of so many atoms."),
    _level,
    click.option("--frames", type=Span(), metavar="100-", help="Holds so many frames."),
    click.option(
        "--labelled/--unlabelled",
        default=None,
        help="Has frames with energies and forces, or has none.",
    ),
    _limit,
)
def datasets(
    elements: tuple[str, ...],
    sizes: tuple[int, int] | None,
    level: str | None,
    frames: tuple[int, int] | None,
    labelled: bool | None,
    limit: int,
    as_json: bool,
    profile_name: str | None,
) -> None:
    """Find sets of frames, the latest first."""
    with database(profile_name):
        from aiida_nanoclusters.queries import find_datasets

        low, high = frames or (None, None)
        rows = find_datasets(
            elements=elements,
            sizes=sizes,
            level=level,
            min_frames=low,
            max_frames=None if high == _ENDLESS else high,
            labelled=labelled,
            limit=limit + 1,
        )
    found.show(found.DATASETS, rows, as_json, limit)


@find.command(epilog=example("aiida-nanoclusters find potentials --element Cu --energy-error 5"))
@options(
    _elements,
    _level,
    click.option("--kind", metavar="KIND", help="allegro, allegro-compiled, eam/alloy, ..."),
    click.option("--trained-on", metavar="UUID", help="Learnt this set of frames."),
    click.option(
        "--energy-error", type=float, metavar="MEV", help="Test error of at most so many meV/atom."
    ),
    click.option(
        "--force-error", type=float, metavar="MEV", help="Test error of at most so many meV/Å."
    ),
    _limit,
)
def potentials(
    elements: tuple[str, ...],
    level: str | None,
    kind: str | None,
    trained_on: str | None,
    energy_error: float | None,
    force_error: float | None,
    limit: int,
    as_json: bool,
    profile_name: str | None,
) -> None:
    """Find potentials, the latest first, with their root mean square errors on test frames."""
    with database(profile_name):
        from aiida_nanoclusters.queries import find_potentials

        rows = find_potentials(
            elements=elements,
            level=level,
            kind=kind,
            training_set=trained_on,
            max_energy_rmse=energy_error,
            max_forces_rmse=force_error,
            limit=limit + 1,
        )
    found.show(found.POTENTIALS, rows, as_json, limit)


@find.command(epilog=example("aiida-nanoclusters find structures Cu55 --level PBE"))
@click.argument("formula")
@options(
    _level,
    click.option("--potential", metavar="UUID", help="Computed by this potential."),
    click.option(
        "--limit",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="So many of each size and level, from different sets of frames.",
    ),
)
def structures(
    formula: str,
    level: str | None,
    potential: str | None,
    limit: int,
    as_json: bool,
    profile_name: str | None,
) -> None:
    """Find the lowest cluster of a FORMULA, such as Cu55, or of a range, Cu13-20.

    Energies of different levels of theory cannot be compared: each has its own lowest.
    """
    with database(profile_name):
        from aiida_nanoclusters.queries import find_structures

        rows = find_structures(formula, level=level, potential=potential_of(potential), limit=limit)
    found.show(found.STRUCTURES, rows, as_json)


@find.command(epilog=example("aiida-nanoclusters find crossovers --element Cu"))
@options(
    click.option("--element", metavar="Cu", help="Of this element."),
    _level,
    click.option("--potential", metavar="UUID", help="A potential of its committee."),
    click.option("--verdict", metavar="WORDS", help="crossing, undecided, ..."),
    _limit,
)
def crossovers(
    element: str | None,
    level: str | None,
    potential: str | None,
    verdict: str | None,
    limit: int,
    as_json: bool,
    profile_name: str | None,
) -> None:
    """Find where clusters become crystals: every answer, with its interval and potentials."""
    with database(profile_name):
        from aiida_nanoclusters.queries import find_crossovers

        rows = find_crossovers(
            element=element,
            level=level,
            potential=potential_of(potential),
            verdict=verdict,
            limit=limit + 1,
        )
    found.show(found.CROSSOVERS, rows, as_json, limit)


@find.command(epilog=example("aiida-nanoclusters find dependents 7d3f1c52"))
@click.argument("uuid")
@options(
    click.option("--all", "everything", is_flag=True, help="Also every step between."),
)
def dependents(uuid: str, everything: bool, as_json: bool, profile_name: str | None) -> None:
    """Find everything that rests on a node: a label set, a potential, a job, anything."""
    with database(profile_name):
        from aiida_nanoclusters.queries import find_dependents, find_node

        rows = find_dependents(find_node(uuid), everything=everything)
    found.show(found.DEPENDENTS, rows, as_json)


@find.command(epilog=example("aiida-nanoclusters find labels 0b7ac1e9"))
@click.argument("uuid")
@options()
def labels(uuid: str, as_json: bool, profile_name: str | None) -> None:
    """Find which frames a job or a labelling has labelled, on which try, and why not others.

    UUID is that of a LabelWorkChain, an engine or a job of theirs, also of one that failed and
    whose frames another job finished.
    """
    with database(profile_name):
        from aiida.orm import ProcessNode

        from aiida_nanoclusters.queries import find_labels, find_node

        process = find_node(uuid, [ProcessNode], "process that labels")
        assert isinstance(process, ProcessNode)
        rows = find_labels(process)
    found.show(found.LABELS, rows, as_json)


def potential_of(uuid: str | None) -> PotentialData | None:
    """Return the potential of that UUID; None for none."""
    from aiida_nanoclusters.data.potential import PotentialData
    from aiida_nanoclusters.queries import find_node

    if uuid is None:
        return None
    node = find_node(uuid, [PotentialData], "potential")
    assert isinstance(node, PotentialData)
    return node
