"""A potential that does not know an element of the clusters is refused before submission."""

import pytest
from aiida.engine import run_get_node
from aiida.orm import Str

from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.workflows import study
from aiida_nanoclusters.workflows.parts.validators import potentials_problem
from aiida_nanoclusters.workflows.sampling.anneal import AnnealWorkChain
from aiida_nanoclusters.workflows.sampling.basin_hopping import BasinHoppingWorkChain
from aiida_nanoclusters.workflows.sampling.lowest_structures import LowestStructuresWorkChain
from aiida_nanoclusters.workflows.stability.crossover import CrossoverWorkChain
from aiida_nanoclusters.workflows.stability.size_scan import SizeScanWorkChain

SEVERAL = (SizeScanWorkChain, CrossoverWorkChain)


@pytest.fixture
def argon(aiida_profile) -> PotentialData:
    return PotentialData.lennard_jones("Ar", epsilon=0.0103, sigma=3.4, cutoff=12.0).store()


@pytest.mark.parametrize(
    "chain",
    [AnnealWorkChain, LowestStructuresWorkChain, BasinHoppingWorkChain, *SEVERAL],
    ids=lambda chain: chain.__name__,
)
def test_work_chains_refuse_it(chain, argon, lmp_code) -> None:
    given = {"argon": argon} if chain in SEVERAL else argon
    sizes = () if chain in SEVERAL else ([13],)
    builder = chain.get_builder_from_protocol(lmp_code, given, "Cu", *sizes)
    with pytest.raises(ValueError, match=r"does not know Cu|Cu .*Ar|Ar.*Cu"):
        run_get_node(builder)


def test_a_study_refuses_it_as_reference(argon) -> None:
    inputs = {"element": Str("Cu"), "reference": {"lammps": {"potential": argon}}}
    assert study.validate_inputs(inputs, None) == (
        "`reference.lammps.potential` does not know Cu, only Ar: give one that does"
    )


def test_potentials_are_found_at_any_depth(argon) -> None:
    assert potentials_problem({"a": {"b": argon}, "c": Str("x")}, ["Ar"]) is None
    assert "`a.b` does not know Kr" in potentials_problem({"a": {"b": argon}}, ["Ar", "Kr"])
    assert potentials_problem({"a": argon}, []) is None
