"""Which encryption keys nothing in etcd is under any more, and since when: API servers do without them, backups do
not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ...errors import PkiError
from ...state.store import Store

RETIRED = "encryption/retired.json"


@dataclass(frozen=True)
class Retirement:
    """`since` is a moment (UTC, ISO 8601) and `revision` etcd's at that moment: snapshots from before need the key."""

    since: str
    revision: int


def retired(store: Store) -> Mapping[str, Retirement]:
    """The retired keys by name; PkiError when the record is damaged."""
    content = store.read(RETIRED)
    try:
        return {key: Retirement(**one) for key, one in json.loads(content or b"{}").items()}
    except (ValueError, TypeError, AttributeError) as error:
        where = store.where(RETIRED)
        hint = f"restore it from a backup; without one, move it aside: mv {where} {where}.damaged   makes all keys used"
        raise PkiError(f"{where} is damaged: nobody knows which encryption keys are retired", hint=hint) from error


def retire(store: Store, keys: Collection[str], since: str, revision: int) -> None:
    """Note in one step that nothing is under these keys."""
    _write(store, {**retired(store), **dict.fromkeys(keys, Retirement(since, revision))})


def recall(store: Store, keys: Collection[str]) -> list[str]:
    """Have API servers read with those of the keys again that are retired; their names."""
    gone = retired(store)
    back = [key for key in keys if key in gone]
    if back:
        _write(store, {key: one for key, one in gone.items() if key not in back})
    return back


def _write(store: Store, found: Mapping[str, Retirement]) -> None:
    content = json.dumps({key: dataclasses.asdict(one) for key, one in sorted(found.items())}, indent=2) + "\n"
    write = store.create if store.read(RETIRED) is None else store.replace
    write(RETIRED, content.encode())
