"""The file system that all machines of a lab begin with."""
