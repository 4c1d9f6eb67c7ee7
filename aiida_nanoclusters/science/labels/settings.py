"""Settings of the reference engines: what CP2K and VASP compute, and their fallbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from aiida_nanoclusters.science.settings import Settings, quantity

#: INCAR tags a fallback of VASP may set: how the ground state is sought, not which one it is.
FALLBACK_TAGS = {
    *("ALGO", "NELM", "NELMIN", "NELMDL", "INIWAV", "ICHARG", "ISTART", "LSUBROT", "TIME"),
    *("IMIX", "INIMIX", "MIXPRE", "MAXMIX", "AMIX", "BMIX", "AMIX_MAG", "BMIX_MAG", "AMIN", "WC"),
    *("NCORE", "NPAR", "KPAR", "NSIM", "LPLANE"),
}
#: INCAR tags that follow from each frame and from `kpoint_spacing`.
_FRAME_TAGS = {"NELECT", "NUPDOWN", "KSPACING", "KGAMMA"}
_SPACING = (
    "Largest distance between k-points in periodic directions, in reciprocal space with the factor "
    "2 pi; null for the Gamma point alone."
)
_NET_FORCE = (
    "Largest component of the sum of all forces, per atom, of an accepted label; it measures the "
    "error of the grid."
)


class EngineSettings(Settings):
    """What the settings of all programs of first principles have in common."""

    former_names: ClassVar[Mapping[str, str]] = {"ladder": "fallbacks"}

    fallbacks: list[dict[str, Any]] = quantity(
        "Settings levels, each a set of changes for frames that failed with the level before; {} "
        "changes nothing."
    )

    @classmethod
    def with_present_names(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values as given, those under a former name under the present one."""
        rename: Any = cls._rename  # to a type checker it is a validator, and not callable
        return dict(rename(values))

    @field_validator("fallbacks")
    @classmethod
    def _check_fallbacks(cls, fallbacks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not fallbacks:
            raise ValueError("give at least one settings level, such as {}, which changes nothing")
        for changes in fallbacks:
            cls._check_changes(changes)
        return fallbacks

    @classmethod
    def _check_changes(cls, changes: Mapping[str, Any]) -> None:
        """Refuse changes after which the labels would be of another level of theory."""


class Cp2kSettings(EngineSettings):
    """Settings of labels, relaxations and molecular dynamics by CP2K."""

    level_of_theory: str = quantity("Name of the level of theory that is noted with every label.")
    cluster: Literal["isolated", "box"] = quantity(
        "Electrostatics of clusters: `isolated` without periodic images, `box` in a periodic box.",
        default="isolated",
    )
    vacuum: float = quantity(
        "Smallest distance between atoms of different periodic images.",
        unit="Å",
        default=12.0,
        gt=0,
    )
    thickness: float | None = quantity(
        "Thickness to which thin crystals and slabs are repeated; null does not repeat them.",
        unit="Å",
        default=None,
        gt=0,
    )
    kpoint_spacing: float | None = quantity(_SPACING, unit="1/Å", default=None, gt=0)
    spin: Literal["none", "collinear"] = quantity(
        "Spin polarisation of frames without `multiplicity` in their `info`; frames with one are "
        "always spin-polarised.",
        default="none",
    )
    empty_bands: float = quantity(
        "Empty orbitals for the smearing.", unit="orbitals per atom", default=2, gt=0
    )
    max_net_force: float = quantity(_NET_FORCE, unit="eV/Å", default=1e-3, gt=0)
    partial_charges: list[Literal["mulliken", "hirshfeld"]] = quantity(
        "Partial charges that are kept with labelled frames, of `mulliken` and `hirshfeld`; those "
        "sampled in stages have none.",
        default=[],
    )
    kinds: dict[str, dict[str, Any]] = quantity(
        "CP2K's section KIND by element, such as BASIS_SET and POTENTIAL; `default` holds for all "
        "other elements.",
        default={},
    )
    force_eval: dict[str, Any] = quantity(
        "CP2K's section FORCE_EVAL with its subsection DFT, without the parts that follow from a "
        "frame: cell, periodicity, charge, spin, k-points."
    )

    @field_validator("force_eval")
    @classmethod
    def _check_section(cls, section: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(section.get("DFT"), Mapping):
            raise ValueError("add the subsection DFT of CP2K's section FORCE_EVAL")
        return section

    @model_validator(mode="after")
    def _check_charges(self) -> Cp2kSettings:
        method = self.force_eval["DFT"].get("QS", {}).get("METHOD", "")
        if "hirshfeld" in self.partial_charges and str(method).upper() in ("XTB", "DFTB"):
            raise ValueError(
                "CP2K has no density on a grid in tight binding: `partial_charges: [mulliken]`"
            )
        return self

    @classmethod
    def _check_changes(cls, changes: Mapping[str, Any]) -> None:
        dft = changes.get("DFT", {})
        if set(changes) <= {"DFT"} and set(dft) <= {"SCF"} and "SMEAR" not in dft.get("SCF", {}):
            return
        raise ValueError(
            "a settings level may change DFT/SCF except SMEAR: other changes would give labels of "
            "another level of theory under the same name; make them in `force_eval`"
        )


class VaspSettings(EngineSettings):
    """Settings of labels, relaxations and molecular dynamics by VASP."""

    level_of_theory: str | None = quantity(
        "Name of the level of theory that is noted with every label; null composes it of the "
        "functional and the cutoff, such as `VASP/PBE/450 eV`.",
        default=None,
    )
    vacuum: float = quantity(
        "Smallest distance between periodic images in directions in which a frame is not periodic.",
        unit="Å",
        default=15.0,
        gt=0,
    )
    kpoint_spacing: float | None = quantity(_SPACING, unit="1/Å", gt=0)
    max_net_force: float = quantity(_NET_FORCE, unit="eV/Å", default=0.01, gt=0)
    potential_family: str = quantity(
        "Family of POTCARs as it is called in AiiDA.", default="PBE.54", min_length=1
    )
    potential_mapping: dict[str, str] = quantity("Name of the POTCAR of each element.")
    valence_electrons: dict[str, float] = quantity(
        "Valence electrons (ZVAL) in the POTCAR of each element; needed for charged frames only.",
        default={},
    )
    incar: dict[str, Any] = quantity("INCAR tags of every frame.")

    @property
    def tags(self) -> dict[str, Any]:
        """INCAR tags of every frame, names in capitals."""
        return capitals(self.incar)

    @field_validator("incar")
    @classmethod
    def _check_incar(cls, incar: dict[str, Any]) -> dict[str, Any]:
        tags = capitals(incar)
        if tags.get("NSW"):
            raise ValueError(
                f"NSW is {tags['NSW']}, but a label belongs to the frame as it is: set NSW: 0"
            )
        if frame_tags := sorted(_FRAME_TAGS & set(tags)):
            raise ValueError(
                f"remove {', '.join(frame_tags)}: these tags follow from the charge and the "
                "multiplicity of each frame and from `kpoint_spacing`"
            )
        return incar

    @classmethod
    def _check_changes(cls, changes: Mapping[str, Any]) -> None:
        if refused := sorted(set(capitals(changes)) - FALLBACK_TAGS):
            raise ValueError(
                f"{', '.join(refused)} would give labels of another level of theory under the same "
                "name: a settings level may set how the ground state is sought, by "
                f"{', '.join(sorted(FALLBACK_TAGS))}"
            )


class LammpsSettings(Settings):
    """Settings of all jobs of LAMMPS."""

    cmdline: list[str | int | float] = quantity(
        "Further options of the LAMMPS command line, such as `-sf kk -k on g 1`.", default=[]
    )


class EvaluationSettings(LammpsSettings):
    """Settings of an evaluation of frames by LAMMPS, with what else is kept of each frame."""

    partial_charges: list[Literal["mulliken"]] = quantity(
        "Partial charges that are kept with labelled frames, where the potential is a calculator "
        "of tblite: `mulliken`.",
        default=[],
        max_length=1,
    )


class LammpsStagesSettings(LammpsSettings):
    """Settings of relaxations and molecular dynamics by LAMMPS."""

    vacuum: float = quantity(
        "Distance from a cluster to the reflecting walls around it, and from a slab to its images.",
        unit="Å",
        default=15.0,
        gt=0,
    )
    timeout: float | None = quantity(
        "Time after which LAMMPS ends the job by itself; null takes `max_wallclock_seconds` less a "
        "reserve.",
        unit="s",
        default=None,
        gt=0,
    )
    fragment_distance: float | None = quantity(
        "Distance from which two groups of atoms count as separate fragments, that is, the cluster "
        "as evaporated; null takes the cutoff of the potential.",
        unit="Å",
        default=None,
        gt=0,
    )
    keep_failed: bool = quantity(
        "Whether the frames sampled of a structure are kept if it fails later.",
        default=False,
        strict=True,
    )


def capitals(tags: Mapping[str, Any]) -> dict[str, Any]:
    """Return INCAR tags with their names in capitals."""
    return {str(name).upper(): value for name, value in tags.items()}
