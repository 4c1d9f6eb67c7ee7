"""Names of the files of a training job of cores and ligands; known without torch."""

from ..training_files import LOOP

#: Package of the modules that are run, and what the jobs carry.
PACKAGE = "science.ligands"
CARRIED = {
    **LOOP,
    PACKAGE: (
        *("__init__.py", "training_files.py", "graphs.py", "networks.py"),
        *("pretraining.py", "matching.py"),
    ),
}
#: What is read: atoms of the cores, their energies, arrays of the ligands, pairs.
CORES_FILE, ENERGIES_FILE = "cores.npz", "energies.npz"
LIGANDS_FILE, PAIRS_FILE = "ligands.npz", "pairs.npz"
#: Numbers of a pretrained core encoder.
PRETRAINED_FILE = "pretrained.npz"
#: Results: predictions; head and arrays of a core encoder or a matching model.
PREDICTIONS_FILE = "predictions.npz"
ENCODER_FILE, ENCODER_ARRAYS_FILE = "core_encoder.json", "core_encoder.npz"
MODEL_FILE, MODEL_ARRAYS_FILE = "matching_model.json", "matching_model.npz"
#: Arrays of the predictions: of a pretraining per structure, of a matching model per pair.
ENERGY_PREDICTIONS = ("predicted", "target", "subset", "frame")
PAIR_PREDICTIONS = ("probability", "label", "subset")
