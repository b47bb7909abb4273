"""Secrets as they lie in etcd: under which key, and how they are written again."""
