"""Reference engines in the launch commands: options, inputs and printed results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.launch import options as shared
from aiida_nanoclusters.cli.launch.protocol_options import (
    level_changes,
    number_options,
    split_assignments,
)
from aiida_nanoclusters.cli.terminal import Fixable, choice_option, count_option, echo

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


@dataclass(frozen=True)
class EngineChoice:
    """The reference engine that :func:`engine_options` name.

    Attributes
    ----------
    name, protocol, code
        Engine, its level of theory, and its program; None for the engine's own.
    overrides
        Settings that `--set` changes in the level of theory.
    """

    name: str
    protocol: str | None
    code: str | None
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def by_potential(self) -> bool:
        """Whether a potential computes the labels."""
        return self.name == "potential"

    def inputs(self, options: tuple[str, ...], n_atoms: int | None = None) -> dict[str, Any]:
        """Return the inputs of a LabelWorkChain; see :func:`engine_inputs`."""
        inputs = engine_inputs(
            self.name, self.protocol, self.code, options, n_atoms, self.overrides
        )
        if self.overrides and _renamed_by_none(self, inputs):
            echo(
                "Warning: labels by changed settings differ from those of the level of theory "
                f"under whose name they are stored: add --set {self.name}.level_of_theory=NAME",
                err=True,
            )
        return inputs


def engine_options(command: shared.Command) -> shared.Command:
    """Options that choose a reference engine; the command gets an :class:`EngineChoice`.

    Where the command has a protocol of its own, what `--set` changes of it stays `assignments`;
    what it changes of the level of theory is taken by the engine.
    """

    @wraps(command)
    def with_engine(
        *args: Any,
        engine: str,
        engine_protocol: str | None,
        engine_code: str | None,
        assignments: tuple[str, ...] = (),
        **given: Any,
    ) -> Any:
        of_level: Sequence[str] = assignments
        if "protocol" in given:
            given["assignments"], of_level = split_assignments(engine, assignments)
        changed = level_changes(engine, engine_protocol, of_level)
        choice = EngineChoice(engine, engine_protocol, engine_code, changed)
        return command(*args, engine=choice, **given)

    decorated: shared.Command = with_engine
    for option in (
        click.option(
            "--engine-code",
            shell_complete=shared.complete_codes,
            help="Code of the reference engine. Default: cp2k@localhost or vasp@localhost.",
        ),
        click.option(
            "--engine-protocol",
            shell_complete=_complete_levels,
            help=f"Level of theory of the reference engine: {_known_levels()}. Default: the "
            "engine's own, the first.",
        ),
        choice_option(
            "--engine",
            ("potential", *CODES),
            "potential",
            "Reference engine, which computes energies and forces.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def level_options(command: shared.Command) -> shared.Command:
    """Options that show and change the level of theory, of a command without other numbers."""
    what = "the level of theory of --engine"
    for option in number_options(what, "vacuum=15", _complete_levels):
        command = option(command)
    return command


def _renamed_by_none(choice: EngineChoice, inputs: Mapping[str, Any]) -> bool:
    """Whether `--set` changes what is computed, but not the name of the level of theory."""
    from aiida_nanoclusters.workflows.labels.label import ENGINES, LabelWorkChain

    name = choice.name
    process, mine = ENGINES[name], inputs[name]
    code = mine["code"] if "code" in mine else mine["job"]["code"]
    beside = {k: v for k, v in choice.overrides.items() if k == "partial_charges"}
    plain = LabelWorkChain.engine_inputs(name, code, choice.protocol, beside)[name]
    same_name = process.level_of_theory(plain) == process.level_of_theory(mine)
    return same_name and process.method(plain) != process.method(mine)


def _known_levels() -> str:
    """Return the levels of theory of each engine."""
    from aiida_nanoclusters.workflows.parts.protocol import protocol_names

    return "; ".join(f"{', '.join(protocol_names(stem))} ({stem})" for stem in CODES)


def _complete_levels(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    from aiida_nanoclusters.workflows.parts.protocol import protocol_names

    engine = ctx.params.get("engine")
    engines = [engine] if engine in CODES else list(CODES)
    return [k for stem in engines for k in protocol_names(stem) if k.startswith(typed)]


sample_option = choice_option(
    "--sample-by",
    ("potential", "engine"),
    "potential",
    "Whether a potential or the reference engine relaxes and samples the frames to be labelled.",
)


_STAGE_OPTIONS = (
    click.option(
        "--sample-every",
        default=0.05,
        show_default=True,
        help="Interval between frames of the dynamics that are kept (ps).",
    ),
    click.option("--timestep", default=0.002, show_default=True, help="Time step (ps)."),
    click.option(
        "--duration",
        default=1.0,
        show_default=True,
        help="Duration of the dynamics at each temperature (ps).",
    ),
    click.option(
        "--temperature",
        "temperatures",
        type=float,
        multiple=True,
        help="Temperature of the dynamics (K); repeatable, the temperatures follow each other. "
        "Default: no dynamics.",
    ),
    click.option(
        "--force-tolerance",
        default=0.02,
        show_default=True,
        help="Largest force after --relax (eV/Å).",
    ),
    count_option(
        "--sample-steps",
        0,
        0,
        "Steps of the minimiser between frames of --relax that are kept; 0 keeps none.",
    ),
    click.option("--relax", is_flag=True, help="Relax the structures, before any dynamics."),
    click.option(
        "--stages",
        "stage_file",
        help="YAML file with a list of stages, such as `- {kind: relax}`; replaces --relax and "
        "--temperature.",
    ),
)


def stage_options(command: shared.Command) -> shared.Command:
    """Options that describe the stages of a run; the command gets them as `stages`."""

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
            stages = shared.read_list(stage_file, "stages", "{kind: relax}")
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

    decorated: shared.Command = with_stages
    for option in _STAGE_OPTIONS:
        decorated = option(decorated)
    return decorated


def engine_inputs(
    engine: str,
    protocol: str | None,
    code: str | None,
    options: tuple[str, ...] = (),
    n_atoms: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the inputs of a LabelWorkChain that choose a program of first principles.

    `overrides` change settings of its level of theory.

    Raises
    ------
    Fixable
        If the engine is not installed, or there is no such code or protocol.
    """
    from aiida_nanoclusters.workflows.labels.label import LabelWorkChain

    label = code or CODES[engine]
    try:
        program = shared.get_code(label, engine)
    except shared.NoCode as error:
        raise Fixable(
            f"no code `{label}` for the engine {engine}: {_HOW[engine]}, or give one of "
            "`verdi code list`"
        ) from error
    with shared.fixable():
        inputs: dict[str, Any] = LabelWorkChain.engine_inputs(
            engine,
            program,
            protocol,
            overrides,
            options=shared.options_of(program, options),
            n_atoms=n_atoms,
        )
    return inputs


