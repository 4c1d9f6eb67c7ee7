"""Which minima are there? Basin-hopping Monte Carlo with a potential, CP2K or VASP."""

import click

from aiida_nanoclusters.cli.launch import engine_options as engines
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.terminal import echo


@click.command("basin-hopping", cls=cli.LaunchCommand, stem="basin_hopping")
@cli.element_option
@click.option("--sizes", help="Numbers of atoms, e.g. 13,38-40; without --composition.")
@click.option(
    "--composition",
    "compositions",
    multiple=True,
    metavar="Ag13Cu42",
    help="Formula of a cluster of several elements, in place of --element and --sizes; repeatable.",
)
@click.option(
    "--mix",
    metavar="Cu,Ni",
    help="Two elements: clusters of all their compositions at each of --sizes.",
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Step of the compositions of --mix (atoms).",
)
@cli.protocol_options("basin_hopping", "moderate")
@engines.engine_options
@cli.potential_options
@cli.lammps_option
@click.option("--walkers", type=int, help="Walkers of each size. Default: number of the protocol.")
@click.option(
    "--steps", type=int, help="Relaxations of each walker. Default: number of the protocol."
)
@click.option(
    "--temperature",
    type=float,
    help="Temperature of the Metropolis criterion (K). Default: that of the protocol.",
)
@cli.seed_option("starting structures, moves and acceptance")
@cli.jobs_option
@cli.options_option
@cli.here_option
def main(element, sizes, protocol, assignments, engine, potential, lammps, options, here, **given):
    """Search the minima of each size by walkers that hop from one to the next.

    \b
    aiida-nanoclusters run basin-hopping --sizes 13,38 --potential-file Cu_mishin1.eam.alloy
    aiida-nanoclusters run basin-hopping --mix Cu,Ni --sizes 38 --protocol alloy \\
        --potential-file CuNi.eam.alloy
    aiida-nanoclusters run basin-hopping --sizes 10-13 --protocol first_principles \\
        --engine cp2k --engine-protocol gfn1-xtb
    """
    from aiida.orm import Int

    from aiida_nanoclusters.science.compositions import parse_composition
    from aiida_nanoclusters.workflows.labels.label import limit_jobs
    from aiida_nanoclusters.workflows.sampling.basin_hopping import BasinHoppingWorkChain

    numbers = cli.parse_sizes(sizes) if sizes else []
    formulas = _compositions(given["compositions"], given["mix"], numbers, given["every"])
    if not formulas and not numbers:
        raise cli.Fixable("give --sizes, or --composition")
    clusters = {"compositions": formulas} if formulas else {"element": element, "sizes": numbers}
    own = {name: given[name] for name in ("walkers", "steps", "temperature")}
    overrides = {"settings": {key: value for key, value in own.items() if value is not None}}
    changed = cli.changes("basin_hopping", protocol, assignments, element).own
    overrides = cli.merge(overrides, changed)
    if engine.by_potential:
        one, code = potential.one(), cli.get_code(lammps, "lammps")
        with cli.fixable():
            builder = BasinHoppingWorkChain.get_builder_from_protocol(
                code,
                one,
                protocol=protocol,
                overrides=overrides,
                options=cli.options_of(code, options),
                **clusters,
            )
    else:
        sizes = numbers or [sum(parse_composition(formula).values()) for formula in formulas]
        inputs = engine.inputs(options, max(sizes))
        with cli.fixable():
            builder = BasinHoppingWorkChain.get_builder_for_engine(
                inputs, protocol=protocol, overrides=overrides, **clusters
            )
    builder.seed = Int(given["seed"])
    limit_jobs(builder, given["jobs"])
    node = cli.launch(builder, here=here)
    _print_minima(node)
    cli.finish(node, [f"verdi node show {node.uuid}"])


def _compositions(formulas, mixed, sizes, every):
    """Return the compositions that options name."""
    from aiida_nanoclusters.science.compositions import (
        cluster_formula,
        composition_series,
        parse_composition,
    )

    with cli.fixable():
        if formulas and (mixed or sizes):
            raise cli.Fixable("give either --composition, or --sizes with --mix")
        if mixed and not sizes:
            raise cli.Fixable("--mix needs --sizes, the numbers of atoms")
        if mixed:
            pair = mixed.split(",")
            return [formula for size in sizes for formula in composition_series(pair, size, every)]
        return [cluster_formula(parse_composition(formula)) for formula in formulas]


def _print_minima(node):
    if "table" in node.outputs:
        excess = {row["formula"]: row["excess"] for row in node.outputs.table.get("excess", [])}
        for row in node.outputs.table["rows"]:
            if row["lowest"] is not None:
                mixing = excess.get(row.get("formula"))
                echo(
                    f"{row.get('formula') or row['size']:>10} {row['lowest']:12.4f} eV "
                    f"{'' if mixing is None else f'{mixing:+8.3f} eV excess '}"
                    f"{row['point_group'] or '':5} "
                    f"{row['hits']} hits, {row['minima']} minima, {row['relaxations']} relaxations"
                )
        echo(f"  minima {node.outputs.minima.uuid}")
    if "trajectory" in node.outputs:
        frames = node.outputs.trajectory
        echo(f"  trajectory {frames.uuid} ({len(frames)} frames)")
