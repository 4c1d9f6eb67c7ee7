"""How do molecules assemble in solution? A learnt potential, and the free energy of assembly."""

from functools import partial
from pathlib import Path

import click

from aiida_nanoclusters.cli.launch import engine_options as engines
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch import results
from aiida_nanoclusters.cli.terminal import echo

#: Elements of silver thiolates in methanol.
ELEMENTS = "Ag,C,H,N,O,S"


@click.command("nucleate", cls=cli.LaunchCommand, stem="nucleate", alloys=True)
@click.option(
    "--structures",
    metavar="FILE|UUID",
    help="Packed solutions of equal composition, frames of one file or node. Default: packed as "
    "the protocol says.",
)
@partial(cli.potential_options, alloys=True, elements=ELEMENTS)
@engines.engine_options
@engines.sample_option
@cli.protocol_options("nucleate", "trial")
@cli.seed_option("packing, trainings, choice of frames and dynamics")
@cli.lammps_option
@cli.nequip_option
@cli.jobs_option
@click.option(
    "--report",
    "report_file",
    default="reports/nucleation.html",
    show_default=True,
    help="File of the report.",
)
@cli.device_option
@cli.options_option
@cli.here_option
def main(potential, engine, protocol, assignments, lammps, nequip, options, here, **given):
    """Learn the potential of a solution, and determine the free energy of assembly in it.

    Without --potential, --calculator or --engine, the reference is SevenNet's 7net-0 with a D3
    correction: a universal model trained on crystals, not first principles of this solution.

    \b
    aiida-nanoclusters run nucleate --protocol trial
    aiida-nanoclusters run nucleate --structures start.extxyz --engine cp2k --sample-by engine
    """
    from aiida.orm import Int, Str

    from aiida_nanoclusters.cli.report.command import write_report
    from aiida_nanoclusters.workflows.nucleation.nucleate import NucleateWorkChain

    symbols = potential.symbols("")
    changed = cli.changes("nucleate", protocol, assignments, symbols)
    label = None if engine.by_potential else engine.inputs(options)
    stages = engines.sampler(given["sample_by"], label)
    reference = None
    if stages is None:
        reference = potential.one() if potential.is_given else _default_reference(potential)
    codes = cli.job_codes(lammps, nequip, options, given["jobs"])
    if given["structures"]:
        solution = cli.get_frames(given["structures"], "")
    else:
        solution = packed(protocol, changed.own, given["seed"])
    with cli.fixable():
        builder = NucleateWorkChain.get_builder_from_protocol(
            codes,
            solution,
            reference=reference,
            protocol=protocol,
            overrides=changed.own,
            label=label,
            stages=stages,
            part_overrides=changed.parts,
        )
    builder.seed, builder.active_learning.train.device = Int(given["seed"]), Str(given["device"])
    node = cli.launch(builder, here=here)
    if "active_learning" in node.outputs:
        results.print_rounds(node.outputs.active_learning)
    if "metadynamics" in node.outputs:
        results.print_free_energy(node.outputs.metadynamics)
    written = write_report(node, Path(given["report_file"]))
    cli.finish(node, [f"open {written}", f"verdi process show {node.uuid}"])


def packed(protocol, overrides, seed):
    """Return the solutions that a protocol packs, as a node."""
    from aiida.orm import Dict, Int

    from aiida_nanoclusters.calculations.nucleation.solution import pack_structures
    from aiida_nanoclusters.science.nucleation.settings import NucleationSettings
    from aiida_nanoclusters.workflows.parts.protocol import load_protocol

    with cli.fixable():
        values = NucleationSettings.from_values(**load_protocol("nucleate", protocol, overrides))
        if values.solution is None:
            raise cli.Fixable(
                f"protocol {protocol} is for structures of your own: give --structures FILE"
            )
        found = pack_structures(Dict(values.solution.model_dump()), Int(seed))
    frames = found.frames
    echo(f"packed {len(frames)} solutions of {frames.sizes[0]} atoms  {found.uuid}")
    return found


def _default_reference(potential):
    choice = cli.CalculatorChoice.of("sevennet", dispersion="PBE", elements=potential.elements)
    return cli.get_calculator(choice, potential.level)
