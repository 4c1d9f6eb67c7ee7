"""CompileCalculation: a packaged Allegro model, compiled for LAMMPS on one kind of machine."""

from __future__ import annotations

from typing import Any

from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec, ProcessSpec
from aiida.orm import List, Str

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import set_job_options
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import trust_problem
from aiida_nanoclusters.formats.input_text import InputTextError, identifier
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES

DEVICES = ("cpu", "cuda")
LOG = "compile"
#: Folder within that of the job, so that nothing is left in the home folder or in /tmp.
INDUCTOR_CACHE = "inductor"


def validate_potential(value: PotentialData, _: Any) -> str | None:
    """Refuse all but Allegro packages of trusted origin."""
    if value.kind == "calculator":
        return (
            "the potential is `calculator`, which runs in LAMMPS as it is: only a packaged Allegro "
            "model is compiled"
        )
    if value.kind != "allegro":
        return f"the potential is `{value.kind}`: only a packaged Allegro model is compiled"
    return trust_problem(value) or value.file_problem


def validate_device(value: Str, _: Any) -> str | None:
    """Refuse devices that nequip does not compile for."""
    if value.value not in DEVICES:
        return f"unknown device `{value.value}`: choose one of {', '.join(DEVICES)}"
    return None


def validate_modifiers(value: List | None, _: Any) -> str | None:
    """Refuse modifiers that are not names."""
    try:
        modifier_names([] if value is None else value.get_list())
    except InputTextError as error:
        return f"modifiers must be names, such as `enable_CuEquivarianceContracter`: {error}"
    return None


def modifier_names(values: list[Any]) -> list[str]:
    """Return modifiers, each an identifier: one with a dash would be an option of the command."""
    return [identifier(value, "a modifier") for value in values]


def set_compile_ports(spec: ProcessSpec) -> None:
    """Declare for which device a model is compiled, and with which accelerations."""
    spec.input(
        "device",
        valid_type=Str,
        default=lambda: Str("cpu"),
        validator=validate_device,
        help="Device that the model runs on: cpu or cuda. Default: cpu.",
    )
    spec.input(
        "modifiers",
        valid_type=List,
        required=False,
        validator=validate_modifiers,
        help="Accelerations of nequip, by name, such as `enable_CuEquivarianceContracter` on a "
        "GPU. Default: none.",
    )


class CompileCalculation(CalcJob):
    """Compile a model for ``pair_style allegro``, on the machine that runs it later."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs["code"].help = "A Python that has nequip and nequip-allegro, and g++ beside it."
        spec.input(
            "potential",
            valid_type=PotentialData,
            validator=validate_potential,
            help="Packaged Allegro model (kind `allegro`).",
        )
        set_compile_ports(spec)
        set_job_options(spec, "nanoclusters.compile")

        spec.output(
            "potential",
            valid_type=PotentialData,
            help="Compiled model (kind `allegro-compiled`) for this kind of machine.",
        )

        # Failures that may not occur again must not come from the cache.
        for status, label, message in (
            (310, "ERROR_NOT_COMPILED", "nequip-compile stopped: {message}"),
            (
                311,
                "ERROR_NO_COMPILER",
                "No working C++ compiler: install one on {computer} (`apt install g++`, or load a "
                "module in the code's prepend text).",
            ),
            (
                312,
                "ERROR_NO_DEVICE",
                "No GPU that torch can use: request one for the job, or compile for `cpu`.",
            ),
        ):
            spec.exit_code(status, label, message=message, invalidates_cache=True)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Copy the package and compile it."""
        name, compiled = FILENAMES["allegro"], FILENAMES["allegro-compiled"]
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = ["-m", "nequip.scripts.compile", name, compiled]
        code.cmdline_params += ["--mode", "aotinductor", "--target", "pair_allegro"]
        code.cmdline_params += ["--device", self.inputs.device.value]
        if "modifiers" in self.inputs and self.inputs.modifiers.get_list():
            names = modifier_names(self.inputs.modifiers.get_list())
            code.cmdline_params += ["--modifiers", *names]
        code.stdout_name, code.stderr_name = f"{LOG}.out", f"{LOG}.err"
        info = new_job()
        info.codes_info = [code]
        info.prepend_text += f'\nexport TORCHINDUCTOR_CACHE_DIR="$PWD/{INDUCTOR_CACHE}"'
        info.local_copy_list = [(self.inputs.potential.uuid, name, name)]
        info.retrieve_list = [f"{LOG}.out", f"{LOG}.err"]
        info.retrieve_temporary_list = [compiled]
        return info
