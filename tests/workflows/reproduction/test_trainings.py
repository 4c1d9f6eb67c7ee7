"""A committee trained again; and what is left of it where the program that trains is not here."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import ArrayData, Dict

from aiida_nanoclusters.calculations.reproduction.reproduce import compare_output
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from tests.workflows.learning.test_train import builder_for
from tests.workflows.reproduction.test_reproduce import again, rows

RULES = load_protocol("reproduce")
RUN = {"dynamics": False}


@pytest.mark.slow
def test_a_committee_is_judged_by_its_errors(
    stand_in, lmp_code, allegro_plugin, allegro_compiled
) -> None:
    code = stand_in(COMPILED=allegro_compiled)
    node = run_get_node(builder_for(code, lmp_code, [3]))[1]
    assert node.is_finished_ok, node.exit_message
    verdict = again(node)
    assert verdict["verdict"] in ("agrees", "identical") and verdict["complete"]
    found = rows(verdict)
    assert {"errors", "parity", "potentials.seed_3", "compiled.seed_3"} <= set(found)
    assert found["errors"]["verdict"] == "identical"  # the stand-in hands out one and the same

    # Without nequip the evaluation of the recorded models is what can be run.
    verdict = again(node, {lmp_code.uuid: lmp_code})
    assert not verdict["complete"]
    assert {part["process"] for part in verdict["parts"]} == {"EvaluateBaseWorkChain"}
    assert verdict["left_out"][0]["uuid"] == node.uuid
    assert verdict["left_out"][0]["reason"] == "no code here for stand-in@localhost"
    assert rows(verdict)["labelled.seed_3"]["verdict"] in ("agrees", "identical")


def errors(energy: float, forces: float) -> Dict:
    overall = {"energy_rmse": energy, "forces_rmse": forces}
    return Dict({"sets": {"test": {"committee": {"overall": overall}}}})


def test_errors_within_a_factor(aiida_profile) -> None:
    """As a training on other hardware has them: other numbers, as good or not."""
    good = compare_output("train.errors", errors(2.0, 30.0), errors(2.5, 20.0), RULES, RUN)
    assert good["verdict"] == "agrees" and good["difference"] == 1.25
    bad = compare_output("study.train.errors", errors(2.0, 30.0), errors(4.0, 30.0), RULES, RUN)
    assert bad["verdict"] == "differs" and "energy_rmse: 2 recorded, 4 now" in bad["note"]


def test_learning_curves_by_their_end(aiida_profile) -> None:
    nodes = []
    for last in (40.0, 55.0, 70.0):
        node = ArrayData()
        node.set_array("val_forces_rmse", np.array([200.0, last]))
        nodes.append(node)
    name = "train.learning_curves.seed_1"
    assert compare_output(name, nodes[0], nodes[1], RULES, RUN)["verdict"] == "agrees"
    assert compare_output(name, nodes[0], nodes[2], RULES, RUN)["verdict"] == "differs"


def test_magic_sizes_and_a_lower_structure(aiida_profile) -> None:
    before, now = (Dict({"magic": [{"size": n} for n in sizes]}) for sizes in ([13, 55], [13]))
    row = compare_output("study.size_scan.magic", before, now, RULES, RUN)
    assert row["verdict"] == "differs" and row["note"] == "only recorded: 55"
    table = [Dict({"rows": [{"size": 38, "energy": e, "rank": 0}]}) for e in (-100.0, -100.4)]
    row = compare_output("anneal.table", table[0], table[1], RULES, RUN)
    assert row["verdict"] == "agrees" and row["notes"] == ["N = 38: 0.4000 eV lower now"]
    row = compare_output("anneal.table", table[1], table[0], RULES, RUN)
    assert row["verdict"] == "differs"


def test_missing_outputs_and_other_types(aiida_profile) -> None:
    one = Dict({"a": 1})
    assert compare_output("x.report", one, None, RULES, RUN)["note"] == "only recorded"
    assert compare_output("x.report", None, one, RULES, RUN)["verdict"] == "differs"
    row = compare_output("x.report", one, ArrayData(), RULES, RUN)
    assert row["note"] == "Dict recorded, ArrayData now"
