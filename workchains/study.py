"""Which cluster sizes are magic, and at what size does a cluster become a crystal?

verdi run workchains/study.py --protocol tutorial
verdi run workchains/study.py --engine cp2k --label-protocol gfn1-xtb
verdi run workchains/study.py --dataset frames.extxyz --level PBE --atom-energy Cu=0.0
"""

from pathlib import Path

import click

from aiida_nanoclusters.cli import launch as cli
from aiida_nanoclusters.cli import launch_engine as engines
from aiida_nanoclusters.cli import launch_results as results


@click.command()
@cli.element_option
@click.option(
    "--reference",
    help="Potential that samples, labels, and that large clusters are compared with: a UUID, or a "
    "file of --kind; Mishin's copper where neither this nor --dataset is given. With another "
    "--engine it only samples.",
)
@click.option("--kind", default="eam/alloy", show_default=True, help="Kind of a --reference file.")
@engines.engine_options("label-")
@engines.sample_option
@click.option("--dataset", help="Labelled frames of your own: a file or a UUID.")
@click.option("--level", help="Level of theory of --dataset, e.g. PBE.")
@click.option("--atom-energy", multiple=True, metavar="Cu=-0.2", help="Isolated atom, eV.")
@cli.protocol_option("tutorial")
@cli.lammps_option
@cli.nequip_option
@click.option("--seeds", help="Of the committee, e.g. 1-4, instead of the protocol's.")
@click.option("--epochs", type=int, help="Of the training, instead of the protocol's.")
@click.option("--jobs", default=2, show_default=True, help="Jobs at once.")
@click.option("--report", "report_file", default="reports/study.html", show_default=True)
@cli.device_option
@cli.options_option
@cli.here_option
def main(
    element,
    reference,
    kind,
    engine,
    label_protocol,
    label_code,
    sample_by,
    dataset,
    level,
    atom_energy,
    protocol,
    lammps,
    nequip,
    seeds,
    epochs,
    jobs,
    report_file,
    device,
    options,
    here,
):
    """Labels, committee of potentials, magic sizes and crossover, with a report at the end."""
    from aiida.orm import Str

    from aiida_nanoclusters.cli.report.command import write_report
    from aiida_nanoclusters.workflows.study import StudyWorkChain

    labelled = cli.get_frames(dataset, level or "", atom_energy) if dataset else None
    label = None
    if engine != "potential" and labelled is None:
        label = engines.engine_inputs(engine, label_protocol, label_code, options)
    stages = engines.sampler(sample_by, label)
    if reference is None and labelled is None and stages is None:
        reference = "Cu_mishin1.eam.alloy"
    lammps_code, nequip_code = cli.get_code(lammps), cli.get_code(nequip)
    with cli.fixable():
        builder = StudyWorkChain.get_builder_from_protocol(
            lammps_code,
            nequip_code,
            element,
            reference=cli.find_potential(reference, kind) if reference else None,
            labelled=labelled,
            protocol=protocol,
            lammps_options=cli.options_of(lammps_code, options),
            nequip_options=cli.options_of(nequip_code, options),
            overrides=cli.training_overrides(seeds, epochs),
            max_concurrent=jobs,
            label=label,
            stages=stages,
        )
    builder.train.device = Str(device)
    node = cli.launch(builder, here=here)
    results.print_study(node)
    written = write_report(node, Path(report_file))
    cli.finish(node, [f"open {written}", f"verdi process show {node.uuid}"])


if __name__ == "__main__":
    main()
