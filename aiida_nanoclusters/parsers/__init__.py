"""What a finished job means; each module is named after its calculation."""
