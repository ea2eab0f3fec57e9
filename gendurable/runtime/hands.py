"""What this worker holds: the claims in its hands, those it has lost, and whether it is leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendurable.engine.nouns import Claim

#: The id of a row and the number of the claim.
Key = tuple[int, int]


class Hands:
    """The claims of one worker, from claim to commit.

    Several threads read and write it without locks: each entry is put in by one of them and taken
    out by one of them, and single operations on a dict or a set are atomic.
    """

    __slots__ = ("draining", "held", "lost")

    def __init__(self) -> None:
        self.held: dict[Key, Claim] = {}
        #: Claims that somebody else took, while their steps may still run.
        self.lost: set[Key] = set()
        self.draining = False

    def take(self, claims: list[Claim]) -> None:
        """Put *claims* into the worker's hands."""
        self.held.update(((claim.id, claim.claim_seq), claim) for claim in claims)

    def drop(self, claim: Claim) -> None:
        """Let go of a claim: committed, given back, or lost and over."""
        key = (claim.id, claim.claim_seq)
        self.held.pop(key, None)
        if self.lost:
            self.lost.discard(key)

    def lose(self, key: Key) -> None:
        """Note that a claim is no longer ours; whoever runs it learns so from its context."""
        if self.held.pop(key, None) is not None:
            self.lost.add(key)

    def stopping(self, claim: Claim) -> bool:
        """Whether the step that runs on *claim* had better come to an end."""
        return self.draining or (claim.id, claim.claim_seq) in self.lost
