"""A training that was killed, taken up where its jobs left their checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiida_nanoclusters.cli.terminal import Fixable, echo

if TYPE_CHECKING:
    from aiida.engine import ProcessBuilder
    from aiida.orm import ProcessNode, RemoteData

TRAINING, TRAINED_BY = "TrainWorkChain", "TrainBaseWorkChain"


def continue_training(node: ProcessNode) -> ProcessBuilder:
    """Return the builder of a training that continues another one; say what each member does.

    Parameters
    ----------
    node
        A TrainWorkChain that has ended, or a process that called one.

    Raises
    ------
    Fixable
        If there is none, it has not ended, or all of it is done.
    """
    from aiida.orm import WorkChainNode

    from aiida_nanoclusters.workflows.learning.train_inputs import member_keys

    training = _training_of(node)
    if not training.is_terminated:
        raise Fixable(
            f"{training.uuid} has not ended: `aiida-nanoclusters status {training.uuid}` shows it; "
            f"`verdi process kill {training.pk}` ends it"
        )
    builder = training.get_builder_restart()
    chains = {
        link.link_label: link.node
        for link in training.base.links.get_outgoing(WorkChainNode).all()
        if isinstance(link.node, WorkChainNode) and link.node.process_label == TRAINED_BY
    }
    folders, again = {}, 0
    done = dict(training.inputs.trained) if "trained" in training.inputs else {}
    for key in member_keys(training.inputs.seeds):
        chain = chains.get(key)
        if chain is not None and chain.is_finished_ok:
            done[key] = chain.outputs.potential
        if key in done:
            echo(f"  {key} has finished and is taken as it is")
            continue
        folder = None if chain is None else _checkpoint(chain)
        if folder is None:
            echo(f"  {key} begins again: it has left no checkpoint")
            again += 1
            continue
        folders[key] = folder
        echo(f"  {key} continues from {folder.get_remote_path()}")
    if training.is_finished_ok and not folders and not again:
        raise Fixable(
            f"{training.uuid} has finished: --start-from {training.uuid} begins with its weights"
        )
    builder.trained, builder.restart_from = done, folders
    return builder


def _training_of(node: ProcessNode) -> ProcessNode:
    """Return the last training among a process and all that it called."""
    if node.process_label == TRAINING:
        return node
    found = [child for child in node.called_descendants if child.process_label == TRAINING]
    if not found:
        raise Fixable(f"{node.uuid} is no training and has called none")
    return max(found, key=lambda child: child.ctime)


def _checkpoint(chain: ProcessNode) -> RemoteData | None:
    """Return the folder of the last job that left a checkpoint, which may be continued here."""
    from aiida.common.exceptions import AiidaException

    from aiida_nanoclusters.data.trust import came_from_elsewhere, may_run, trust_as_made_here
    from aiida_nanoclusters.formats.nequip.config import LAST_CHECKPOINT

    jobs = [child for child in chain.called if child.process_label == "TrainCalculation"]
    for job in sorted(jobs, key=lambda child: child.ctime, reverse=True):
        folder = job.outputs.remote_folder if "remote_folder" in job.outputs else None
        if folder is None or folder.is_cleaned:
            continue
        try:
            held = folder.listdir()
        except (OSError, AiidaException) as error:
            raise Fixable(
                f"cannot read {folder.get_remote_path()} on {folder.computer.label}: {error}"
            ) from error
        if LAST_CHECKPOINT not in held:
            continue
        if not may_run(folder) and not came_from_elsewhere(folder):
            trust_as_made_here(folder)  # a job that was killed was not parsed
        return folder
    return None
