"""The room of a study, and a failed one deleted with the folders of its jobs."""

from pathlib import Path

import pytest
from aiida.common.exceptions import NotExistent
from aiida.engine import run_get_node
from aiida.orm import Node, QueryBuilder, load_node
from click.testing import CliRunner

from aiida_nanoclusters.cli.find.housekeeping import amount
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.queries.storage import holdings
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
from tests.labellings import images


@pytest.fixture
def labelling(aiida_profile_clean, lmp_code, eam_potential):
    """Frames labelled by LAMMPS on this machine."""
    frames = FramesData(images(1)).store()
    builder = LabelWorkChain.get_builder_for_potential(lmp_code, frames, eam_potential)
    return run_get_node(builder)[1]


def call(*arguments: str, **kwargs):
    return CliRunner().invoke(cli, [*arguments], **kwargs)


def test_a_study_is_deleted_with_its_folders(labelling, eam_potential):
    given, held = labelling.inputs.frames.uuid, holdings(labelling)
    (folder,) = held.folders
    assert Path(folder.path).is_dir() and held.n_bytes > 0 and not held.others
    shown = call("disk", labelling.uuid).output
    assert "1 folder of jobs" in shown and amount(held.n_bytes) in shown

    tried = call("delete", labelling.uuid, "--dry-run")
    assert tried.exit_code == 0 and "nothing was deleted" in tried.output
    refused = call("delete", labelling.uuid, input="n\n")
    assert refused.exit_code == 1 and Path(folder.path).is_dir()
    assert load_node(labelling.uuid)

    uuid = labelling.uuid
    done = call("delete", uuid, "--yes")
    assert done.exit_code == 0, done.output
    assert not Path(folder.path).exists()
    with pytest.raises(NotExistent):
        load_node(uuid)
    left = {node.uuid for node in QueryBuilder().append(Node).all(flat=True)}
    assert {given, eam_potential.uuid} <= left


def test_a_part_is_refused_and_so_is_what_others_rest_on(labelling, lmp_code, eam_potential):
    part = next(child for child in labelling.called if "Engine" in child.process_label)
    refused = call("delete", part.uuid, "--yes")
    assert refused.exit_code == 2 and labelling.uuid in refused.output

    builder = LabelWorkChain.get_builder_for_potential(
        lmp_code, labelling.outputs.frames, eam_potential
    )
    _, later = run_get_node(builder)
    refused = call("delete", labelling.uuid, "--yes")
    assert refused.exit_code == 2
    assert later.uuid in refused.output and "--with-dependents" in refused.output
    assert load_node(labelling.uuid)


def test_a_folder_that_another_process_shares_stays(labelling):
    """What AiiDA's cache returns is a copy that lies in the same folder."""
    (folder,) = holdings(labelling).folders
    load_node(folder.pk).clone().store()
    (shared,) = holdings(labelling).folders
    assert shared.shared
    assert call("delete", labelling.uuid, "--yes").exit_code == 0
    assert Path(folder.path).is_dir()


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.3e12, "2.3 TB")]
)
def test_amounts(n_bytes, text):
    assert amount(n_bytes) == text
