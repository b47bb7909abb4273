"""hardway builds a highly available Kubernetes cluster from plain binaries, systemd units and certificates."""

__version__ = "0.1.0"
