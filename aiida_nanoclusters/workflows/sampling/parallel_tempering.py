"""ParallelTemperingWorkChain: clusters at a ladder of temperatures, and their minima."""

from __future__ import annotations

from aiida.engine import ExitCode, ProcessSpec, if_, while_
from aiida.orm import ArrayData, Dict, Float, Int, List, ProcessNode, Str

from aiida_nanoclusters.calculations.frames import concatenate_frames
from aiida_nanoclusters.calculations.job_options import set_report
from aiida_nanoclusters.calculations.sampling import tempering_results as steps
from aiida_nanoclusters.calculations.sampling.anneal import make_motif_starts
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.elements import element
from aiida_nanoclusters.science.sampling.seeds import derive_seed
from aiida_nanoclusters.science.sampling.tempered_frames import compositions
from aiida_nanoclusters.science.sampling.tempering_settings import ParallelTemperingSettings
from aiida_nanoclusters.workflows.base.tempering import TemperingBaseWorkChain
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import BatchedWorkChain, describe_child, take
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import potentials_problem
from aiida_nanoclusters.workflows.sampling.stages import StagesWorkChain

#: Inputs of the runs that this work chain sets.
_SET_HERE = tuple(f"tempering.{name}" for name in ("frames", "settings", "seed"))
_RELAX = "relax"


def validate_frames(value: FramesData | None, _) -> str | None:
    """Refuse structures that are no clusters of two atoms or more."""
    if value is None:
        return None
    frames = value.frames
    if frames.pbc.any():
        return "parallel tempering is for clusters: `frames` holds periodic structures"
    if min(frames.sizes) < 2:
        return "a single atom has nothing to sample: give clusters of two atoms or more"
    return None


def validate_inputs(inputs, _) -> str | None:
    """Clusters that are given or built, of elements that the potential knows; means to relax."""
    given = "frames" in inputs
    if given == ("element" in inputs) or ("element" in inputs) != ("sizes" in inputs):
        return "give either `frames`, the starts, or `element` and `sizes`"
    if not given and min(inputs["sizes"].get_list()) < 2:
        return "a single atom has nothing to sample: give sizes of two atoms or more"
    if "settings" in inputs and inputs["settings"].get_dict().get("relax_stages"):
        if _RELAX not in inputs:
            return "`relax_stages` needs the namespace `relax`: the inputs of a StagesWorkChain"
    wanted = inputs["frames"].elements if given else [inputs["element"].value]
    return potentials_problem(inputs, wanted)


