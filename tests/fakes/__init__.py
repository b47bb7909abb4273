"""A cluster's hosts, its API and its assets in memory: the vocabulary carried out on dicts instead of machines."""
