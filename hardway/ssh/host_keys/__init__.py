"""Host keys: which are known, what is accepted, and putting them on record."""
