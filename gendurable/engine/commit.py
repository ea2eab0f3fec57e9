"""Commit outcomes: the one function that every outcome passes, alone or in a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gendurable.engine.claim import EMPTY, inboxes
from gendurable.engine.consequences import give_back, insert_children, record, settle
from gendurable.engine.encode import columns, document
from gendurable.engine.nouns import Committed, Finished
from gendurable.queries import outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from gendurable.queries.statement import Database


def commit(
    conn: Connection,
    db: Database,
    worker: str,
    batch: Sequence[Finished],
    *,
    wait: bool = False,
    ttl: float | None = None,
) -> Committed:
    """Write the outcomes that are still ours, and all that hangs on them, in this transaction.

    A row that somebody holds is passed over and reported as skipped; with *wait* (a step's own
    session, where everything hangs on this one outcome) it is waited for. With *ttl*, the length
    of a lease in seconds, rows whose next step may run ahead are claimed by the same write.
    """
    answer = Committed()
    batch = _newest(batch, answer)
    if all(map(is_one_statement, batch)):
        _commit_plain(conn, db, worker, batch, answer, wait=wait, ttl=ttl)
        return answer
    simple = all(map(_needs_no_lock, batch))
    owned = batch if simple else _guard(conn, db, worker, batch, answer, wait)
    plain = [one for one in owned if one.fields]
    if plain:
        late = insert_children(conn, db, plain) | _ahead(plain, ttl)
        written = _write(conn, db, worker, plain, late, wait and len(batch) == 1, ttl or 0.0)
        if simple and len(written) < len(plain):
            plain = owned = _part(conn, db, worker, plain, {row[0] for row in written}, answer)
        settle(conn, db, plain, answer)
        _go_on(conn, db, plain, written, answer)
    if len(plain) < len(owned):
        give_back(conn, db, worker, [one for one in owned if not one.fields], answer)
    record(conn, db, worker, owned)
    answer.done = list(owned)
    answer.ids = [one.claim.id for one in owned]
    return answer


def _newest(batch: Sequence[Finished], answer: Committed) -> Sequence[Finished]:
    """Leave out what a row's older claim has said: this very worker has claimed it again."""
    if len({one.claim.id for one in batch}) == len(batch):
        return batch
    newest = dict(sorted((one.claim.id, one.claim.claim_seq) for one in batch))
    answer.stale += [one for one in batch if one.claim.claim_seq < newest[one.claim.id]]
    return [one for one in batch if one.claim.claim_seq == newest[one.claim.id]]


def _commit_plain(
    conn: Connection,
    db: Database,
    worker: str,
    batch: Sequence[Finished],
    answer: Committed,
    *,
    wait: bool,
    ttl: float | None,
) -> None:
    """Write outcomes on which nothing else hangs, which are most: one statement, and no more."""
    written = _write(
        conn, db, worker, batch, _ahead(batch, ttl), wait and len(batch) == 1, ttl or 0.0
    )
    if len(written) < len(batch):
        batch = _part(conn, db, worker, batch, {row[0] for row in written}, answer)
    _go_on(conn, db, batch, written, answer)
    answer.done = list(batch)
    answer.ids = [one.claim.id for one in batch]


def _ahead(batch: Sequence[Finished], ttl: float | None) -> dict[int, dict[str, object]]:
    """Say in which queues the next steps may run ahead, if there is a lease for them."""
    if ttl is None:
        return {}
    return {one.claim.id: {"ahead": one.claim.queue} for one in batch if one.ahead}


def _write(
    conn: Connection,
    db: Database,
    worker: str,
    batch: Sequence[Finished],
    late: Mapping[int, dict[str, Any]],
    alone: bool,
    ttl: float,
) -> Sequence[tuple[Any, ...]]:
    """Write outcomes with the columns that are known *late*; *alone* it waits for the row."""
    if alone:
        fields = columns(batch[0], **late.get(batch[0].claim.id, {}))
        return outcomes.write_one(conn, db, worker, fields, ttl)
    ids = (one.claim.id for one in batch)
    documents = (document(one, **late.get(one.claim.id, {})) for one in batch)
    return outcomes.write(conn, db, worker, ids, documents, ttl)


def _part(
    conn: Connection,
    db: Database,
    worker: str,
    batch: Sequence[Finished],
    written: set[int],
    answer: Committed,
) -> list[Finished]:
    """Tell what was written from what was passed over: held by somebody, or no longer ours."""
    missing = [one for one in batch if one.claim.id not in written]
    seen = outcomes.look(conn, db, [one.claim.id for one in missing])
    for one in missing:
        ours = seen.get(one.claim.id) == (worker, one.claim.claim_seq)
        (answer.skipped if ours else answer.stale).append(one)
    return [one for one in batch if one.claim.id in written]


def _needs_no_lock(one: Finished) -> bool:
    """Whether the write itself, which is guarded, locks all that this outcome touches.

    What ends locks its parent first; and children may be inserted for an owner only.
    """
    if not one.fields or one.kind == "children":
        return False
    return not one.ends or one.claim.parent_id is None


def is_one_statement(one: Finished) -> bool:
    """Whether the write is all that this outcome needs: nothing else hangs on its transaction."""
    return bool(
        one.fields
        and one.kind not in ("children", "await")
        and not one.consumed
        and one.entry is None
        and (one.claim.parent_id is None or not one.ends)
    )


def _guard(
    conn: Connection,
    db: Database,
    worker: str,
    batch: Sequence[Finished],
    answer: Committed,
    wait: bool,
) -> list[Finished]:
    """Lock the rows and the parents of those that end; keep what is ours and locked."""
    parents = {one.claim.parent_id for one in batch if one.ends and one.claim.parent_id is not None}
    ids = {one.claim.id for one in batch} | parents
    locked = outcomes.lock(conn, db, ids, wait=wait)
    missing = ids - locked.keys()
    seen = outcomes.look(conn, db, missing) if missing else {}
    owned = []
    for one in batch:
        claim = one.claim
        pair = (worker, claim.claim_seq)
        if locked.get(claim.id) == pair:
            if one.ends and claim.parent_id in missing and claim.parent_id in seen:
                answer.parent_skipped.append(one)
            else:
                owned.append(one)
        elif seen.get(claim.id) == pair:
            answer.skipped.append(one)
        else:
            answer.stale.append(one)
    return owned


def _go_on(
    conn: Connection,
    db: Database,
    batch: Sequence[Finished],
    written: Sequence[tuple[Any, ...]],
    answer: Committed,
) -> None:
    """Tell the queues of what is runnable, and make the claims of the steps that run ahead."""
    answer.woken.update([queue for _, queue, _ in written if queue is not None])
    letters = {id: mail for id, _, mail in written if mail is not None}
    if not letters:
        return
    ids = [id for id, mail in letters.items() if mail]
    mail = inboxes(conn, db, ids) if ids else {}
    for one in batch:
        claim = one.claim
        if claim.id in letters:
            signals = mail.get(claim.id, EMPTY)
            answer.ahead.append(claim.advanced(one.fields["step"], one.state, signals))
