"""What the launch scripts share about reference engines: their options, builders and results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli import launch
from aiida_nanoclusters.cli.terminal import Fixable

if TYPE_CHECKING:
    from aiida.orm import ProcessNode

#: Code that labels, by engine, where none is named.
CODES = {"cp2k": "cp2k@localhost", "vasp": "vasp@localhost"}
_HOW = {
    "cp2k": "`aiida-nanoclusters setup profiles/laptop-cp2k` where CP2K is installed",
    "vasp": "`verdi code create core.code.installed` with the plugin `vasp.vasp`",
}
#: Reasons that are printed one by one.
_SHOWN = 5


def engine_options(prefix: str = "") -> Any:
    """Options that choose a reference engine; `prefix` keeps them apart from a script's own."""

    def add(command: launch.Command) -> launch.Command:
        for option in (
            click.option(
                f"--{prefix}code",
                f"{prefix}code".replace("-", "_"),
                help="Code that labels; cp2k@localhost or vasp@localhost by default.",
            ),
            click.option(
                f"--{prefix}protocol",
                f"{prefix}protocol".replace("-", "_"),
                help="Level of theory of --engine: gfn1-xtb, pbe, pbe-d3-tzv2p; liu2025, quick.",
            ),
            click.option(
                "--engine",
                type=click.Choice(["potential", *CODES]),
                default="potential",
                show_default=True,
                help="What labels.",
            ),
        ):
            command = option(command)
        return command

    return add


def engine_inputs(
    engine: str,
    protocol: str | None,
    code: str | None,
    options: tuple[str, ...] = (),
    n_atoms: int | None = None,
) -> dict[str, Any]:
    """Return the inputs of a LabelWorkChain that choose a program of first principles.

    Raises
    ------
    Fixable
        If the engine is not installed, or there is no such code or protocol.
    """
    from aiida_nanoclusters.workflows.label import LabelWorkChain

    label = code or CODES[engine]
    try:
        program = launch.get_code(label)
    except Fixable as error:
        raise Fixable(
            f"no code `{label}` for the engine {engine}: {_HOW[engine]}, or give one of "
            "`verdi code list`"
        ) from error
    with launch.fixable():
        inputs: dict[str, Any] = LabelWorkChain.engine_inputs(
            engine, program, protocol, options=launch.options_of(program, options), n_atoms=n_atoms
        )
    return inputs


def print_labels(node: ProcessNode) -> None:
    """Print how many frames have a label, where it came from, and why some have none."""
    if "report" not in node.outputs:
        return
    report = node.outputs.report
    known = f" ({report['n_known']} known before)" if report["n_known"] else ""
    click.echo(f"{report['n_labelled']} labelled, {report['n_failed']} failed{known}")
    for reason, frames in _by_reason(
        [r for r in report["frames"] if r["state"] != "labelled"]
    ).items():
        click.echo(f"  {frames}: {reason}")
    for row in report["atoms"]:
        if row["state"] != "labelled":
            click.echo(f"  an isolated atom, the energy reference: {row['reason']}")
    if "frames" in node.outputs:
        click.echo(f"  frames {node.outputs.frames.uuid}")


def _by_reason(rows: list[Mapping[str, Any]]) -> dict[str, str]:
    counts = Counter(row["reason"] for row in rows)
    said = {}
    for reason, count in counts.most_common(_SHOWN):
        first = next(row["index"] for row in rows if row["reason"] == reason)
        said[reason] = f"frame {first}" if count == 1 else f"frame {first} and {count - 1} more"
    return said
