"""`hardway etcd`: looking at the members, saving and restoring their data, giving back what they no longer use."""
