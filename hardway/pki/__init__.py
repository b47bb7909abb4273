"""Certificates, authorities, keys and kubeconfigs: what is issued, for whom, and how it is kept valid."""
