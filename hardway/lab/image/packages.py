"""The Debian packages a host needs to run a lab, each with the program by which it is recognised.

`python -m hardway.lab.image.packages` prints their names for scripts and Makefiles.
"""

from __future__ import annotations

import shutil

PROGRAMS = {
    "systemd-container": "systemd-nspawn",
    "debootstrap": "debootstrap",
    "iproute2": "ip",
    "openssh-client": "ssh-keygen",
    "mount": "mount",
    "util-linux": "setsid",
}
KEYRING = "debian-archive-keyring"
PACKAGES = (*PROGRAMS, KEYRING)
INSTALL = "apt-get update && apt-get install -y --no-install-recommends"


def missing() -> tuple[str, ...]:
    """The packages whose program is not on this host's PATH."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return tuple(package for package, program in PROGRAMS.items() if not shutil.which(program, path=path))


if __name__ == "__main__":
    print(" ".join(PACKAGES))
