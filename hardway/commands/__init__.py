"""What each command does, a folder or a module each. None imports another."""
