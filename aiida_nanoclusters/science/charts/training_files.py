"""Names of the files of a training job; imports nothing, so that they are known without torch."""

#: Package that the job carries, and its files, of this folder.
PACKAGE = "charts"
CARRIED = (
    *("__init__.py", "kernel_density.py", "network.py"),
    *("training.py", "training_data.py", "training_files.py"),
)
#: Frames that are read, of minima and thermal; the index of the minimum of each of the latter.
FRAMES_FILE, THERMAL_FILE, PAIRS_FILE = "frames.npz", "thermal.npz", "minimum_of.npy"
#: Checkpoint that is written, and that of an interrupted training.
CHECKPOINT_FILE, PREVIOUS_FILE = "checkpoint.npz", "previous.npz"
#: What is read while it runs: epochs that are done, losses of each.
PROGRESS_FILE, CURVE_FILE = "progress.json", "curve.npz"
#: Results.
REPORT_FILE, CHART_FILE, ARRAYS_FILE = "report.json", "chart.json", "chart.npz"
#: Arrays of the curve, one value per epoch.
CURVE = ("train_loss", "val_loss", "learning_rate")
