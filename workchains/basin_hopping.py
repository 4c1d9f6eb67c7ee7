"""Minima of given sizes, by basin-hopping Monte Carlo with a potential, CP2K or VASP.

verdi run workchains/basin_hopping.py --sizes 13,38 --potential-file Cu_mishin1.eam.alloy
verdi run workchains/basin_hopping.py --sizes 10-13 --protocol first_principles --engine cp2k \
    --engine-protocol gfn1-xtb
"""

import click

from aiida_nanoclusters.cli import launch as cli
from aiida_nanoclusters.cli import launch_engine as engines


@click.command()
@cli.element_option
@click.option("--sizes", required=True, help="Numbers of atoms, e.g. 13,38,54-56.")
@cli.protocol_option("moderate")
@engines.engine_options("engine-")
@cli.potential_options
@cli.lammps_option
@click.option("--walkers", type=int, help="Of each size, instead of the protocol's number.")
@click.option("--steps", type=int, help="Relaxations of each walker, likewise.")
@click.option("--temperature", type=float, help="Of the Metropolis rule, K, likewise.")
@click.option("--seed", default=1, show_default=True)
@click.option("--jobs", default=2, show_default=True, help="Jobs at once.")
@cli.options_option
@cli.here_option
def main(
    element,
    sizes,
    protocol,
    engine,
    engine_protocol,
    engine_code,
    potentials,
    potential_file,
    kind,
    level,
    lammps,
    walkers,
    steps,
    temperature,
    seed,
    jobs,
    options,
    here,
):
    """Lead walkers of each size from minimum to minimum."""
    from aiida.orm import Int

    from aiida_nanoclusters.workflows.basin_hopping import BasinHoppingWorkChain
    from aiida_nanoclusters.workflows.label import limit_jobs

    numbers = cli.parse_sizes(sizes)
    own = {"walkers": walkers, "steps": steps, "temperature": temperature}
    overrides = {"settings": {key: value for key, value in own.items() if value is not None}}
    if engine == "potential":
        potential = cli.get_one_potential(potentials, potential_file, kind, level)
        code = cli.get_code(lammps)
        with cli.fixable():
            builder = BasinHoppingWorkChain.get_builder_from_protocol(
                code,
                potential,
                element,
                numbers,
                protocol,
                overrides,
                cli.options_of(code, options),
            )
    else:
        inputs = engines.engine_inputs(engine, engine_protocol, engine_code, options, max(numbers))
        with cli.fixable():
            builder = BasinHoppingWorkChain.get_builder_for_engine(
                inputs, element, numbers, protocol, overrides
            )
    builder.seed = Int(seed)
    limit_jobs(builder, jobs)
    node = cli.launch(builder, here=here)
    if "table" in node.outputs:
        for row in node.outputs.table["rows"]:
            if row["lowest"] is not None:
                click.echo(
                    f"{row['size']:5} {row['lowest']:14.4f} eV {row['point_group'] or '':5} "
                    f"{row['hits']} hits, {row['minima']} minima, {row['relaxations']} relaxations"
                )
        click.echo(f"  minima {node.outputs.minima.uuid}")
    if "trajectory" in node.outputs:
        frames = node.outputs.trajectory
        click.echo(f"  trajectory {frames.uuid} ({len(frames)} frames)")
    cli.finish(node, [f"verdi node show {node.uuid}"])


if __name__ == "__main__":
    main()
