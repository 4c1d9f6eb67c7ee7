"""Exit codes of trainings that leave checkpoints."""

from __future__ import annotations

from aiida.engine import CalcJobProcessSpec

#: Exit codes that a restart can cure: killed, epochs left, diverged.
DIED, EPOCHS_LEFT, NAN_LOSS = 311, 400, 410


def set_training_codes(spec: CalcJobProcessSpec, died: str, remedy: str) -> None:
    """Declare the exit codes that a restart can cure.

    Parameters
    ----------
    spec
        Of the job.
    died
        Message of a job that was killed.
    remedy
        What to do about a loss that is NaN.
    """
    # Failures that may not occur again must not come from the cache.
    for status, label, message in (
        (DIED, "ERROR_DIED", died),
        (
            401,
            "ERROR_OUT_OF_WALLTIME_NO_CHECKPOINT",
            "Out of walltime before the end of the first epoch: raise max_wallclock_seconds.",
        ),
    ):
        spec.exit_code(status, label, message=message, invalidates_cache=True)
    spec.exit_code(
        EPOCHS_LEFT,
        "ERROR_OUT_OF_WALLTIME",
        message="Out of walltime in epoch {done} of {epochs}: continue with `restart_from` its "
        "remote folder.",
    )
    spec.exit_code(
        NAN_LOSS,
        "ERROR_NAN_LOSS",
        message=f"The loss is NaN from epoch {{epoch}} on: {remedy}.",
    )
