"""What the work chains share: batches, options of jobs, protocols, validators."""
