"""`hardway node`: the machines of a living cluster, one by one."""
