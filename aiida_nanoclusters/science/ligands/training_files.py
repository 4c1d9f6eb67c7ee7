"""Names of the files of a training job; imports nothing, so that they are known without torch."""

#: Package that the jobs carry, and its files, of this folder.
PACKAGE = "ligands"
CARRIED = (
    *("__init__.py", "training_files.py", "graphs.py", "networks.py", "training_loop.py"),
    *("pretraining.py", "matching.py"),
)
#: What is read: atoms of the cores, their energies, arrays of the ligands, pairs.
CORES_FILE, ENERGIES_FILE = "cores.npz", "energies.npz"
LIGANDS_FILE, PAIRS_FILE = "ligands.npz", "pairs.npz"
#: Numbers of a pretrained core encoder.
PRETRAINED_FILE = "pretrained.npz"
#: Checkpoint that is written, and that of an interrupted training.
CHECKPOINT_FILE, PREVIOUS_FILE = "checkpoint.npz", "previous.npz"
#: What is read while it runs: epochs that are done, losses of each.
PROGRESS_FILE, CURVE_FILE = "progress.json", "curve.npz"
#: Results: report; head and arrays of a core encoder or a matching model; predictions.
REPORT_FILE, PREDICTIONS_FILE = "report.json", "predictions.npz"
ENCODER_FILE, ENCODER_ARRAYS_FILE = "core_encoder.json", "core_encoder.npz"
MODEL_FILE, MODEL_ARRAYS_FILE = "matching_model.json", "matching_model.npz"
#: Arrays of the curve, one value per epoch.
CURVE = ("train_loss", "val_loss", "learning_rate")
#: Arrays of the predictions: of a pretraining per structure, of a matching model per pair.
ENERGY_PREDICTIONS = ("predicted", "target", "subset", "frame")
PAIR_PREDICTIONS = ("probability", "label", "subset")
