"""What others said: made visible, and understood or refused."""
