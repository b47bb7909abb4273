"""Whoever answers probes and carries out ops: a host over SSH, this computer, etcd, the API."""
