"""Solutions, their structure and their assembly as nodes."""
