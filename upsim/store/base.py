"""What a store promises. Two engines keep the promise, and one suite holds both to it.

Each method is one whole intent, atomic on its engine: other readers see all of it or nothing, and what it returned
from survives the process where the store is a file or a server. Invariants are facts of the data:

* an account's default profile of an algorithm is a pointer, so there are never two, and none only while there is no
  profile of that algorithm;
* a pool in a profile cannot go; a worker always has a profile; a quota is never passed.

Everything but the worlds themselves lives inside one world, and ids are unique only there. Values handed out are
frozen. Lists are ordered by created_at, then id. Any method may raise StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from upsim.clock import Instant
from upsim.model import (
    Account,
    ApiKey,
    Caller,
    Course,
    HealthStatus,
    JournalEntry,
    Measured,
    Mined,
    ObjectId,
    Page,
    Pool,
    Profile,
    Tier,
    Worker,
    WorldId,
    WorldRecord,
)
from upsim.store.asking import (
    EntryFilter,
    Moved,
    PoolChanges,
    PoolCounts,
    ProfileChanges,
    Span,
    WorkerFilter,
)
from upsim.store.content import Content
from upsim.store.sums import Sums


class Store(Protocol):
    """Where everything is kept."""

    url: str

    @property
    def together(self) -> AbstractContextManager[object] | None:
        """Entered by who asks, counts and notes several things in a row, and waits for nothing else meanwhile.

        Other threads may wait until it is left. It is not entered twice, nor for writes. None where the store is a
        server: all ask at once.
        """

    def close(self) -> None:
        """Let go of files, sockets and threads. What was acknowledged stays."""

    # Worlds

    def create_world(self, record: WorldRecord, content: Content) -> None:
        """Add a world with its content, all or nothing.

        One whose id has a "#" is hidden: a template or a snapshot, a copy that belongs to the world before the mark. It
        is not listed, and no key opens it.

        Raises:
            AlreadyExists: a world of that id is there.
        """

    def get_world(self, world: WorldId) -> WorldRecord | None:
        """The world's record, or None."""

    def list_worlds(self) -> list[WorldRecord]:
        """Every world that is not hidden, oldest first."""

    def change_world(self, world: WorldId, change: Callable[[WorldRecord], WorldRecord]) -> WorldRecord:
        """Replace the record by change(record), atomically; may call `change` again when another process was first.

        Raises:
            NotFound: no such world.
        """

    def delete_world(self, world: WorldId) -> bool:
        """Remove the world with everything in it and its hidden copies; False where there was none."""

    def list_copies(self, world: WorldId) -> list[WorldRecord]:
        """The hidden worlds that belong to this one, oldest first."""

    def copy_content(
        self,
        source: WorldId,
        target: WorldId,
        *,
        with_keys: bool,
        record: WorldRecord | None = None,
        new_keys: Sequence[ApiKey] = (),
        only_new: bool = False,
    ) -> None:
        """Make the target's content that of the source, atomically; forget the target's hits and journal.

        Numbered sequences are content. Keys are copied too, or (with_keys false) the target keeps the keys it was
        issued with, not revoked, and loses the others.

        Args:
            record: the target's record from then on, in the same step; with None it stays as it is. A target that is
                not there yet is created, hidden if its id has a "#".
            new_keys: given to the target besides.
            only_new: the target must not be there yet.

        Raises:
            NotFound: there is no such source, or no target and no record.
            AlreadyExists: the target is there, and should not be.
        """

    def read_content(self, world: WorldId) -> Content:
        """All of a world's content at one moment."""

    # Accounts and keys

    def find_caller(self, digest: str) -> Caller | None:
        """Whose key has this digest, whatever its state; None if nobody's. One look-up: every request makes it.

        It brings the version of the world: what is read afterwards is of that version or of a later one, and as long
        as the version stays, it stays the same. Every method that changes a world's record or content renews it, those
        under "Counting" and "The journal" do not.
        """

    def list_accounts(self, world: WorldId) -> list[Account]:
        """The world's accounts."""

    def add_account(self, world: WorldId, account: Account) -> None:
        """Add an account.

        Raises:
            AlreadyExists: its name is taken in this world.
        """

    def set_tier(self, world: WorldId, account_id: ObjectId, tier: Tier, at: Instant, window_start: Instant) -> bool:
        """Change the account's tier; False where there is no such account.

        Notes the tier that was in force at `window_start` as the previous one: a second change in the same window
        keeps the first one's.
        """

    def list_keys(self, world: WorldId, account_id: ObjectId | None = None) -> list[ApiKey]:
        """The keys of an account, or of all, revoked and expired ones included."""

    def add_key(self, world: WorldId, key: ApiKey, at_most: int | None = None) -> None:
        """Add a key unless the account has `at_most` that are not revoked.

        Raises:
            QuotaExceeded: it has as many already.
        """

    def revoke_key(self, world: WorldId, key_id: ObjectId, at: Instant) -> bool:
        """Revoke a key from now on; False where there is none of that id."""

    # Counting

    def count_hit(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        """Count one request of the account in this window and return how many that makes.

        Only the current window of an account is kept: another number starts again at 1.
        """

    def get_hits(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        """How many requests the account made in this window."""

    def next_number(self, world: WorldId, name: str) -> int:
        """0, 1, 2, … of a named sequence of the world; no number is given twice. A reset starts it again."""

    # Pools. Whatever changes a pool's health, or which pools a profile has, continues the profile's course in the same
    # step: see courses.course_after.

    def list_pools(
        self,
        world: WorldId,
        account_id: ObjectId,
        span: Span,
        algorithm: str | None = None,
        status: HealthStatus | None = None,
    ) -> Page[Pool]:
        """A page of the account's pools."""

    def count_pools(self, world: WorldId, account_id: ObjectId) -> Mapping[str, PoolCounts]:
        """How many pools the account has, by algorithm."""

    def get_pool(self, world: WorldId, account_id: ObjectId, pool_id: ObjectId) -> Pool | None:
        """The account's pool of that id, or None."""

    def get_pools(self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]) -> Mapping[ObjectId, Pool]:
        """Those of the ids that are the account's pools."""

    def list_holders(self, world: WorldId, pool_id: ObjectId) -> list[str]:
        """The names of the profiles that hold the pool, oldest first."""

    def add_pool(self, world: WorldId, pool: Pool, at_most: int | None, first_profile: Profile) -> ObjectId | None:
        """Add a pool; where the account has no profile of its algorithm, add `first_profile` as the default too.

        Returns the id of the profile where one was added.

        Raises:
            QuotaExceeded: the account has `at_most` pools of the algorithm.
        """

    def update_pool(
        self, world: WorldId, account_id: ObjectId, pool_id: ObjectId, changes: PoolChanges, at_most: int | None
    ) -> Pool:
        """Change a pool.

        Raises:
            NotFound: no such pool.
            PoolInUse: the algorithm would change, and profiles hold the pool.
            QuotaExceeded: the algorithm would change to one with `at_most` pools.
            ChangedMeanwhile: the outcome would not be what was tested.
        """

    def record_test(
        self, world: WorldId, pool_id: ObjectId, at: Instant, latency_ms: int | None, error: str | None
    ) -> Pool | None:
        """Note a test of a saved pool: an error counts one more failure, none resets its health."""

    def delete_pool(self, world: WorldId, account_id: ObjectId, pool_id: ObjectId) -> None:
        """Delete a pool that no profile holds.

        Raises:
            NotFound: no such pool.
            PoolInUse: profiles hold it.
        """

    # Profiles

    def list_profiles(
        self, world: WorldId, account_id: ObjectId, span: Span, algorithm: str | None = None
    ) -> Page[Profile]:
        """A page of the account's profiles."""

    def get_profiles(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, Profile]:
        """Those of the ids that are the account's profiles."""

    def get_default_profile(self, world: WorldId, account_id: ObjectId, algorithm: str) -> Profile | None:
        """The account's default profile of the algorithm, or None."""

    def get_courses(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId] | None = None
    ) -> Mapping[ObjectId, Course]:
        """The courses of those of the ids that are the account's profiles, or were; with None, all eventful ones.

        Of deleted profiles the last few that had anything to tell are kept.
        """

    def add_profile(self, world: WorldId, profile: Profile, at_most: int | None) -> Profile:
        """Add a profile; the first of its algorithm becomes the default, whatever `is_default` says.

        Raises:
            NotFound: one of its pools is not the account's.
            InvalidInput: one of its pools is of another algorithm.
            QuotaExceeded: the account has `at_most` profiles of the algorithm.
        """

    def update_profile(
        self,
        world: WorldId,
        account_id: ObjectId,
        profile_id: ObjectId,
        changes: ProfileChanges,
        at_most: int | None,
    ) -> Profile:
        """Change a profile. A first profile of its new algorithm becomes that algorithm's default.

        Raises:
            NotFound: no such profile, or one of its pools is not the account's.
            InvalidInput: one of its pools would be of another algorithm than the profile.
            DefaultProfileKept, ProfileHasWorkers: the algorithm would change.
            QuotaExceeded: the algorithm would change to one with `at_most` profiles.
        """

    def delete_profile(self, world: WorldId, account_id: ObjectId, profile_id: ObjectId, at: Instant) -> Moved:
        """Delete a profile; its workers move to the default of its algorithm in the same instant.

        Raises:
            NotFound: no such profile.
            DefaultProfileKept: it is the default.
        """

    def set_default_profile(self, world: WorldId, account_id: ObjectId, profile_id: ObjectId) -> Profile:
        """Make a profile the default of its algorithm.

        Raises:
            NotFound: no such profile.
        """

    # Workers

    def list_workers(self, world: WorldId, account_id: ObjectId, which: WorkerFilter, span: Span) -> Page[Worker]:
        """A page of the account's workers."""

    def list_algorithms(self, world: WorldId, account_id: ObjectId) -> list[str]:
        """The algorithms of the account's workers, in alphabetical order."""

    def get_worker(self, world: WorldId, account_id: ObjectId, worker_id: ObjectId) -> Worker | None:
        """The account's worker of that id, or None."""

    def get_tracks(self, world: WorldId, digests: Collection[str]) -> Mapping[str, str]:
        """Those of the world's tracks that have one of the digests, as they were given with its content."""

    def get_places(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, tuple[ObjectId, int]]:
        """Profile and cell of those of the ids that are the account's workers."""

    def add_workers(self, world: WorldId, workers: Iterable[Worker]) -> None:
        """Add workers, all or nothing.

        Raises:
            NotFound: a worker's profile is not its account's.
        """

    def change_workers(
        self,
        world: WorldId,
        account_id: ObjectId,
        worker_ids: Collection[ObjectId],
        change: Callable[[Worker], Worker],
    ) -> int:
        """Replace each of the workers by change(worker), all or none; its id, account and profile stay.

        Raises:
            NotFound: a worker is not the account's.
        """

    def assign_workers(
        self,
        world: WorldId,
        account_id: ObjectId,
        worker_ids: Collection[ObjectId],
        profile_id: ObjectId,
        at: Instant,
    ) -> None:
        """Move the workers (each id once) to a profile, all or none; each one's history says so: see courses.moved.

        Raises:
            NotFound: the profile or a worker is not the account's.
            InvalidInput: a worker is of another algorithm than the profile.
        """

    def read_sums(
        self, world: WorldId, account_id: ObjectId, algorithm: str, since: Instant, parts: Collection[str] = ()
    ) -> Mapping[str, Sums]:
        """What the account's workers of the algorithm add up to, all of one moment: see the store's Summing.

        It costs what it tells, not the workers.

        Args:
            since: from when on the changes are wanted.
            parts: which parts' sums are wanted, besides those of sums.WHOLE.
        """

    # Measured workers: their rows are workers like others, of the model MEASURED, whose last change by hand is when
    # their miner came or left

    def add_mined(self, world: WorldId, mined: Iterable[Mined], kept: Sequence[tuple[int, int]] | None = None) -> None:
        """Add what measured workers did to what is kept of them, and to the work of their account and algorithm.

        A worker that is no more is passed over.

        Args:
            kept: of each level, the first and the last block that is kept: others of these workers are forgotten.
        """

    def forget_work(self, world: WorldId, kept: Sequence[tuple[int, int]]) -> None:
        """Forget all work outside of these blocks: of each level, the first and the last."""

    def get_measured(
        self, world: WorldId, ids: Collection[ObjectId], first: int
    ) -> Mapping[ObjectId, tuple[Measured, int]]:
        """What is kept of those of the workers that were ever measured, and their work in the shortest blocks from
        `first` on."""

    def read_work(
        self, world: WorldId, owner: ObjectId | tuple[ObjectId, str], level: int, first: int
    ) -> Mapping[int, int]:
        """Units of work by block from `first` on: of a worker, or of an account's workers of an algorithm."""

    def list_measured(
        self,
        world: WorldId,
        account_id: ObjectId | None = None,
        *,
        algorithm: str | None = None,
        since: Instant | None = None,
        present: bool = False,
    ) -> list[Worker]:
        """Measured workers, in no order.

        Args:
            since: only those whose row changed after this.
            present: only those whose miner is connected.
        """

    # The journal

    def add_entry(self, world: WorldId, entry: JournalEntry, keep: int) -> None:
        """Write an entry under the next number; forget what is older than the last `keep` or a little more."""

    def list_entries(
        self, world: WorldId, which: EntryFilter, limit: int, *, newest_first: bool = False
    ) -> list[JournalEntry]:
        """The first `limit` entries that match, in order of their numbers, or from the end."""

    def count_entries(self, world: WorldId, which: EntryFilter) -> int:
        """How many entries match."""

    def last_entry(self, world: WorldId) -> int:
        """The number of the newest entry; 0 where there is none."""

    def clear_journal(self, world: WorldId) -> None:
        """Forget all entries; their numbers are not given again."""
