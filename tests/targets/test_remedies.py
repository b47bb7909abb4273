"""What to try when an act on a host failed, by what the host said."""

import pytest

from hardway.targets.remedies import advice
from hardway.vocabulary import Op

CONFIGURE = """dpkg: error processing package broken-thing (--configure):
 installed broken-thing package post-installation script subprocess returned error exit status 1
Errors were encountered while processing:
 broken-thing
"""


def test_a_package_of_others_that_is_half_installed_is_the_one_to_repair():
    message, hint = advice(Op("packages", ("apt-get", "conntrack", "socat")), "one", CONFIGURE)
    assert message.endswith("cannot be installed: broken-thing is only half installed")
    assert hint.startswith("on one: dpkg --configure -a; if that fails: apt-get remove broken-thing")


@pytest.mark.parametrize("said", ["", "E: Unable to locate package socat", CONFIGURE.replace("broken-thing", "socat")])
def test_otherwise_the_installation_itself_is_tried_by_hand(said):
    message, hint = advice(Op("packages", ("apt-get", "conntrack", "socat")), "one", said)
    assert message == "the packages conntrack, socat cannot be installed"
    assert hint == "on one: apt-get update && apt-get install -y conntrack socat"
