"""Settings of parallel tempering."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator, model_validator

from aiida_nanoclusters.science.sampling.settings import Minimisation
from aiida_nanoclusters.science.settings import Settings, quantity


def whole_ratio(long: float, short: float) -> int:
    """Return how often a time fits into another, rounded."""
    return max(0, round(long / short))


class LadderSettings(Settings):
    """How a ladder of temperatures is chosen from short runs."""

    lowest: float = quantity("Lowest temperature.", unit="K", gt=0)
    highest: float = quantity("Highest temperature.", unit="K", gt=0)
    acceptance: float = quantity(
        "Fraction of accepted swaps that is wanted of each pair of neighbours.",
        default=0.3,
        gt=0,
        lt=1,
    )
    runs: int = quantity(
        "Temperatures of the short runs, in geometric progression.", default=8, ge=3
    )
    duration: float = quantity(
        "Duration of the short runs, of which the last three quarters are analysed.",
        unit="ps",
        default=20.0,
        gt=0,
    )
    most: int = quantity(
        "Largest number of temperatures; with fewer than are needed, fewer swaps are accepted.",
        default=32,
        ge=2,
    )

    @model_validator(mode="after")
    def _check_ends(self) -> LadderSettings:
        if self.highest <= self.lowest:
            raise ValueError(
                f"ladder from {self.lowest:g} to {self.highest:g} K: give the lower one as `lowest`"
            )
        return self


class TemperingSettings(Settings):
    """Settings of one job of parallel tempering."""

    temperatures: list[float] | None = quantity(
        "Ladder of temperatures, ascending, one replica at each; null where `ladder` chooses it.",
        unit="K",
        default=None,
    )
    duration: float = quantity(
        "Duration of the run of each replica after equilibration.", unit="ps", gt=0
    )
    equilibration: float = quantity(
        "Duration at the beginning of which nothing is analysed.", unit="ps", default=0.0, ge=0
    )
    swap_every: float = quantity(
        "Time between two attempts to swap temperatures.", unit="ps", default=0.4, gt=0
    )
    sample_every: float = quantity(
        "Time between two frames of each replica that are kept, rounded to attempts to swap; 0 "
        "keeps none.",
        unit="ps",
        default=0.0,
        ge=0,
    )
    timestep: float = quantity("Time step.", unit="ps", default=0.004, gt=0, le=0.02)
    damping: float = quantity(
        "Time constant of the Langevin thermostat; weak friction, a long time, slows diffusion "
        "least.",
        unit="ps",
        default=0.5,
        gt=0,
    )
    confinement: float | None = quantity(
        "Distance from the outermost atom of the start to a sphere around the centre of mass that "
        "confines the cluster; null without a sphere.",
        unit="bond lengths",
        default=1.0,
        gt=0,
    )
    confinement_radius: float | None = quantity(
        "Radius of the sphere in place of `confinement`; null takes that.",
        unit="Å",
        default=None,
        gt=0,
    )
    relax_start: float | None = quantity(
        "Force tolerance of the minimisation of the starts before the run; null for none.",
        unit="eV/Å",
        default=0.01,
        gt=0,
    )
    driver: Literal["python", "partition"] = quantity(
        "What runs the replicas: `python`, one Python process with the LAMMPS library, where cores "
        "are few; `partition`, LAMMPS's own `temper`, where each replica has its rank or GPU.",
        default="python",
    )
    processes: int = quantity(
        "Worker processes among which the driver `python` divides the replicas.", default=1, ge=1
    )
    ranks: int = quantity("MPI ranks of each replica of the driver `partition`.", default=1, ge=1)
    timeout: float | None = quantity(
        "Time after which the driver `python` ends the job by itself; null takes "
        "`max_wallclock_seconds` less a reserve.",
        unit="s",
        default=None,
        gt=0,
    )
    cmdline: list[str | int | float] = quantity(
        "Further options of the LAMMPS command line, such as `-sf kk -k on g 1`, of the driver "
        "`partition`.",
        default=[],
    )

    @field_validator("temperatures")
    @classmethod
    def _check_temperatures(cls, temperatures: list[float] | None) -> list[float] | None:
        if temperatures is None:
            return None
        if len(temperatures) < 2 or temperatures[0] <= 0:
            raise ValueError(f"{temperatures[:5]}: give two temperatures or more, above 0 K")
        if temperatures != sorted(set(temperatures)):
            raise ValueError(f"{temperatures[:5]}: give ascending temperatures, each once")
        return temperatures

    @model_validator(mode="after")
    def _check_times(self) -> TemperingSettings:
        for long, short in (("swap_every", "timestep"), ("duration", "swap_every")):
            if whole_ratio(getattr(self, long), getattr(self, short)) < 1:
                raise ValueError(f"`{long}` is shorter than `{short}`: raise it")
        if self.damping < 2 * self.timestep:
            raise ValueError("`damping` must be several time steps, such as 0.5")
        if self.sample_every and whole_ratio(self.sample_every, self.swap_every) < 1:
            raise ValueError("`sample_every` is shorter than `swap_every`: raise it, or give 0")
        if self.driver == "partition" and not (self.confinement or self.confinement_radius):
            raise ValueError(
                "LAMMPS's own `temper` needs a `confinement`: an evaporated atom would end all "
                "replicas"
            )
        return self

    @property
    def interval(self) -> int:
        """Time steps between attempts to swap."""
        return whole_ratio(self.swap_every, self.timestep)

    @property
    def attempts_of_equilibration(self) -> int:
        """Attempts to swap that are not analysed."""
        return whole_ratio(self.equilibration, self.swap_every)

    @property
    def attempts(self) -> int:
        """All attempts to swap, equilibration included."""
        return self.attempts_of_equilibration + whole_ratio(self.duration, self.swap_every)

    @property
    def sample(self) -> int:
        """Attempts from one sampled frame to the next; 0 where none are kept."""
        return whole_ratio(self.sample_every, self.swap_every)


class ParallelTemperingSettings(TemperingSettings):
    """Settings of the work chain of parallel tempering."""

    ladder: LadderSettings | None = quantity(
        "Choice of the temperatures from short runs, where `temperatures` is null.", default=None
    )
    starts: int = quantity(
        "Distinct structures of each size with which the replicas begin, where they are not given: "
        "the best filled lattice of each motif, then random ones.",
        default=1,
        ge=1,
    )
    relax_stages: Minimisation | None = quantity(
        "Stages that relax each sampled frame to its minimum: force_tolerance in eV/Å; null leaves "
        "it out.",
        default=None,
    )
    frames_per_job: int = quantity(
        "Largest number of frames that one job relaxes.", unit="frames", default=5000, ge=1
    )
    energy_tolerance: float = quantity(
        "Largest difference in energy of frames of one minimum.",
        unit="eV/atom",
        default=2e-5,
        gt=0,
    )
    distance_tolerance: float = quantity(
        "Largest difference of the sorted interatomic distances of frames of one minimum.",
        unit="Å",
        default=0.1,
        gt=0,
    )

    @model_validator(mode="after")
    def _check_ladder(self) -> ParallelTemperingSettings:
        if (self.temperatures is None) == (self.ladder is None):
            raise ValueError("give either `temperatures` (K) or `ladder`, and null for the other")
        if self.relax_stages is not None and not self.sample:
            raise ValueError(
                "`relax_stages` relaxes sampled frames: raise `sample_every` above 0, or give null"
            )
        return self

    def job_values(self, temperatures: list[float], **changes: Any) -> dict[str, Any]:
        """Return the settings of a job at these temperatures (K)."""
        names = TemperingSettings.model_fields
        own = {name: getattr(self, name) for name in names}
        return {**own, "temperatures": list(temperatures), **changes}

    def short_run(self) -> dict[str, Any]:
        """Return the settings of the short runs from which the ladder is chosen."""
        from aiida_nanoclusters.science.sampling.parallel_tempering import geometric_ladder

        ladder = self.ladder
        if ladder is None:
            raise ValueError("the temperatures are given: no short runs are needed")
        probes = geometric_ladder(ladder.lowest, ladder.highest, ladder.runs)
        return self.job_values(
            [float(t) for t in probes],
            duration=0.75 * ladder.duration,
            equilibration=0.25 * ladder.duration,
            sample_every=0.0,
        )
