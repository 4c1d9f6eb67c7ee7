"""One page, or one file of JSON, about a study or any part of it."""
