"""Names of the files of every training job; imports nothing, so that they are known without torch.

A job carries the modules that it runs as packages of their own, so that the Python of the job need
not have this package: `science` with the modules of this folder, and a room of it. Hence the
relative imports in them.
"""

#: Modules of this folder that every training carries.
LOOP = {"science": ("__init__.py", "network_state.py", "training_files.py", "training_loop.py")}
#: Checkpoint that is written, and that of an interrupted training.
CHECKPOINT_FILE, PREVIOUS_FILE = "checkpoint.npz", "previous.npz"
#: What is read while it runs: epochs that are done, losses of each.
PROGRESS_FILE, CURVE_FILE = "progress.json", "curve.npz"
#: Epochs, losses, how it ended.
REPORT_FILE = "report.json"
#: Arrays of the curve, one value per epoch.
CURVE = ("train_loss", "val_loss", "learning_rate")
