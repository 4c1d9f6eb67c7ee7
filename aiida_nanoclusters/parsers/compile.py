"""What a finished compilation means."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from aiida.engine import ExitCode
from aiida.parsers import Parser

from aiida_nanoclusters.calculations.compile import LOG
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.parsers.faults import fault_of
from aiida_nanoclusters.parsers.train import traceback_message
from aiida_nanoclusters.science.interactions import FILENAMES

_NO_COMPILER = ("InvalidCxxCompiler", "No working C++ compiler found")
_NO_DEVICE = ("Found no NVIDIA driver", "No CUDA GPUs are available", "not compiled with CUDA")


class CompileParser(Parser):
    """Return the compiled model, which keeps the package's level of theory and zero."""

    def parse(self, **kwargs: Any) -> ExitCode | None:
        """Attach the model or say why there is none."""
        path = Path(kwargs["retrieved_temporary_folder"]) / FILENAMES["allegro-compiled"]
        if zipfile.is_zipfile(path):
            package = self.node.inputs.potential
            compiled = PotentialData.from_file(
                path,
                "allegro-compiled",
                level_of_theory=package.level_of_theory,
                atom_energies=package.atom_energies,
                training_set=package.base.attributes.get("training_set"),
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
        name = f"{LOG}.err"
        if name in self.retrieved.base.repository.list_object_names():
            text = self.retrieved.base.repository.get_object_content(name, mode="rb")
            if text:
                return text.decode("utf-8", "replace")
        return self.node.get_scheduler_stderr() or ""
