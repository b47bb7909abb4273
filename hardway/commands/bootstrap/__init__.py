"""`hardway bootstrap`: at once, by a saved plan, or step by step."""
