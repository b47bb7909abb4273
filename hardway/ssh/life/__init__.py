"""Whether anybody is still there: what a connection does to find out."""
