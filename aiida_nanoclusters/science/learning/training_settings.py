"""Settings of the training of an Allegro model, and of the alignment of its energies after it."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, field_validator, model_validator

from aiida_nanoclusters.science.settings import Settings, quantity


class _Strict(Settings):
    # Values go on as they are to programs that tell 1 from true and 0.001 from "1e-3".
    model_config = ConfigDict(strict=True)


class ModelSettings(_Strict):
    """The Allegro model: names as in nequip-allegro, but for the MLPs."""

    r_max: float = quantity("Cutoff radius.", unit="Å", ge=1)
    l_max: int = quantity("Largest degree of the spherical harmonics.", ge=0)
    parity: bool = quantity("Whether features of odd parity are included.")
    num_layers: int = quantity("Layers.", ge=1)
    num_scalar_features: int = quantity("Scalar features of each pair of atoms.", ge=1)
    num_tensor_features: int = quantity("Tensor features of each pair of atoms.", ge=1)
    num_bessels: int = quantity("Bessel functions of the radial basis.", ge=1)
    polynomial_cutoff_p: int = quantity("Power of the polynomial cutoff function.", ge=2)
    two_body_mlp_depth: int = quantity("Hidden layers of the two-body MLP.", ge=0)
    two_body_mlp_width: int = quantity("Width of the hidden layers of the two-body MLP.", ge=1)
    allegro_mlp_depth: int = quantity("Hidden layers of the MLP in each layer.", ge=0)
    allegro_mlp_width: int = quantity("Width of the hidden layers of that MLP.", ge=1)
    readout_mlp_depth: int = quantity("Hidden layers of the readout MLP.", ge=0)
    readout_mlp_width: int = quantity("Width of the hidden layers of the readout MLP.", ge=1)
    dtype: Literal["float32", "float64"] = quantity("Precision of the weights.")


class Weights(_Strict):
    """Weights of energies and forces, not both 0."""

    energy: float = quantity("Weight of the error of the energy per atom.", ge=0)
    forces: float = quantity("Weight of the error of the force components.", ge=0)

    @model_validator(mode="after")
    def _check_sum(self) -> Weights:
        if not self.energy + self.forces:
            raise ValueError("`energy` and `forces` are both 0: give one of them a weight")
        return self


class LossStage(Weights):
    """Weights of the loss from a part of the training on."""

    start: float = quantity(
        "Fraction of the epochs after which the stage begins.", alias="from", ge=0, lt=1
    )
    energy: float = quantity(
        "Weight of the mean squared error of the energy per atom.", unit="(eV/atom)^-2", ge=0
    )
    forces: float = quantity(
        "Weight of the mean squared error of the force components.", unit="(eV/Å)^-2", ge=0
    )


class OptimiserSettings(_Strict):
    """How a model is trained, and by which errors its best epoch is chosen."""

    epochs: int = quantity("Training epochs.", ge=1)
    batch_size: int = quantity("Frames of a training batch.", unit="frames", ge=1)
    validation_batch_size: int = quantity("Frames of a validation batch.", unit="frames", ge=1)
    learning_rate: float = quantity("Learning rate of the first epoch.", gt=0)
    final_learning_rate: float = quantity("Learning rate of the last epoch.", ge=0)
    ema_decay: float = quantity(
        "Decay of the exponential moving average of the weights, by batch.", ge=0, le=1
    )
    gradient_clip: float = quantity("Largest norm of the gradient; 0 does not limit it.", ge=0)
    stages: list[LossStage] = quantity("Weights of the loss, in order of time.", min_length=1)
    selection: Weights = quantity(
        "Weights of the root mean squared errors on the validation set by which the best epoch is "
        "chosen."
    )

    @model_validator(mode="after")
    def _check_stages(self) -> OptimiserSettings:
        starts = self.stage_epochs
        if starts[0] != 0:
            raise ValueError("the first of the `stages` must start at 0: write {from: 0.0, ...}")
        if sorted(set(starts)) != starts or starts[-1] >= self.epochs:
            raise ValueError(
                f"`stages` begin at the epochs {starts} of {self.epochs}: give each a later `from` "
                "than the one before it, below 1"
            )
        return self

    @property
    def stage_epochs(self) -> list[int]:
        """First epoch of each stage, shape (stages,)."""
        return [round(stage.start * self.epochs) for stage in self.stages]


class AlignmentSettings(_Strict):
    """Settings of ``science/learning/alignment.py``, which runs in the job of a training."""

    dampings: list[float] = quantity(
        "Dampings that are tried, relative to the mean diagonal element of the kernel; smaller "
        "ones change the weights more.",
        default=[1e-3, 3e-4, 1e-4, 3e-5],
        min_length=1,
    )
    iterations: int = quantity(
        "Gauss-Newton iterations: the energies are not linear in the weights.", default=4, ge=1
    )
    projections: int = quantity(
        "Random directions in which the forces of each frame are kept.", default=1, ge=0
    )
    energy_scale: float = quantity(
        "Error of the energy per atom that weighs as much as an error `force_scale`.",
        unit="eV/atom",
        default=0.001,
        gt=0,
    )
    force_scale: float = quantity(
        "Root mean squared error of the force components that weighs as much as an error "
        "`energy_scale`.",
        unit="eV/Å",
        default=0.03,
        gt=0,
    )
    hot_force: float = quantity(
        "Root mean square force at which the energy of a frame has half its weight.",
        unit="eV/Å",
        default=0.3,
        gt=0,
    )
    relaxed_force: float = quantity(
        "Largest force in a frame that counts as relaxed.", unit="eV/Å", default=0.05, ge=0
    )
    motifs: list[str] = quantity(
        "The two motifs whose largest relaxed frames are held out; a tenth of all frames is where "
        "there are none, or the list is empty.",
        default=["icosahedron", "truncated octahedron"],
    )
    force_growth: float = quantity(
        "Factor by which the force error on the validation set may grow.", default=1.5, ge=1
    )
    max_frames: int = quantity(
        "Largest number of frames that are aligned; memory grows with frames times weights.",
        unit="frames",
        default=1000,
        ge=30,
    )

    @field_validator("dampings")
    @classmethod
    def _check_dampings(cls, dampings: list[float]) -> list[float]:
        if min(dampings) <= 0:
            raise ValueError(f"{dampings}: give numbers above 0")
        return dampings

    @field_validator("motifs")
    @classmethod
    def _check_motifs(cls, motifs: list[str]) -> list[str]:
        if len(motifs) not in (0, 2) or len(set(motifs)) < len(motifs):
            raise ValueError(f"{motifs}: give two names or none")
        return motifs


class TrainingSettings(_Strict):
    """Settings of one training."""

    model: ModelSettings = quantity("The Allegro model.")
    training: OptimiserSettings = quantity("How it is trained.")
    alignment: AlignmentSettings | None = quantity(
        "Alignment of the energies of frames after the training; null leaves it out.", default=None
    )
