"""Binaries and images that are missing or wrong. hardway changes no host without all of them."""

from ..case import Case

CASES = (
    Case(
        name="corrupt-binary-in-the-cache",
        sees="<file> is damaged: its checksum has changed since it was stored",
        evidence=("expected sha256 <digest>", "found    sha256 <digest>"),
        why="The file in the cache has changed since its checksum was verified: a failing disk, or a manual edit.",
        injected="one flipped byte in a copy of the cache; the test runs the first half of the next command",
        exit_code=8,
        next="rm <file> && hardway assets fetch <inventory>",
        remedy="Remove that file and fetch it again. `hardway assets verify INV` checks all of them.",
    ),
    Case(
        name="forged-binary-in-the-cache",
        sees="<file> is not the file that hardway stored",
        evidence=("expected sha256 <digest>", "found    sha256 <digest>"),
        why="A file in the cache was replaced, and the record beside it. For a pinned one, hardway says `does not have"
        " its pinned checksum`.",
        injected="another runc, with a record that matches it",
        exit_code=8,
        next="rm <file> && hardway assets fetch <inventory>",
        remedy="Find out who can write to the cache. Remove that file and fetch it again.",
    ),
    Case(
        name="binary-for-another-processor",
        sees="runc <version> for amd64 is a program for arm64",
        evidence=("expected amd64, found arm64 in the file's ELF header",),
        why="A mirror holds a file for another processor under this name, with a matching checksum.",
        injected=("a mirror whose runc for amd64 is one for arm64, with its own checksum; then the right one"),
        exit_code=8,
        next="provide the right file and its checksum, then: hardway assets fetch <inventory>",
        remedy="Fill the mirror again from the projects' own download pages.",
    ),
    Case(
        name="program-of-another-version",
        sees="runc <version> is another program or version: the file does not contain the text <version>",
        evidence=("<address>",),
        why=(
            "A mirror holds another version, or another project's program, under this name, with a matching checksum."
        ),
        injected=("a mirror whose runc is one of another version, with its own checksum; then the right one"),
        exit_code=8,
        next="provide the right file and its checksum, then: hardway assets fetch <inventory>",
        remedy="Fill the mirror again from the projects' own download pages.",
    ),
    Case(
        name="forged-module",
        sees="a Go module does not match go.sum",
        evidence=("SECURITY ERROR",),
        why=(
            "A module proxy, or an attacker on the network, serves sources that do not match the checksums in hardway."
        ),
        injected="a module proxy with one changed byte in one module; then a proxy that has the right one",
        exit_code=8,
        next="do not use it: the download does not match go.sum",
        remedy="Use another module proxy (`go env GOPROXY`). Never change go.sum.",
    ),
    Case(
        name="mirror-without-the-file",
        sees="the mirror has no <file>",
        evidence=("No such file or directory: <file>",),
        why="The mirror was filled for other versions or another processor.",
        injected="a mirror folder without one file; then it is added",
        exit_code=8,
        next="add the file to the mirror, in the layout FOLDER/HOST/PATH; then: hardway assets fetch <inventory>",
        remedy="Copy the file there: its path after `FOLDER/` is its public URL without `https://`.",
    ),
    Case(
        name="download-breaks-off",
        sees="cannot download <address>",
        evidence=("<what the network says>",),
        why="The connection broke, and a retry did not get any more data.",
        injected="a server that hangs up in the middle of a file, then before the first byte; then it serves",
        exit_code=8,
        next="check the network and https_proxy, then continue: hardway assets fetch <inventory>",
        remedy="Run it again: hardway keeps what has arrived and downloads the rest of that file.",
    ),
    Case(
        name="forged-binary",
        sees="<address> does not match the checksum in <source>",
        evidence=("expected <digest>", "found    <digest>"),
        why=(
            "The downloaded file is not what its project published: a broken mirror, a proxy that changes files, or an"
            " attack."
        ),
        injected=("a mirror with one byte more in a file, and the checksum of the right one; then the right one"),
        exit_code=8,
        next="do not use it: try another network, or ask the project; then: hardway assets fetch <inventory>",
        remedy="Compare with a download from another network. Never replace the checksum.",
    ),
)
