"""Jobs and calcfunctions of training, choice of frames and active learning."""
