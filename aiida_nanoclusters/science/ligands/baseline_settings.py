"""Settings of the methods beside which a matching model is measured."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator, model_validator

from aiida_nanoclusters.science.ligands.encoder_settings import (
    ClassifierSettings,
    CoreEncoderSettings,
    LigandEncoderSettings,
    MatchingSettings,
    TrainingSettings,
)
from aiida_nanoclusters.science.settings import Settings, quantity

#: Most rows of a table of symmetry functions.
_MOST_FUNCTIONS = 200


class SymmetryFunctionSettings(Settings):
    """Atom-centred symmetry functions (ACSF)."""

    cutoff: float = quantity("Distance up to which atoms are neighbours.", unit="Å", default=6.0,
                             gt=1, le=20)  # fmt: skip
    radial: list[tuple[float, float]] = quantity(
        "Radial functions: rows of eta (1/Å^2) and shift (Å).",
        default=[(4.0, shift) for shift in (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5)],
        min_length=1,
        max_length=_MOST_FUNCTIONS,
    )
    angular: list[tuple[float, float, float]] = quantity(
        "Angular functions: rows of eta (1/Å^2), zeta and lambda (1 or -1).",
        default=[(0.01, zeta, sign) for zeta in (1.0, 2.0, 4.0, 16.0) for sign in (1.0, -1.0)],
        max_length=_MOST_FUNCTIONS,
    )

    @field_validator("radial", "angular")
    @classmethod
    def _check_rows(cls, rows: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
        for row in rows:
            if row[0] < 0 or (len(row) == 3 and (row[1] < 1 or row[2] not in (1, -1))):
                raise ValueError(f"{list(row)}: give eta from 0, zeta from 1, lambda 1 or -1")
        return rows


class TensorSettings(Settings):
    """Many-body tensor representation (MBTR): inverse distances and cosines of angles."""

    decay: float = quantity(
        "Decrease of the weight of a pair, or of three atoms, with the sum of their distances.",
        unit="1/Å",
        default=0.5,
        gt=0,
        le=10,
    )
    smallest_weight: float = quantity(
        "Weight below which pairs and angles are left out.", default=1e-3, gt=0, lt=1
    )
    shortest: float = quantity("Lower end of the inverse distances.", unit="1/Å", default=0.1, ge=0)
    longest: float = quantity(
        "Upper end of the inverse distances.", unit="1/Å", default=0.8, gt=0, le=5
    )
    distance_points: int = quantity("Points between the two.", default=48, ge=2, le=1000)
    distance_width: float = quantity(
        "Standard deviation of the Gaussian of a pair.", unit="1/Å", default=0.02, gt=0, le=1
    )
    angle_points: int = quantity("Points of the cosine from -1 to 1.", default=32, ge=2, le=1000)
    angle_width: float = quantity(
        "Standard deviation of the Gaussian of an angle, of its cosine.", default=0.08, gt=0, le=1
    )

    @model_validator(mode="after")
    def _check_ends(self) -> TensorSettings:
        if self.shortest >= self.longest:
            raise ValueError(
                f"`shortest` {self.shortest} is not below `longest` {self.longest}: give a range"
            )
        return self


class BoostingSettings(Settings):
    """Gradient-boosted trees on the descriptor of a core and the fingerprint of its ligands."""

    classifier: Literal["xgboost", "gradient_boosting"] = quantity(
        "Program of the trees: `xgboost`, or `gradient_boosting` of scikit-learn.",
        default="xgboost",
    )
    trees: int = quantity("Number of trees.", default=300, ge=1, le=10_000)
    depth: int = quantity("Largest depth of a tree.", default=6, ge=1, le=20)
    learning_rate: float = quantity("Weight of each tree.", default=0.1, gt=0, le=1)
    row_share: float = quantity(
        "Share of the pairs that each tree sees; `xgboost` alone.", default=0.8, gt=0, le=1
    )
    feature_share: float = quantity(
        "Share of the features that each tree sees.", default=0.3, gt=0, le=1
    )


class BaselineSettings(Settings):
    """Settings of the baselines: descriptors with boosted trees, and plain graph networks."""

    methods: list[Literal["soap", "acsf", "mbtr", "cgcnn", "schnet", "gin"]] = quantity(
        "Which are trained: `soap`, `acsf` and `mbtr` are descriptors of the core with boosted "
        "trees, `cgcnn`, `schnet` and `gin` graph networks of the core without pretraining. All "
        "take the fingerprints of the ligands.",
        default=["soap", "acsf", "mbtr", "cgcnn", "schnet", "gin"],
        min_length=1,
    )
    acsf: SymmetryFunctionSettings = quantity(
        "Atom-centred symmetry functions.", default=SymmetryFunctionSettings()
    )
    mbtr: TensorSettings = quantity("Many-body tensor representation.", default=TensorSettings())
    boosting: BoostingSettings = quantity("The boosted trees.", default=BoostingSettings())
    core: CoreEncoderSettings = quantity(
        "The graph networks; `kind` is that of each method.", default=CoreEncoderSettings()
    )
    ligand: LigandEncoderSettings = quantity(
        "The fingerprint of a ligand: `radius` and `bits`.", default=LigandEncoderSettings()
    )
    classifier: ClassifierSettings = quantity(
        "Classification of the pairs of the graph networks.", default=ClassifierSettings()
    )
    training: TrainingSettings = quantity(
        "Training of the graph networks; `threads` are those of the trees as well.",
        default=TrainingSettings(),
    )

    @field_validator("methods")
    @classmethod
    def _check_methods(cls, methods: list[str]) -> list[str]:
        if len(set(methods)) < len(methods):
            raise ValueError(f"{methods}: give each method once")
        return methods

    @field_validator("ligand")
    @classmethod
    def _check_ligand(cls, ligand: LigandEncoderSettings) -> LigandEncoderSettings:
        if ligand.kind != "fingerprint":
            raise ValueError(f"`kind` is {ligand.kind}: baselines take a `fingerprint`")
        return ligand

    def of_arrays(self) -> MatchingSettings:
        """Return the settings by which cores and ligands become arrays."""
        return MatchingSettings(core=self.core, ligand=self.ligand)

    def of_training(self) -> dict[str, Any]:
        """Return what the trainings depend on: equal values give equal predictions."""
        return self.model_dump(mode="json")
