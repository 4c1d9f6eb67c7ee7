"""Settings of the active-learning loop, of its choice of frames and of its calibration."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, model_validator

from aiida_nanoclusters.science.learning.classes import (
    CANDIDATE,
    CLASSES,
    Thresholds,
    current_class,
)
from aiida_nanoclusters.science.settings import Settings, quantity

#: How frames are chosen under a budget, see :func:`.learning.acquisition.choose`.
MEDOIDS, FARTHEST, RANDOM = "medoids", "farthest", "random"
WAYS = (MEDOIDS, FARTHEST, RANDOM)
#: What the random choice was called in earlier versions.
_FORMER_WAYS = {"chance": RANDOM}
#: Frames are alike below this distance: that of copies rattled by some 0.02 Å.
TOLERANCE = 0.02


def _check_classes(names: list[str]) -> list[str]:
    present = [current_class(name) for name in names]
    if unknown := sorted(set(present) - set(CLASSES)):
        raise ValueError(f"unknown classes {', '.join(unknown)}: only {', '.join(CLASSES)}")
    return present


def _present_way(value: Any) -> Any:
    present = _FORMER_WAYS.get(value, value) if isinstance(value, str) else value
    if present not in WAYS:
        raise ValueError(f"{value!r}: only {', '.join(WAYS)}")
    return present


class ThresholdSettings(Settings):
    """Thresholds of the largest force deviation of a committee in a frame."""

    former_names: ClassVar = {"low": "accurate_below", "high": "failed_above"}

    accurate_below: float = quantity(
        "Largest force deviation of the committee in a frame below which the frame is accurate and "
        "needs no label.",
        unit="eV/Å",
        default=0.1,
    )
    failed_above: float = quantity(
        "Largest force deviation of the committee in a frame above which the frame has failed and "
        "is not labelled.",
        unit="eV/Å",
        default=0.5,
    )

    @model_validator(mode="after")
    def _check_order(self) -> ThresholdSettings:
        _ = self.thresholds
        return self

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds between the classes of frames."""
        return Thresholds(self.accurate_below, self.failed_above)


class LoopSettings(ThresholdSettings):
    """Settings of :class:`~aiida_nanoclusters.science.learning.active_learning.ActiveLearning`."""

    former_names: ClassVar = {**ThresholdSettings.former_names, "checks": "calibration_frames"}

    budget: int = quantity(
        "Labels requested in all; failed ones count, for they cost as much. The last ones are "
        "learnt before the loop ends.",
        unit="frames",
        default=1000,
        ge=1,
    )
    per_round: int = quantity("Labels requested in a round.", unit="frames", default=100, ge=1)
    calibration_frames: int = quantity(
        "Labels of each round that are drawn at random for the calibration set; no member is "
        "trained on them.",
        unit="frames",
        default=0,
        ge=0,
    )
    members: int = quantity("Potentials of the committee.", default=4, ge=2)
    share: float = quantity(
        "The loop has converged when the fraction of uncertain frames, those that are not "
        "accurate, is below this, among the frames of the largest convergence-test structure, or "
        "among all candidates where there is none.",
        default=0.05,
        gt=0,
        le=1,
    )
    converged_rounds: int = quantity(
        "Consecutive rounds in which that must hold.", unit="rounds", default=2, ge=1
    )
    max_rounds: int = quantity("Largest number of rounds.", unit="rounds", default=20, ge=1)
    patience: int = quantity(
        "Consecutive failures of a step, or steps without a result, after which the loop gives up.",
        default=3,
        ge=1,
    )

    @model_validator(mode="after")
    def _check_calibration_frames(self) -> LoopSettings:
        if self.calibration_frames >= self.per_round:
            raise ValueError(
                f"`calibration_frames` {self.calibration_frames} are part of the {self.per_round} "
                "labels of a round: leave some to be learnt"
            )
        return self


class ChoiceSettings(Settings):
    """How the frames to label are chosen among the candidates."""

    former_names: ClassVar = {"wanted": "classes"}

    classes: Annotated[list[str], AfterValidator(_check_classes)] = quantity(
        "Classes of frames to label: accurate, candidate, failed. Name `failed` too where a first "
        "committee finds that all frames have failed.",
        default=[CANDIDATE],
    )
    by: Annotated[Literal["medoids", "farthest", "random"], BeforeValidator(_present_way)] = (
        quantity(
            "`medoids` takes frames that represent the others, `farthest` those farthest from all "
            "chosen or learnt, `random` any.",
            default=MEDOIDS,
        )
    )
    tolerance: float = quantity(
        "Distance of averaged SOAP vectors times the square root of the number of atoms below "
        "which frames are alike; 0 keeps all but duplicates.",
        default=TOLERANCE,
        ge=0,
    )


class SelectionSettings(ChoiceSettings):
    """Settings of one choice of frames."""

    former_names: ClassVar = {**ChoiceSettings.former_names, "checks": "calibration_frames"}

    budget: int = quantity("Largest number of frames to label.", unit="frames", ge=0)
    calibration_frames: int = quantity(
        "Of these, frames drawn at random for the calibration set, from all accurate and candidate "
        "frames.",
        unit="frames",
        default=0,
        ge=0,
    )

    @model_validator(mode="after")
    def _check_budget(self) -> SelectionSettings:
        if self.calibration_frames > self.budget:
            raise ValueError(
                f"`calibration_frames` {self.calibration_frames} must lie within the budget of "
                f"{self.budget}: raise the one or lower the other"
            )
        return self


class CalibrationSettings(Settings):
    """What a threshold that is determined from the calibration set guarantees."""

    former_names: ClassVar = {"error": "max_error"}

    max_error: float = quantity(
        "Largest error of a force in a frame that counts as accurate.", unit="eV/Å", gt=0
    )
    share: float = quantity(
        "Largest fraction of the accurate frames that may have a larger error.",
        default=0.1,
        gt=0,
        lt=1,
    )
    confidence: float = quantity("Confidence level at which that holds.", default=0.9, gt=0, lt=1)


class ThresholdCalibration(ThresholdSettings, CalibrationSettings):
    """Settings of one calibration; `accurate_below` holds where labels are too few for one."""

    former_names: ClassVar = {
        **ThresholdSettings.former_names,
        **CalibrationSettings.former_names,
    }


class LabelSetSettings(Settings):
    """To which sets new labels are added."""

    validation: float = quantity(
        "Fraction of the new trajectories that go to the validation set; the others are learnt.",
        default=0.1,
        gt=0,
        lt=1,
    )
    max_force: float = quantity(
        "Frames with a larger force are left out.", unit="eV/Å", default=40.0, gt=0
    )


class ActiveLearningSettings(Settings):
    """Settings of the work chain of active learning."""

    loop: LoopSettings = quantity("When the loop ends, and what a round may spend.")
    choice: ChoiceSettings = quantity("How the frames to label are chosen.")
    calibration: CalibrationSettings | None = quantity(
        "What `accurate_below` guarantees: it is then determined after each training from the "
        "calibration set. null keeps it.",
        default=None,
    )
    sets: LabelSetSettings = quantity("To which sets new labels are added.")
