"""`hardway encryption …`: under which keys Secrets are, and another key for all of them."""
