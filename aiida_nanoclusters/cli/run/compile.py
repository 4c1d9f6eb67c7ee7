"""aiida-nanoclusters run compile: an Allegro package, compiled for LAMMPS on a machine."""

from pathlib import Path

import click

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch.packages import get_package, type_option
from aiida_nanoclusters.cli.terminal import echo


@click.command("compile", cls=cli.LaunchCommand)
@click.argument("package")
@type_option
@click.option(
    "--level",
    help="Level of theory of the energies of the package. Default: name of the file.",
)
@cli.nequip_option
@cli.device_option
@cli.options_option
@cli.here_option
def main(package, type_names, level, nequip, device, options, here):
    """Compile PACKAGE, a file .nequip.zip of any origin or a UUID, on the machine of LAMMPS.

    Its code is run. A model that passes messages between atoms (NequIP) is not compiled: commands
    take its package as --potential-file.

    \b
    aiida-nanoclusters run compile model.nequip.zip --level PBE
    aiida-nanoclusters run compile model.nequip.zip --type Cu=Cu_a --type Au=Au_b
    """
    from aiida.orm import Str

    from aiida_nanoclusters.data.potential import PotentialData
    from aiida_nanoclusters.workflows.base.compile import CompileBaseWorkChain
    from aiida_nanoclusters.workflows.parts.job_inputs import job

    if Path(package).is_file():
        potential = get_package(package, level, type_names)
    elif level or type_names:
        raise cli.Fixable("--level and --type belong to a file: a stored potential has its own")
    else:
        potential = cli.get_node(package, PotentialData)
    if potential.kind == "calculator":
        raise cli.Fixable(
            f"{package} passes messages between atoms, or is no model of nequip: it runs in LAMMPS "
            f"as it is: give --potential {potential.uuid}"
        )
    code = cli.get_code(nequip, "nequip")
    builder = CompileBaseWorkChain.get_builder()
    inputs = {**job(code, cli.options_of(code, options)), "potential": potential}
    builder.compile = {**inputs, "device": Str(device)}
    node = cli.launch(builder, here=here)
    steps = [f"verdi node show {node.uuid}"]
    if "potential" in node.outputs:
        uuid = node.outputs.potential.uuid
        echo(f"  compiled {uuid}")
        steps.insert(0, f"aiida-nanoclusters run stages FRAMES --relax --potential {uuid}")
    cli.finish(node, steps)
