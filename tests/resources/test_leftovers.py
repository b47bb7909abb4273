"""What a reset finds and takes away of kube-proxy's rules, with programs of the test's own in place of the kernel's
tables."""

import shutil

from fakes.local_transport import LocalTransport

from hardway.resources import Leftover
from hardway.targets.remote import HostRemote

NFT = """#!/bin/sh
case "$1" in
  list) cat {tables} ;;
  delete) sed -i "/^table $3 $4\\$/d" {tables} ;;
esac
"""
TABLES = "table ip nat\ntable ip kube-proxy\ntable ip6 kube-proxy\ntable ip mine\n"


def take_away(remote) -> int:
    leftover = Leftover("iptables")
    ops = leftover.removal(remote.probe(list(leftover.probes())))
    if ops:
        remote.change(list(ops))
    return len(ops)


def test_the_tables_of_kube_proxys_nftables_mode_are_taken_away_and_no_others(tmp_path):
    tables, programs = tmp_path / "tables", tmp_path / "programs"
    programs.mkdir()
    tables.write_text(TABLES)
    for name in "sh cat grep sed mkdir rm mktemp chmod tail head base64 wc mv touch dirname tar".split():
        (programs / name).symlink_to(shutil.which(name))
    # Nothing but these programs: neither this machine's iptables nor its nft can be reached.
    (programs / "nft").write_text(NFT.format(tables=tables))
    (programs / "nft").chmod(0o755)
    remote = HostRemote(LocalTransport(tmp_path, ["/bin/sh"], str(programs)))
    assert take_away(remote) == 0, "hardway was never on this host: the rules are somebody else's"
    (tmp_path / "state").mkdir()
    assert take_away(remote) == 1
    assert tables.read_text() == "table ip nat\ntable ip mine\n"
    assert take_away(remote) == 0