def sampler(sample_by: str, label: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the inputs of the sampling engine, a copy of `label`; None where a potential samples.

    Raises
    ------
    Fixable
        If no engine was given.
    """
    if sample_by == "potential":
        return None
    if label is None:
        raise Fixable("--sample-by engine needs an --engine: cp2k or vasp")
    return {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in label.items()
    }


def print_labels(node: ProcessNode) -> None:
    """Print how many frames are labelled, how many labels were reused, and why some failed."""
    if "report" not in node.outputs:
        return
    report = node.outputs.report
    known = f" ({report['n_known']} reused)" if report["n_known"] else ""
    echo(f"{report['n_labelled']} labelled, {report['n_failed']} failed{known}")
    for reason, frames in _by_reason(
        [r for r in report["frames"] if r["state"] != "labelled"]
    ).items():
        echo(f"  {frames}: {reason}")
    for row in report["atoms"]:
        if row["state"] != "labelled":
            echo(f"  an isolated atom, the energy reference: {row['reason']}")
    if "frames" in node.outputs:
        echo(f"  frames {node.outputs.frames.uuid}")


def print_stages(node: ProcessNode) -> None:
    """Print how many structures finished, why others failed, and the UUIDs of the frames."""
    if "report" not in node.outputs:
        return
    rows = node.outputs.report["structures"]
    failed = [row for row in rows if row["state"] != "finished"]
    rough = sum(row.get("converged") is False for row in rows)
    converged = f", {rough} of them not converged" if rough else ""
    echo(f"{len(rows) - len(failed)} finished{converged}, {len(failed)} failed")
    for reason, which in _by_reason(failed).items():
        echo(f"  {which.replace('frame', 'structure')}: {reason}")
    for name in ("structures", "trajectory"):
        if name in node.outputs:
            frames = node.outputs[name]
            echo(f"  {name} {frames.uuid} ({len(frames)} frames)")


def _by_reason(rows: list[Mapping[str, Any]]) -> dict[str, str]:
    counts = Counter(row["reason"] for row in rows)
    counted = {}
    for reason, count in counts.most_common(_SHOWN):
        first = next(row["index"] for row in rows if row["reason"] == reason)
        counted[reason] = f"frame {first}" if count == 1 else f"frame {first} and {count - 1} more"
    return counted
