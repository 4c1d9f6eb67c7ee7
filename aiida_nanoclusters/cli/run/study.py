"""Which cluster sizes are magic, and at what size does a cluster become a crystal?"""

from pathlib import Path

import click

from aiida_nanoclusters.cli.launch import engine_options as engines
from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch import results
from aiida_nanoclusters.cli.launch.label_keys import label_key_options, reading

#: Names of options in earlier versions.
FORMER_OPTIONS = {"--label-protocol": "--engine-protocol", "--label-code": "--engine-code"}


@click.command("study", cls=cli.LaunchCommand, stem="study", former=FORMER_OPTIONS)
@cli.element_option
@click.option(
    "--reference",
    metavar="UUID|FILE|CALCULATOR",
    help="Potential that samples, labels, and with which large clusters are compared: a UUID, a "
    "file of --kind, or the name of a calculator, e.g. sevennet. Default: --calculator, else "
    "Mishin's copper, unless --dataset is given. With another --engine it only samples.",
)
@click.option("--kind", help="Kind of a --reference file. Default: told by the file.")
@cli.calculator_options
@engines.engine_options
@engines.sample_option
@click.option("--dataset", help="Labelled frames that exist already: a file or a UUID.")
@click.option("--level", help="Level of theory of --dataset, e.g. PBE.")
@cli.atom_energy_option
@label_key_options
@cli.protocol_options("study", "tutorial")
@cli.lammps_option
@cli.nequip_option
@click.option(
    "--seeds", help="Seeds of the committee's members, e.g. 1-4. Default: those of the protocol."
)
@click.option("--epochs", type=int, help="Training epochs. Default: number of the protocol.")
@cli.jobs_option
@click.option(
    "--report",
    "report_file",
    default="reports/study.html",
    show_default=True,
    help="File of the report.",
)
@cli.device_option
@cli.options_option
@cli.here_option
def main(element, engine, protocol, assignments, lammps, nequip, options, here, **given):
    """Labels, committee of potentials, magic sizes and crossover, with a report at the end.

    \b
    aiida-nanoclusters run study --protocol tutorial
    aiida-nanoclusters run study --reference sevennet --protocol distilled
    aiida-nanoclusters run study --engine cp2k --engine-protocol gfn1-xtb
    aiida-nanoclusters run study --dataset frames.extxyz --level PBE --atom-energy Cu=0.0
    """
    from aiida.orm import Str

    from aiida_nanoclusters.cli.report.command import write_report
    from aiida_nanoclusters.workflows.study import StudyWorkChain

    labelled = label = None
    if given["dataset"]:
        labelled = cli.get_frames(
            given["dataset"], given["level"] or "", given["atom_energy"], reading(given["keys"])
        )
    elif not engine.by_potential:
        label = engine.inputs(options)
    stages = engines.sampler(given["sample_by"], label)
    reference = _reference(given, element, needed=labelled is None and stages is None)
    if labelled is not None:
        element = cli.element_among(labelled.elements, element, "the frames hold")
    elif reference is not None and reference.kind != "calculator":
        element = cli.element_among(reference.elements, element, "the reference knows")
    changed = cli.changes("study", protocol, assignments, element)
    codes = cli.job_codes(lammps, nequip, options, given["jobs"])
    trained = cli.training_overrides(given["seeds"], given["epochs"])
    with cli.fixable():
        builder = StudyWorkChain.get_builder_from_protocol(
            codes,
            element,
            reference=reference,
            labelled=labelled,
            protocol=protocol,
            overrides=cli.merge(trained, changed.own),
            label=label,
            stages=stages,
            part_overrides=changed.parts,
        )
    builder.train.device = Str(given["device"])
    node = cli.launch(builder, here=here)
    results.print_study(node)
    written = write_report(node, Path(given["report_file"]))
    cli.finish(node, [f"open {written}", f"verdi process show {node.uuid}"])


def _reference(given, element, *, needed):
    """Return the potential of --reference or --calculator; Mishin's copper where one is needed."""
    source, calculator = given["reference"], given["calculator"]
    if calculator is not None:
        if source:
            raise cli.Fixable("give either --reference or --calculator")
        return cli.get_calculator(calculator, None)
    source = source or ("Cu_mishin1.eam.alloy" if needed else None)
    return cli.find_potential(source, given["kind"], element) if source else None
