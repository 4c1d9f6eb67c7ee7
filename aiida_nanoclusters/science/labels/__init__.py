"""What makes a label acceptable: sanity of frames, retries, outliers."""
