"""Edits of the API's address, port and load balancers that hardway refuses, or stops before a node loses the API."""

from ..case import Case
from .hosts import finding

CASES = (
    finding(
        "former-load-balancer",
        "FormerBalancer",
        "shares <address> with <address>, which still runs HAProxy and is not in the inventory any more: both hosts"
        " would hold the address",
        "put its lines back into <inventory>, then: hardway node remove <inventory> NAME",
        why=(
            "A load balancer left the inventory. hardway cannot reach it any more, and its keepalived takes the shared"
            " address as soon as the other one no longer sends it messages."
        ),
        injected="an inventory without one of two load balancers that share an address",
        remedy=(
            "Remove the host first. Or keep it in the inventory with another role: then hardway"
            " removes HAProxy and keepalived from it."
        ),
    ),
    finding(
        "api-server-port-stays",
        "ApiPort",
        "its API server listens on port 6443 and would have to move to 7443, as all of them",
        "write api.server_port: 6443 in the inventory",
        why=(
            "The API servers' own port must stay: during a change some would have the old one and some the new one, and"
            " the `kubernetes` Service has one port for all. An edit of `api.port` or of the role `lb` can change it"
            " too, where HAProxy shares a control-plane host."
        ),
        injected="another `api.server_port` in the inventory of a running cluster",
        remedy="Write the port that the API servers have into the inventory.",
    ),
    Case(
        name="api-address-not-reached",
        sees="<host> cannot use the API at <url>: nothing was restarted there  (host <host>, phase <phase>)",
        evidence=("waited <seconds> s for: the API to answer at <url>",),
        why=(
            "The inventory leads the nodes to another address of the API, and nothing answers there. The kubelets"
            " continue with the former address, which stays open."
        ),
        injected="an external load balancer in the inventory that does not exist",
        exit_code=6,
        next="on <host>: curl -k <url>/readyz; correct api.address or api.port in the inventory",
        remedy="Start your load balancer, or correct its address.",
    ),
)
