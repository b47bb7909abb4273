"""Clients of etcd: the library through a tunnel, or etcdctl on a member."""
