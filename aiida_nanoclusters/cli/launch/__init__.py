"""What the launch commands share: options, checks before submission, results."""
