"""Files of a published folder."""
