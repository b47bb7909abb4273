"""Running this machine's own tools (apt-get, go, npm, gcc …) with errors a person can act on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import AssetError


def run(command: Sequence[str | Path], cwd: Path, hint: str, env: Mapping[str, str] | None = None) -> str:
    """Standard output of a local command; AssetError with what it wrote when it fails."""
    words = [str(word) for word in command]
    environment = {**os.environ, "LC_ALL": "C", **(env or {})}
    done = subprocess.run(
        words, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        shown = " ".join(words)
        raise AssetError(
            f"{Path(words[0]).name} failed with exit code {done.returncode}",
            command=shown if len(shown) < 400 else shown[:400] + " …",
            evidence=done.stderr or done.stdout,
            hint=hint,
        )
    return done.stdout


def require(packages: Mapping[str, str]) -> None:
    """AssetError naming every tool (or, by its path, file) that is missing and one command that installs them;
    `packages` by tool."""
    missing = [tool for tool in packages if not (Path(tool).exists() if "/" in tool else shutil.which(tool))]
    if missing:
        names = " ".join(sorted({package for tool in missing for package in packages[tool].split()}))
        raise AssetError(f"build tools are missing: {', '.join(missing)}", hint=f"apt-get install -y {names}")