class ParallelTemperingWorkChain(BatchedWorkChain):
    """Sample clusters by parallel tempering, a run for each composition.

    A ladder that is not given is chosen from short runs. Sampled frames are relaxed to their
    minima where the settings have `relax_stages`. The failure of one composition does not affect
    the others; what was sampled of it is kept.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            "frames",
            valid_type=FramesData,
            required=False,
            validator=validate_frames,
            help="Starts, of any number of compositions. Default: built of `element` and `sizes`.",
        )
        common_ports.element_port(spec, required=False)
        common_ports.sizes_port(spec, required=False)
        common_ports.settings_port(spec, ParallelTemperingSettings, "Ladder, run and relaxation")
        common_ports.seed_port(spec)
        spec.expose_inputs(TemperingBaseWorkChain, exclude=_SET_HERE)
        spec.expose_inputs(
            StagesWorkChain,
            namespace=_RELAX,
            exclude=("frames", "stages", "seeds", "batch_size"),
            namespace_options={
                "required": False,
                "populate_defaults": False,
                "help": "What relaxes the sampled frames.",
            },
        )
        spec.inputs.validator = validate_inputs
        cls._set_outputs(spec)
        spec.outline(
            cls.start,
            if_(cls.has_no_ladder)(
                cls.prepare_short_runs,
                while_(cls.has_batches)(cls.submit_batches),
                cls.choose_ladders,
            ),
            cls.prepare_runs,
            while_(cls.has_batches)(cls.submit_batches),
            cls.analyse,
            if_(cls.has_frames_to_relax)(cls.relax, cls.find_minima),
            cls.results,
        )
        spec.exit_code(400, "ERROR_NOTHING_SAMPLED", message="No run came to anything: {message}")
        spec.exit_code(
            401, "ERROR_RUNS_INCOMPLETE", message="The runs of {names} are not complete."
        )
        spec.exit_code(402, "ERROR_NO_LADDER", message="No ladder for {names}: short runs failed.")
        spec.exit_code(403, "ERROR_NO_MINIMA", message="No sampled frame could be relaxed.")

    @classmethod
    def _set_outputs(cls, spec: ProcessSpec) -> None:
        common_ports.frames_output(
            spec,
            "trajectory",
            "Sampled frames with their potential energy, by composition and temperature; `info`: "
            "temperature (K), replica, step, time (ps).",
            required=False,
        )
        for name, what in (
            ("swaps", "Of each composition the table of swaps; names in `science/keys.py`."),
            (
                "thermodynamics",
                "Of each composition mean energy and heat capacity against temperature, with "
                "standard errors; names in `science/keys.py`.",
            ),
        ):
            spec.output_namespace(
                name, valid_type=ArrayData, dynamic=True, required=False, help=what
            )
        common_ports.frames_output(
            spec,
            "minima",
            "Distinct minima of the sampled frames, by composition and energy; `info`: `count`, "
            "the frames in each.",
            required=False,
        )
        spec.output(
            "minimum_of",
            valid_type=ArrayData,
            required=False,
            help="Index of the minimum of each frame of `trajectory`; -1 where there is none.",
        )
        set_report(spec, "compositions")

    @classmethod
    def get_builder_from_protocol(
        cls,
        code,
        potential,
        lammps=None,
        element=None,
        sizes=(),
        protocol=None,
        overrides=None,
        options=None,
        *,
        frames=None,
        lammps_options=None,
    ):
        """Return a builder; numbers from `protocols/parallel_tempering.yaml`.

        Parameters
        ----------
        code
            A Python with the module `lammps`, or LAMMPS for the driver `partition`.
        potential
            PotentialData that LAMMPS can run.
        lammps
            LAMMPS, which relaxes the sampled frames. Default: `code`.
        element, sizes
            Chemical symbol and numbers of atoms of clusters to build.
        protocol, overrides
            Name of a protocol, and what to change in it.
        options, lammps_options
            `metadata.options` of the jobs of `code` and of `lammps`.
        frames
            Starts, in place of element and sizes.
        """
        symbols = element if frames is None else list(frames.elements)
        values = load_protocol("parallel_tempering", protocol, overrides, element=symbols)
        settings = ParallelTemperingSettings.from_values(**values["settings"])
        builder = cls.get_builder()
        if frames is None:
            builder.element, builder.sizes = Str(element), List(list(sizes))
        else:
            builder.frames, sizes = frames, frames.sizes
        builder.settings = Dict(values["settings"])
        run = job(code, options, "anneal", max(sizes))
        if settings.driver == "partition":
            if code.with_mpi is False:
                raise ValueError(
                    f"`temper` needs MPI, and the code {code.full_label} runs without: set up "
                    "LAMMPS with `mpi: true`, or choose `driver: python`"
                )
            run["metadata"]["options"]["withmpi"] = True
        elif lammps is not None and lammps.computer.uuid == code.computer.uuid:
            # Where the plugin lies is said with LAMMPS.
            lines = run["metadata"]["options"].get("prepend_text", "")
            lines = "\n".join(filter(None, [lines, lammps.prepend_text]))
            run["metadata"]["options"]["prepend_text"] = lines
        builder.tempering = {**run, "potential": potential}
        if settings.relax_stages is not None:
            relaxing = lammps or code
            builder[_RELAX]["potential"] = {
                "lammps": {
                    **job(relaxing, lammps_options, "relax", max(sizes)),
                    "potential": potential,
                }
            }
        return builder

    @property
    def _settings(self) -> ParallelTemperingSettings:
        return ParallelTemperingSettings(**self.inputs.settings.get_dict())

    def start(self) -> None:
        """Build the starts where they are not given."""
        if "frames" in self.inputs:
            self.ctx.starts = self.inputs.frames
        else:
            distance = element(self.inputs.element.value).nearest_neighbour
            self.ctx.starts = make_motif_starts(
                self.inputs.element,
                self.inputs.sizes,
                Int(self._settings.starts),
                Float(distance),
                self.inputs.seed,
            )
        self.ctx.members = compositions(self.ctx.starts.frames)

    def has_no_ladder(self) -> bool:
        """Whether the temperatures are to be chosen."""
        return self._settings.temperatures is None

    def prepare_short_runs(self) -> None:
        """Prepare a short run for each composition."""
        self.ctx.job_settings = dict.fromkeys(self.ctx.members, Dict(self._settings.short_run()))
        self.ctx.batches, self.ctx.children = list(self.ctx.members), []

    def choose_ladders(self) -> ExitCode | None:
        """Choose the temperatures of each composition from its short run."""
        chosen, missing = {}, []
        for name, child in zip(self.ctx.batches, self.finished_batches(), strict=True):
            if not child.is_finished_ok:
                self.report(describe_child(child))
                missing.append(name)
                continue
            found = child.outputs
            chosen[name] = steps.choose_temperatures(
                found.swaps, found.report, self.inputs.settings
            )
            ladder = chosen[name]["temperatures"]
            self.report(f"{name}: {len(ladder)} temperatures, {ladder[0]:g} to {ladder[-1]:g} K")
        if missing:
            return self.exit_codes.ERROR_NO_LADDER.format(names=", ".join(missing))
        self.ctx.job_settings = chosen
        return None

    def prepare_runs(self) -> None:
        """Prepare the run of each composition."""
        if not self.has_no_ladder():
            own = self._settings
            same = Dict(own.job_values(own.temperatures))
            self.ctx.job_settings = dict.fromkeys(self.ctx.members, same)
        self.ctx.batches, self.ctx.children = list(self.ctx.members), []

    def submit_batch(self, batch: str) -> ProcessNode:
        """Submit the run of a composition."""
        inputs = self.exposed_inputs(TemperingBaseWorkChain)
        inputs["tempering"]["frames"] = take(self.ctx.starts, self.ctx.members[batch])
        inputs["tempering"]["settings"] = self.ctx.job_settings[batch]
        if self._settings.driver == "partition":
            ladder, options = self.ctx.job_settings[batch]["temperatures"], inputs["tempering"]
            options = options["metadata"]["options"]
            processes = len(ladder) * self._settings.ranks
            options["resources"] = partition_resources(options, processes)
        # By composition, so that a run does not depend on the others.
        seed = derive_seed(self.inputs.seed.value, *batch.encode())
        inputs["tempering"]["seed"] = Int(seed)
        return self.submit(TemperingBaseWorkChain, **inputs)

    def analyse(self) -> ExitCode | None:
        """Attach the tables of swaps and the thermodynamics; join the frames."""
        parts, self.ctx.incomplete, said = {}, [], ""
        self.ctx.reports = {}
        for k, (name, child) in enumerate(
            zip(self.ctx.batches, self.finished_batches(), strict=True)
        ):
            if not child.is_finished_ok:
                said = describe_child(child)
                self.report(said)
                self.ctx.incomplete.append(name)
            if "swaps" not in child.outputs:
                continue
            found = child.outputs
            self.ctx.reports[name] = found.report
            self.out(f"swaps.{name}", found.swaps)
            if found.report["attempts_done"] - found.report["equilibration"] > 1:
                made = steps.analyse_tempering(
                    found.swaps, found.report, take(self.ctx.starts, self.ctx.members[name])
                )
                self.out(f"thermodynamics.{name}", made)
            if "trajectory" in found:
                parts[f"part_{k:05d}"] = found.trajectory
        if not self.ctx.reports:
            return self.exit_codes.ERROR_NOTHING_SAMPLED.format(message=said)
        if parts:
            (self.ctx.trajectory,) = (
                parts.values() if len(parts) == 1 else (concatenate_frames(**parts),)
            )
            self.out("trajectory", self.ctx.trajectory)
        return None

    def has_frames_to_relax(self) -> bool:
        """Whether sampled frames are to be relaxed."""
        return self._settings.relax_stages is not None and "trajectory" in self.ctx

    def relax(self) -> None:
        """Relax the sampled frames, thousands in a job."""
        inputs = self.exposed_inputs(StagesWorkChain, namespace=_RELAX)
        inputs["frames"] = self.ctx.trajectory
        inputs["stages"] = List(self._settings.relax_stages)
        inputs["batch_size"] = Int(self._settings.frames_per_job)
        self.report(f"relaxing {len(self.ctx.trajectory)} frames")
        self.to_context(relaxed=self.submit(StagesWorkChain, **inputs))

    def find_minima(self) -> ExitCode | None:
        """Find the distinct minima among the relaxed frames."""
        child = self.ctx.relaxed
        if not child.is_finished_ok:
            self.report(describe_child(child))
        if "structures" not in child.outputs:
            return None
        found = steps.find_minima(
            self.ctx.trajectory,
            self.inputs.settings,
            child.outputs.structures,
            child.outputs.report,
        )
        self.out_many(found)
        if "minima" in found:
            count = len(found["minima"])
            self.report(f"{count} distinct minima of {len(self.ctx.trajectory)} frames")
        return None

    def results(self) -> ExitCode | None:
        """Attach the report; end with an exit code where something is missing."""
        self.out("report", steps.join_reports_of_runs(**self.ctx.reports))
        if self.ctx.incomplete:
            names = ", ".join(self.ctx.incomplete)
            return self.exit_codes.ERROR_RUNS_INCOMPLETE.format(names=names)
        if self.has_frames_to_relax() and "minima" not in self.outputs:
            return self.exit_codes.ERROR_NO_MINIMA
        return None


def partition_resources(options, processes: int) -> dict:
    """Return the resources with which `temper` has exactly so many processes.

    On as many machines as `options` have, or the next lower number that divides the processes.
    """
    given = dict(options.get("resources", {}))
    machines = min(int(given.pop("num_machines", 1)), processes)
    while processes % machines:
        machines -= 1
    per_machine = processes // machines
    given.pop("tot_num_mpiprocs", None)
    return {**given, "num_machines": machines, "num_mpiprocs_per_machine": per_machine}
