"""CompileCalculation: a packaged Allegro model made ready for LAMMPS on one kind of machine."""

from __future__ import annotations

from typing import Any

from aiida.common import CalcInfo, CodeInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import List, Str

from aiida_nanoclusters.calculations.faults import new_job
from aiida_nanoclusters.calculations.job_options import set_job_options
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import trust_problem
from aiida_nanoclusters.science.interactions import FILENAMES

DEVICES = ("cpu", "cuda")
LOG = "compile"
#: Beside the inputs, so that nothing is left in the home folder or in /tmp.
INDUCTOR_CACHE = "inductor"


def validate_potential(value: PotentialData, _: Any) -> str | None:
    """Only Allegro packages are compiled, and only of makers that are trusted."""
    if value.kind != "allegro":
        return f"the potential is `{value.kind}`: only a packaged Allegro model is compiled"
    return trust_problem(value)


def validate_device(value: Str, _: Any) -> str | None:
    """Refuse devices that nequip does not compile for."""
    if value.value not in DEVICES:
        return f"unknown device `{value.value}`: choose one of {', '.join(DEVICES)}"
    return None


def validate_modifiers(value: List | None, _: Any) -> str | None:
    """Refuse modifiers that are no names."""
    if value is not None and any(not isinstance(m, str) or not m for m in value.get_list()):
        return "modifiers must be names, such as `enable_CuEquivarianceContracter`"
    return None


class CompileCalculation(CalcJob):
    """Compile a model for ``pair_style allegro``, on the machine that shall run it."""

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs["code"].help = "A Python that has nequip and nequip-allegro, and g++ beside it."
        spec.input("potential", valid_type=PotentialData, validator=validate_potential)
        spec.input("device", valid_type=Str, default=lambda: Str("cpu"), validator=validate_device)
        spec.input(
            "modifiers",
            valid_type=List,
            required=False,
            validator=validate_modifiers,
            help="nequip's accelerations, such as `enable_CuEquivarianceContracter` on a GPU.",
        )
        set_job_options(spec, "nanoclusters.compile")

        spec.output("potential", valid_type=PotentialData)

        # What may go well once the machine is mended must not be taken from the cache.
        again = {"invalidates_cache": True}
        spec.exit_code(
            310, "ERROR_NOT_COMPILED", message="nequip-compile stopped: {message}", **again
        )
        spec.exit_code(
            311,
            "ERROR_NO_COMPILER",
            message="No working C++ compiler: install one on {computer} (`apt install g++`, or "
            "load a module in the code's prepend text).",
            **again,
        )
        spec.exit_code(
            312,
            "ERROR_NO_DEVICE",
            message="No GPU that torch can use: give the job one, or compile for `cpu`.",
            **again,
        )

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Bring the package along; compile it."""
        name, compiled = FILENAMES["allegro"], FILENAMES["allegro-compiled"]
        code = CodeInfo()
        code.code_uuid = self.inputs.code.uuid
        code.cmdline_params = ["-m", "nequip.scripts.compile", name, compiled]
        code.cmdline_params += ["--mode", "aotinductor", "--target", "pair_allegro"]
        code.cmdline_params += ["--device", self.inputs.device.value]
        if "modifiers" in self.inputs and self.inputs.modifiers.get_list():
            code.cmdline_params += ["--modifiers", *self.inputs.modifiers.get_list()]
        code.stdout_name, code.stderr_name = f"{LOG}.out", f"{LOG}.err"
        info = new_job()
        info.codes_info = [code]
        info.prepend_text += f'\nexport TORCHINDUCTOR_CACHE_DIR="$PWD/{INDUCTOR_CACHE}"'
        info.local_copy_list = [(self.inputs.potential.uuid, name, name)]
        info.retrieve_list = [f"{LOG}.out", f"{LOG}.err"]
        info.retrieve_temporary_list = [compiled]
        return info
