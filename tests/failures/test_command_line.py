"""What was asked for is wrong: told before any host is contacted."""

from __future__ import annotations

from .cases import case
from .desk import ADDRESS, ALL_ROLES, Desk


@case("inventory-wrong")
def test_inventory_wrong(desk: Desk, told):
    path = desk.inventory(hosts=[{"name": "node-1", "adress": ADDRESS, "roles": [*ALL_ROLES, "wroker"]}])
    ran = told(desk.hardway("bootstrap", path))
    assert "adress: unknown key, did you mean address?" in ran.err and "wroker" in ran.err
    desk.hardway("validate", desk.inventory()).ok()


@case("unknown-phase")
def test_unknown_phase(desk: Desk, told):
    told(desk.hardway("bootstrap", desk.inventory(), "--only", "kublet"))


@case("unknown-host")
def test_unknown_host(desk: Desk, told):
    told(desk.hardway("bootstrap", desk.inventory(), "--limit", "node-7"))
