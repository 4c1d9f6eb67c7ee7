"""LigandBaselinesCalculation: the methods beside which a matching model is measured, in one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJob, CalcJobProcessSpec
from aiida.orm import ArrayData, Dict, List, RemoteData

from aiida_nanoclusters.calculations.job_options import carry_packages, set_job_options
from aiida_nanoclusters.calculations.ligands.train_matching import (
    ASSIGNMENT,
    assignment_of,
    matching_problem,
)
from aiida_nanoclusters.calculations.network_training import (
    python_job,
    restart_problem,
    training_seconds,
    write_arrays,
    write_job,
)
from aiida_nanoclusters.calculations.training_codes import DIED, EPOCHS_LEFT
from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.science.ligands.baseline_files import (
    CARRIED,
    MODULE,
    PREVIOUS_RUNS,
    RUNS,
)
from aiida_nanoclusters.science.ligands.baseline_inputs import baseline_inputs
from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.training_files import (
    PREDICTIONS_FILE,
)


def validate_settings(value: Dict, _: Any) -> str | None:
    """Refuse settings that are missing, unknown or out of their limits."""
    problem = BaselineSettings.problem(value.get_dict())
    return problem and f"settings: {problem}"


def validate_seeds(value: List, _: Any) -> str | None:
    """Refuse what are no random seeds, or the same one twice."""
    seeds = value.get_list()
    if not seeds or any(isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in seeds):
        return f"seeds are {seeds}: give whole numbers from 0, at least one"
    return f"seeds are {seeds}: give each once" if len(set(seeds)) < len(seeds) else None


def baselines_problem(value: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the pairs of the baselines or with their split, or None."""
    if any(name not in value for name in ("pairs", "assignment")):
        return None  # the ports report it
    given = {name: value[name] for name in ("pairs", "assignment")}
    return matching_problem({**given, "settings": Dict({})})


def _validate_inputs(value: Mapping[str, Any], _: Any) -> str | None:
    return restart_problem(value) or baselines_problem(value)


def predictions_label(method: str, seed: int) -> str:
    """Return the name of the predictions of one training among the outputs."""
    return f"{method}_seed_{seed}"


class LigandBaselinesCalculation(CalcJob):
    """Train descriptors with boosted trees, and plain graph networks, on one split of pairs.

    Each method is trained once with each seed; those that an interrupted job has done are not
    repeated.
    """

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:  # type: ignore[override]
        """Declare ports and exit codes."""
        super().define(spec)
        spec.inputs["code"].help = (
            "A Python that has numpy, scipy, ase, featomic, scikit-learn, xgboost, torch and "
            "torch_geometric."
        )
        spec.input("pairs", valid_type=PairsData, help="Labelled pairs of cores and ligand sets.")
        spec.input(
            "assignment",
            valid_type=ArrayData,
            help=f"Array `{ASSIGNMENT}`: 0 training, 1 validation, 2 test for each pair.",
        )
        spec.input(
            "settings",
            valid_type=Dict,
            validator=validate_settings,
            help="The fields of `BaselineSettings` in `science/ligands/baseline_settings.py`.",
        )
        spec.input("seeds", valid_type=List, validator=validate_seeds, help="Random seeds, from 0.")
        spec.input(
            "restart_from",
            valid_type=RemoteData,
            required=False,
            help="Remote folder of an interrupted job of the same inputs, which is continued.",
        )
        spec.inputs.validator = _validate_inputs
        set_job_options(spec, "nanoclusters.ligand_baselines")
        spec.output_namespace(
            "predictions",
            valid_type=ArrayData,
            dynamic=True,
            required=False,
            help="`probability`, `label` and `subset` (0 training, 1 validation, 2 test) of each "
            "pair, by `<method>_seed_<n>`.",
        )
        spec.output(
            "report",
            valid_type=Dict,
            help="Trainings that are done and that failed, metrics of each on the test pairs, mean "
            "and deviation over the seeds, elements that stood in for unknown ones, wall times "
            "(s), versions.",
        )
        spec.default_output_node = "report"
        _set_exit_codes(spec)

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Write arrays and program; the cores are described where the job runs."""
        carry_packages(folder, CARRIED)
        inputs = self.inputs
        job, files = baseline_inputs(
            inputs.pairs.pairs,
            assignment_of(inputs.assignment),
            BaselineSettings(**inputs.settings.get_dict()),
            inputs.seeds.get_list(),
            training_seconds(self.node.get_option("max_wallclock_seconds")),
        )
        write_job(folder, job)
        write_arrays(folder, files)
        return python_job(inputs, MODULE, (RUNS, PREVIOUS_RUNS), [PREDICTIONS_FILE])


def _set_exit_codes(spec: CalcJobProcessSpec) -> None:
    # Failures that may not occur again must not come from the cache.
    for status, label, message in (
        (310, "ERROR_NO_REPORT", "The training ended with an error: {message}"),
        (DIED, "ERROR_DIED", "The training was killed or crashed without an error message."),
        (
            401,
            "ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT",
            "Out of walltime before the end of the first training: raise max_wallclock_seconds.",
        ),
    ):
        spec.exit_code(status, label, message=message, invalidates_cache=True)
    spec.exit_code(
        EPOCHS_LEFT,
        "ERROR_OUT_OF_WALLTIME",
        message="Out of walltime after {done} of {planned} trainings: continue with "
        "`restart_from` its remote folder.",
    )
