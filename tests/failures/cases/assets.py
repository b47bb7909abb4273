"""Binaries and images that cannot be had, or are not what they should be. No host is touched without all of them."""

from ..case import Case

CASES = (
    Case(
        name="corrupt-binary-in-the-cache",
        sees="<file> is damaged: it is not what was checked when it was gathered",
        evidence=("expected sha256 <digest>", "found    sha256 <digest>"),
        why="The file in the cache has changed since its checksum was verified: a failing disk, or somebody's hand.",
        injected="one flipped byte in a copy of the cache; the first half of the next command is carried out",
        exit_code=8,
        next="rm <file> && hardway assets fetch <inventory>",
        remedy="Remove that file and fetch it again. `hardway assets verify INV` hashes all of them.",
    ),
    Case(
        name="binary-for-another-processor",
        sees="kubelet <version> for amd64 is a program for arm64",
        evidence=("wanted amd64, found arm64 in the file's ELF header",),
        why="A mirror holds a file for another processor under this name, with a checksum that fits it.",
        injected="a mirror whose kubelet for amd64 is one for arm64, with its own checksum; then the right one is put there",
        exit_code=8,
        next="put the right file there, with its checksum, then: hardway assets fetch <inventory>",
        remedy="Fill the mirror anew from the projects' own pages.",
    ),
    Case(
        name="mirror-without-the-file",
        sees="the mirror has no <file>",
        evidence=("No such file or directory: <file>",),
        why="The mirror was filled for other versions or another processor.",
        injected="a mirror folder without one file; then it is added",
        exit_code=8,
        next="add the file to the mirror, in the layout FOLDER/HOST/PATH; then: hardway assets fetch <inventory>",
        remedy="Copy the file there: after `FOLDER/` stands its public URL without `https://`.",
    ),
    Case(
        name="download-breaks-off",
        sees="cannot download <address>",
        evidence=("<what the network says>",),
        why="The connection broke, and a second try brought nothing more.",
        injected="a server that hangs up in the middle of a file and then without a byte; then it serves",
        exit_code=8,
        next="check the network and https_proxy, then hardway assets fetch <inventory> continues",
        remedy="Run it again: what has arrived is kept, and the rest of that file is asked for.",
    ),
    Case(
        name="forged-binary",
        sees="<address> does not have the sha256 that <authority> gives",
        evidence=("expected <digest>", "found    <digest>"),
        why="What was downloaded is not what its project published: a broken mirror, a proxy that meddles, or an attack.",
        injected="a mirror with one byte more in a file, and the checksum of the right one; then the right one is put there",
        exit_code=8,
        next="do not use it; hardway assets fetch <inventory> tries again",
        remedy="Compare with a download by another way. Never replace the checksum.",
    ),
)
