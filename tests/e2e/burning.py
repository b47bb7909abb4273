"""A machine room that burns down: new control-plane machines, and keys that are gone from this computer too."""

from __future__ import annotations

import json
import shutil

import pyrage
from stage import Ran, Stage

CONTROLLERS = ["controller-0", "controller-1", "controller-2"]


def restore(stage: Stage, *words: str) -> Ran:
    return stage.hardway("restore", "INV", *words, timeout=900)


def key(stage: Stage) -> str:
    """A new private key in the stage's key.txt; its public key."""
    identity = pyrage.x25519.Identity.generate()
    (stage.folder / "key.txt").write_text(f"{identity}\n")
    return str(identity.to_public())


def new_machines(stage: Stage, *names: str) -> None:
    """Machines with these names and nothing on their disks."""
    stage.lab("power-off", *names)
    for name in names:
        shutil.rmtree(stage.folder / "machines/machines" / name)
    stage.lab("up", *names)


def lose_keys(stage: Stage) -> None:
    """Nothing is left of the state directory but the lab's own key."""
    for path in stage.state.iterdir():
        if path.name not in ("lab", ".gitignore"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def burn(stage: Stage) -> None:
    new_machines(stage, *CONTROLLERS)
    lose_keys(stage)


def containers(stage: Stage) -> str:
    """The canary's on the worker; one that was started again is another one. Cluster DNS does start over."""
    canary = """'labels."io.kubernetes.pod.name"~="^canary"'"""
    return stage.ssh("worker-0", f"ctr -n k8s.io containers ls -q {canary} | sort")


def token(stage: Stage) -> str:
    return stage.kubectl("create", "token", "default", "--duration=2h").ok().out.strip()


def accepted(stage: Stage, given: str) -> bool:
    """Whether the API accepts a token that it issued once."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": given}}
    said = stage.kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(review)).ok()
    return bool(said.json["status"].get("authenticated"))


def finished(stage: Stage) -> None:
    """No restore is noted anywhere, and nothing differs from the inventory."""
    for host in CONTROLLERS:
        assert stage.ssh(host, "ls /var/lib/hardway/notes/restore 2>/dev/null || :") == ""
    assert "no changes" in stage.hardway("plan", "INV", "--exit-code").ok().out
