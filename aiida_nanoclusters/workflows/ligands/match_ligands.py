"""MatchLigandsWorkChain: sets of ligands ranked for cores by a committee of matching models."""

from __future__ import annotations

from aiida.engine import ProcessSpec, WorkChain, if_
from aiida.orm import ArrayData, Dict, List

from aiida_nanoclusters.calculations.ligands.ranking import rank_ligand_sets, ranking_problem
from aiida_nanoclusters.calculations.ligands.stability import core_stability
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.science.ligands.design_settings import RankingSettings
from aiida_nanoclusters.science.sampling.stages import parse_stages
from aiida_nanoclusters.workflows.parts import common_ports
from aiida_nanoclusters.workflows.parts.batches import describe_child
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.parts.mappings import mapping_of
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.sampling.stages import StagesWorkChain
from aiida_nanoclusters.workflows.sampling.stages import validate_inputs as validate_stages

#: Namespace of what relaxes the bare cores.
RELAX = "relax"
#: Largest force after the relaxation of a bare core, eV/Å.
_FORCE_TOLERANCE = 0.02


def validate_inputs(value, _) -> str | None:
    """Refuse candidates that are no ligands, cores in boxes, and stages that move."""
    if not {"candidates", "settings"} <= set(value):
        return None  # the ports report it
    if not value.get("models"):
        return "`models` is empty: give the members of a committee, `models` of a compatibility"
    if problem := ranking_problem(value["candidates"], value["settings"]):
        return f"`candidates`: {problem}"
    if "cores" not in value:
        return None  # one that is edited
    if value["cores"].frames.pbc.any():
        return "`cores` are periodic: give cores without their boxes"
    if value.get(RELAX):
        stages = value[RELAX].get("stages")
        if stages is not None and parse_stages(stages.get_list())[-1].is_dynamic:
            return "`relax.stages` must end with a minimisation, such as `{kind: relax}`"
        return validate_stages({**value[RELAX], "frames": value["cores"]}, None)
    return None


def matching_ports(spec: ProcessSpec) -> None:
    """Declare what is ranked, by which models."""
    spec.input(
        "candidates",
        valid_type=List,
        help="Candidate ligands, one text each, as a SMILES file has them: a SMILES, or several "
        "joined by dots that are one set, then a name.",
    )
    spec.input_namespace(
        "models",
        valid_type=MatchingModelData,
        dynamic=True,
        help="Members of a committee: output `models` of a CompatibilityWorkChain.",
    )
    common_ports.settings_port(spec, RankingSettings, "Which sets are made and what is told")
    spec.expose_inputs(
        StagesWorkChain,
        namespace=RELAX,
        exclude=("frames", "seeds"),
        namespace_options={
            "required": False,
            "populate_defaults": False,
            "help": "What relaxes the bare cores, for their energies beside the ranking. Default: "
            "they are not relaxed.",
        },
    )


class MatchLigandsWorkChain(WorkChain):
    """Rank sets of ligands for one or more cores, and warn of what the models have not seen.

    Where the namespace `relax` says by what, the bare cores are relaxed as well: their energy per
    atom, and whether they stay what they are, stands beside the ranking.
    """

    @classmethod
    def define(cls, spec: ProcessSpec) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input("cores", valid_type=FramesData, help="Cores without ligands.")
        matching_ports(spec)
        spec.inputs.validator = validate_inputs
        spec.output(
            "table",
            valid_type=Dict,
            help="Of each core the most probable sets: probability, spread, nearest known sets, "
            "what lies outside.",
        )
        spec.output(
            "probabilities",
            valid_type=ArrayData,
            help="`probabilities` of each core and set, `member_probabilities` by each model.",
        )
        common_ports.frames_output(spec, "relaxed", "The relaxed bare cores.", required=False)
        spec.output(
            "stability",
            valid_type=Dict,
            required=False,
            help="Of each core that was relaxed energy per atom (eV), displacement of its atoms "
            "(Å), and whether it kept its structure.",
        )
        spec.outline(cls.rank, cls.warn, if_(cls.should_relax)(cls.relax, cls.inspect_relaxation))
        spec.exit_code(
            400,
            "ERROR_NOTHING_RELAXED",
            message="The ranking is there, but no core was relaxed: {message}",
        )

    @classmethod
    def get_builder_from_protocol(
        cls, cores, candidates, models, protocol=None, overrides=None, code=None, potential=None,
        options=None,
    ):  # fmt: skip
        """Return a builder; numbers from `protocols/match_ligands.yaml`.

        Parameters
        ----------
        cores
            FramesData of cores without ligands; None where a core is edited.
        candidates
            Lines of a SMILES file.
        models
            MatchingModelData by name.
        protocol, overrides
            Name of a protocol, and what to change in it.
        code, potential, options
            LAMMPS, the potential that relaxes the bare cores and `metadata.options` of its jobs.
        """
        values = load_protocol("match_ligands", protocol, overrides)
        builder = cls.get_builder()
        if cores is not None:
            builder.cores = cores
        builder.candidates = List(list(candidates))
        builder.models = mapping_of(models, "models", '{"seed_1": model}')
        builder.settings = Dict(values["ranking"])
        if potential is not None:
            stages = [{"kind": "relax", "force_tolerance": _FORCE_TOLERANCE}]
            builder[RELAX]["stages"] = List(stages)
            builder[RELAX]["potential"] = {
                "lammps": {**job(code, options, "relax"), "potential": potential}
            }
        return builder

    def rank(self) -> None:
        """Rank the sets for each core."""
        inputs = self.inputs
        found = rank_ligand_sets(
            cores=inputs.cores, candidates=inputs.candidates, settings=inputs.settings,
            **dict(inputs.models),
        )  # fmt: skip
        self.out_many(found)

    def warn(self) -> None:
        """Report what lies outside of what the models have seen."""
        table = self.outputs["table"]
        outside = [row["formula"] for row in table["cores"] if row["outside"]]
        if outside:
            shown, of = ", ".join(outside[:5]), f"{len(outside)} of {len(table['cores'])}"
            self.report(f"{of} cores lie outside ({shown}): {table['criterion']}")
        sets = table["cores"][0]["n_outside"]
        if sets:
            self.report(f"{sets} of {len(table['ligand_sets'])} sets of ligands lie outside")

    def should_relax(self) -> bool:
        """Whether the bare cores are to be relaxed."""
        return bool(self.inputs.get(RELAX))

    def relax(self) -> None:
        """Relax the bare cores."""
        inputs = self.exposed_inputs(StagesWorkChain, namespace=RELAX)
        inputs["frames"] = self.inputs.cores
        self.to_context(relaxation=self.submit(StagesWorkChain, **inputs))

    def inspect_relaxation(self):
        """Compare the relaxed cores with those that were given."""
        child = self.ctx.relaxation
        if not child.is_finished_ok:
            self.report(describe_child(child))
        if "structures" not in child.outputs:
            return self.exit_codes.ERROR_NOTHING_RELAXED.format(message=child.exit_message)
        outputs = child.outputs
        self.out("relaxed", outputs.structures)
        self.out("stability", core_stability(self.inputs.cores, outputs.structures, outputs.report))
        return None
