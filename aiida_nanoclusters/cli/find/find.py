"""aiida-nanoclusters find: the contents of a profile by their properties and their origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.find import listing
from aiida_nanoclusters.cli.terminal import Fixable, count_option, open_profile, profile_option

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
_limit = count_option("--limit", 50, 1, "Largest number of rows that are printed.")


def split_elements(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """Return the symbols of ``Ag,Au``, each part of a list of its own."""
    return tuple(symbol.strip() for value in values for symbol in value.split(","))


_elements = click.option(
    "--element",
    "--elements",
    "elements",
    multiple=True,
    metavar="Ag,Au",
    callback=split_elements,
    help="Chemical symbols that must occur, all of them; repeatable. Default: any.",
)
_level = click.option(
    "--level", metavar="NAME", help="Level of theory, exactly as `find` prints it. Default: any."
)


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
    """Load the profile; wrong arguments become one line that names the fix."""
    open_profile(profile_name)
    try:
        yield
    except ValueError as error:
        raise Fixable(str(error)) from error


@click.group()
def find() -> None:
    """Find data sets, potentials, structures, crossovers, and what was computed from them.

    UUIDs are printed in full, to be copied into `explain` or into `load_node` of a notebook. From
    Python the same queries are in `aiida_nanoclusters.queries`.
    """


@find.command(
    epilog=example("aiida-nanoclusters find datasets --element Cu --sizes 13-55 --labelled")
)
@options(
    _elements,
    click.option(
        "--sizes",
        type=Span(),
        metavar="13-55",
        help="Number of atoms, or a range, of which a frame must exist. Default: any.",
    ),
    _level,
    click.option(
        "--frames", type=Span(), metavar="100-", help="Number of frames, or a range. Default: any."
    ),
    click.option(
        "--labelled/--unlabelled",
        default=None,
        help="With energies and forces of some frames, or of none. Default: either.",
    ),
    click.option(
        "--all",
        "everything",
        is_flag=True,
        help="Also sets that are only steps of a process: without label and group, and no result "
        "of what a person launched.",
    ),
    _limit,
)
def datasets(
    elements: tuple[str, ...],
    sizes: tuple[int, int] | None,
    level: str | None,
    frames: tuple[int, int] | None,
    labelled: bool | None,
    everything: bool,
    limit: int,
    as_json: bool,
    profile_name: str | None,
) -> None:
    """Find sets of frames, the latest first.

    Energies that a model predicts are at a level of their own, which names the model.
    """
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
            intermediate=everything,
            limit=limit + 1,
        )
    listing.show(listing.DATASETS, rows, as_json, limit)


@find.command(epilog=example("aiida-nanoclusters find potentials --element Cu --energy-error 5"))
@options(
    _elements,
    _level,
    click.option(
        "--kind",
        metavar="KIND",
        help="Kind of potential: allegro, allegro-compiled, eam/alloy, ... Default: any.",
    ),
    click.option(
        "--trained-on", metavar="UUID", help="FramesData it was trained on. Default: any."
    ),
    click.option(
        "--energy-error",
        type=float,
        metavar="MEV",
        help="Largest RMSE of energies on the test frames (meV/atom). Default: no limit.",
    ),
    click.option(
        "--force-error",
        type=float,
        metavar="MEV",
        help="Largest RMSE of forces on the test frames (meV/Å). Default: no limit.",
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
    listing.show(listing.POTENTIALS, rows, as_json, limit)


@find.command(epilog=example("aiida-nanoclusters find structures Cu55 --level PBE"))
@click.argument("formula")
@options(
    _level,
    click.option(
        "--potential",
        metavar="UUID",
        help="Potential that computed it, or its package. Default: any.",
    ),
    count_option("--limit", 1, 1, "Number of structures of each size and level of theory."),
)
def structures(
    formula: str,
    level: str | None,
    potential: str | None,
    limit: int,
    as_json: bool,
    profile_name: str | None,
) -> None:
    """Find the lowest-energy cluster of a FORMULA, such as Cu55, or of a range, Cu13-20.

    Energies of different levels of theory cannot be compared: each level has its own.
    """
    with database(profile_name):
        from aiida_nanoclusters.queries import find_structures

        rows = find_structures(formula, level=level, potential=potential_of(potential), limit=limit)
    listing.show(listing.STRUCTURES, rows, as_json)


@find.command(epilog=example("aiida-nanoclusters find crossovers --element Cu"))
@options(
    click.option("--element", metavar="Cu", help="Chemical symbol. Default: any."),
    _level,
    click.option("--potential", metavar="UUID", help="Potential of its committee. Default: any."),
    click.option(
        "--verdict", metavar="WORDS", help="Verdict: crossing, undecided, ... Default: any."
    ),
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
    """Find the sizes at which clusters become crystals, with interval and potentials."""
    with database(profile_name):
        from aiida_nanoclusters.queries import find_crossovers

        rows = find_crossovers(
            element=element,
            level=level,
            potential=potential_of(potential),
            verdict=verdict,
            limit=limit + 1,
        )
    listing.show(listing.CROSSOVERS, rows, as_json, limit)


@find.command(epilog=example("aiida-nanoclusters find dependents 7d3f1c52"))
@click.argument("uuid")
@options(
    click.option("--all", "everything", is_flag=True, help="Also all intermediate steps."),
)
def dependents(uuid: str, everything: bool, as_json: bool, profile_name: str | None) -> None:
    """Find everything that was computed from a node: data set, potential, job, ..."""
    with database(profile_name):
        from aiida_nanoclusters.queries import find_dependents, find_node

        rows = find_dependents(find_node(uuid), everything=everything)
    listing.show(listing.DEPENDENTS, rows, as_json)


@find.command(epilog=example("aiida-nanoclusters find labels 0b7ac1e9"))
@click.argument("uuid")
@options()
def labels(uuid: str, as_json: bool, profile_name: str | None) -> None:
    """Find the result of each frame of a labelling: label, settings level, reason of a failure.

    UUID is that of a LabelWorkChain, of an engine or of one of their jobs, also of a job that
    failed and whose frames another job labelled.
    """
    with database(profile_name):
        from aiida.orm import ProcessNode

        from aiida_nanoclusters.queries import find_labels, find_node

        process = find_node(uuid, [ProcessNode], "labelling process")
        assert isinstance(process, ProcessNode)
        rows = find_labels(process)
    listing.show(listing.LABELS, rows, as_json)


def potential_of(uuid: str | None) -> PotentialData | None:
    """Return the potential of that UUID; None for none."""
    from aiida_nanoclusters.data.potential import PotentialData
    from aiida_nanoclusters.queries import find_node

    if uuid is None:
        return None
    node = find_node(uuid, [PotentialData], "potential")
    assert isinstance(node, PotentialData)
    return node
