"""What the random edits write is accepted, or refused, as each of them says."""

from random import Random

import pytest
import yaml
from random_edits import BROKEN, CARRIED_OUT, REFUSED, Edit
from stage import of_the_lab

from hardway.errors import InventoryError
from hardway.inventory import load


@pytest.mark.parametrize("edit", [*CARRIED_OUT, *REFUSED, *BROKEN], ids=lambda edit: edit.name)
def test_only_an_edit_that_says_so_is_no_inventory(edit: Edit, tmp_path):
    file = tmp_path / "inventory.yaml"
    for seed in range(3):
        whole = of_the_lab("random", node="10.231.9", pods="10.190", services="10.70.0")
        file.write_text(yaml.safe_dump(edit(Random(seed), whole)))
        assert refused(file) is (edit.code == 3)


def refused(file) -> bool:
    try:
        return not load(file)
    except InventoryError:
        return True
