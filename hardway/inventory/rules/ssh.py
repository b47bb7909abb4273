"""Files the inventory names must be there before any host is contacted."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hardway.inventory import keys
from hardway.inventory.draft import Draft
from hardway.inventory.fields import is_none
from hardway.inventory.problem import Path, Problem


def _sections(draft: Draft) -> Iterator[tuple[Path, keys.Ssh]]:
    yield ("ssh",), draft.model.ssh
    for n, host in draft.hosts:
        yield ("hosts", n, "ssh"), host.ssh


def key_files(draft: Draft) -> Iterator[Problem]:
    """Private keys that are named must exist; so must a client configuration."""
    for path, ssh in _sections(draft):
        chosen = {key: getattr(ssh, key) for key in ("key", "config") if key in ssh.model_fields_set}
        for key, name in chosen.items():
            if not (key == "config" and name and is_none(name)):
                yield from _missing(draft, (*path, key), name)
        yield from _missing(draft, (*path, "bastion", "key"), ssh.bastion.key if ssh.bastion else None)


def _missing(draft: Draft, path: Path, name: str | None) -> Iterator[Problem]:
    if name is not None and not os.path.isfile(draft.file(name)):
        yield Problem(
            path,
            f"there is no file {draft.file(name)} (paths are relative to the inventory, ~ is your home)",
        )


def audit_policy(draft: Draft) -> Iterator[Problem]:
    policy = draft.model.audit.policy
    if policy not in ("minimal", "full", "none") and not os.path.isfile(draft.file(policy)):
        yield Problem(
            ("audit", "policy"),
            f"must be minimal, full, none or an existing file: {draft.file(policy)} does not exist",
        )


def sudo_fits_root(draft: Draft) -> Iterator[Problem]:
    """`never` is for those who log in as root."""
    for path, ssh in _sections(draft):
        user = ssh.user if "user" in ssh.model_fields_set else draft.model.ssh.user
        if "sudo" in ssh.model_fields_set and ssh.sudo == "never" and user != "root":
            yield Problem(
                (*path, "sudo"), f"with never, {user} cannot become root: use auto or password, or log in as root"
            )


RULES = (key_files, audit_policy, sudo_fits_root)
