"""Parser of compilations of models."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.learning.compile import LOG
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES
from aiida_nanoclusters.parsers.faults import fault_of
from aiida_nanoclusters.parsers.retrieved import retrieved_text
from aiida_nanoclusters.parsers.train import traceback_message

_NO_COMPILER = ("InvalidCxxCompiler", "No working C++ compiler found")
_NO_DEVICE = ("Found no NVIDIA driver", "No CUDA GPUs are available", "not compiled with CUDA")


class CompileParser(Parser):
    """Return the compiled model with the level of theory and the energy zero of the package."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach the model, or return the exit code of the failure."""
        path = Path(kwargs["retrieved_temporary_folder"]) / FILENAMES["allegro-compiled"]
        if zipfile.is_zipfile(path):
            package = self.node.inputs.potential
            compiled = PotentialData.from_file(
                path,
                "allegro-compiled",
                level_of_theory=package.level_of_theory,
                atom_energies=package.atom_energies,
                training_set=package.base.attributes.get("training_set"),
                types=package.types,
            )
            self.out("potential", compiled)
            return None
        errors = self._errors()
        fault = fault_of(self, errors)
        if fault is not None:
            return fault
        if any(sign in errors for sign in _NO_COMPILER):
            return self.exit_codes.ERROR_NO_COMPILER.format(computer=self._computer())
        if any(sign in errors for sign in _NO_DEVICE):
            return self.exit_codes.ERROR_NO_DEVICE
        message = traceback_message(errors) or errors.strip()[-500:] or "no message"
        return self.exit_codes.ERROR_NOT_COMPILED.format(message=message)

    def _computer(self) -> str:
        return self.node.computer.label if self.node.computer is not None else "the computer"

    def _errors(self) -> str:
        return retrieved_text(self, f"{LOG}.err") or self.node.get_scheduler_stderr() or ""
