"""Work chains of data sets, training and active learning."""
