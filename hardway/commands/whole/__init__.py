"""`hardway backup` and `hardway restore`: the whole cluster in one file, and back."""
