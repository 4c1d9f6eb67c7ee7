"""Names of the files of a job of the baselines; imports nothing, so that they are known anywhere.

The job carries the files that it runs under the names that they have in this package, so that the
Python of the job need not have it.
"""

#: Package and module that is run.
MODULE = "aiida_nanoclusters.science.ligands.baselines"
#: Files that the job carries, by the package in which they lie.
CARRIED = {
    "aiida_nanoclusters": ("__init__.py",),
    "aiida_nanoclusters.science": (
        *("__init__.py", "ase_labels.py", "elements.py", "frames.py", "texts.py"),
        *("network_state.py", "training_files.py", "training_loop.py"),
    ),
    "aiida_nanoclusters.science.recognition": ("__init__.py", "soap.py"),
    "aiida_nanoclusters.science.ligands": (
        *("__init__.py", "baseline_files.py", "baseline_pairs.py", "baselines.py", "boosting.py"),
        *("descriptors.py", "graph_baselines.py", "graphs.py", "many_body_tensor.py"),
        *("networks.py", "symmetry_functions.py", "training_files.py"),
    ),
}
#: Folders of the trainings of this job, and of the interrupted one before it.
RUNS, PREVIOUS_RUNS = "runs", "previous_runs"
#: In the folder of a training that is done: the probability of each pair.
PROBABILITY_FILE = "probability.npy"


def run_name(method: str, seed: int) -> str:
    """Return the name of the folder of one training."""
    return f"{method}_{seed}"
