"""What the launch scripts share about reference engines: their options, builders and results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import wraps
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


sample_option = click.option(
    "--sample-by",
    type=click.Choice(["potential", "engine"]),
    default="potential",
    show_default=True,
    help="What relaxes and samples the frames that --engine labels.",
)


def stage_options(command: launch.Command) -> launch.Command:
    """Options that say what is done to structures; the command gets them as `stages`."""

    @wraps(command)
    def with_stages(
        *args: Any,
        stage_file: str | None,
        relax: bool,
        force_tolerance: float,
        sample_steps: int,
        temperatures: tuple[float, ...],
        duration: float,
        timestep: float,
        sample_every: float,
        **given: Any,
    ) -> Any:
        if stage_file:
            stages = launch.read_list(stage_file, "stages", "{kind: relax}")
        else:
            still: dict[str, Any] = {"kind": "relax", "force_tolerance": force_tolerance}
            if sample_steps:
                still["sample_steps"] = sample_steps
            stages = [still] if relax else []
            motion = {"duration": duration, "timestep": timestep, "sample_every": sample_every}
            stages += [{"kind": "hold", "temperature": t, **motion} for t in temperatures]
        if not stages:
            raise Fixable("nothing to do: give --relax, --temperature 300, or --stages FILE")
        return command(*args, stages=stages, **given)

    for option in (
        click.option("--sample-every", default=0.05, show_default=True, help="ps between frames."),
        click.option("--timestep", default=0.002, show_default=True, help="ps."),
        click.option("--duration", default=1.0, show_default=True, help="ps, at each temperature."),
        click.option(
            "--temperature",
            "temperatures",
            type=float,
            multiple=True,
            help="K; several are held one after another.",
        ),
        click.option("--force-tolerance", default=0.02, show_default=True, help="eV/Å, --relax."),
        click.option(
            "--sample-steps",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Steps of --relax between frames that are kept; 0 keeps none.",
        ),
        click.option("--relax", is_flag=True, help="Relax, before any dynamics."),
        click.option(
            "--stages",
            "stage_file",
            help="YAML file with a list of stages instead, such as `- {kind: relax}`.",
        ),
    ):
        with_stages = option(with_stages)
    return with_stages


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


def sampler(sample_by: str, label: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the inputs of what samples, those of `label`; None where that is a potential.

    Raises
    ------
    Fixable
        If there is no engine to sample by.
    """
    if sample_by == "potential":
        return None
    if label is None:
        raise Fixable("--sample-by engine needs an --engine: cp2k or vasp")
    return {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in label.items()
    }


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


def print_stages(node: ProcessNode) -> None:
    """Print how many structures came to their end, why others did not, and where the frames are."""
    if "report" not in node.outputs:
        return
    rows = node.outputs.report["structures"]
    failed = [row for row in rows if row["state"] != "finished"]
    rough = sum(row.get("converged") is False for row in rows)
    converged = f", {rough} of them not converged" if rough else ""
    click.echo(f"{len(rows) - len(failed)} finished{converged}, {len(failed)} failed")
    for reason, which in _by_reason(failed).items():
        click.echo(f"  {which.replace('frame', 'structure')}: {reason}")
    for name in ("structures", "trajectory"):
        if name in node.outputs:
            frames = node.outputs[name]
            click.echo(f"  {name} {frames.uuid} ({len(frames)} frames)")


def _by_reason(rows: list[Mapping[str, Any]]) -> dict[str, str]:
    counts = Counter(row["reason"] for row in rows)
    said = {}
    for reason, count in counts.most_common(_SHOWN):
        first = next(row["index"] for row in rows if row["reason"] == reason)
        said[reason] = f"frame {first}" if count == 1 else f"frame {first} and {count - 1} more"
    return said
