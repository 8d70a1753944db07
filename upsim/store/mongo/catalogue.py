"""The MongoDB store's pools and profiles: what mongo_holdings decides, saved only over what it was decided on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from upsim.clock import Instant
from upsim.errors import NotFound, ProfileHasWorkers
from upsim.model import Course, HealthStatus, ObjectId, Page, Pool, Profile, WorldId
from upsim.store.asking import Moved, PoolChanges, PoolCounts, ProfileChanges, Span
from upsim.store.mongo.holdings import Forward, Holdings, in_order, on_profile, read_forwards
from upsim.store.mongo.link import Doc
from upsim.store.mongo.moves import Moves
from upsim.store.mongo.part import change, step
from upsim.store.mongo.values import read_course, read_pool, read_profile

FORWARDS_KEPT = 256
"""How many deleted profiles' forwards stay. Longer than any assignment takes that was under way when one was made."""

_Result = TypeVar("_Result")
_Item = TypeVar("_Item", Pool, Profile)


class Catalogue(Moves):
    """Pools and profiles; base.Store says what each method promises."""

    # Pools

    @step
    def list_pools(
        self,
        world: WorldId,
        account_id: ObjectId,
        span: Span,
        algorithm: str | None = None,
        status: HealthStatus | None = None,
    ) -> Page[Pool]:
        kept = self._held(world, account_id, "pools")["pools"]
        return _page(
            (
                read_pool(account_id, pool_id, doc)
                for pool_id, doc in kept.items()
                if algorithm in (None, doc["algorithm"]) and status in (None, doc["health"]["status"])
            ),
            span,
        )

    @step
    def count_pools(self, world: WorldId, account_id: ObjectId) -> Mapping[str, PoolCounts]:
        found: dict[str, list[str]] = {}
        for doc in self._held(world, account_id, "pools")["pools"].values():
            found.setdefault(doc["algorithm"], []).append(doc["health"]["status"])
        return {
            algorithm: PoolCounts(
                len(statuses), statuses.count(HealthStatus.HEALTHY), statuses.count(HealthStatus.UNHEALTHY)
            )
            for algorithm, statuses in found.items()
        }

    @step
    def get_pool(self, world: WorldId, account_id: ObjectId, pool_id: ObjectId) -> Pool | None:
        doc = self._held(world, account_id, "pools")["pools"].get(pool_id)
        return read_pool(account_id, pool_id, doc) if doc else None

    @step
    def get_pools(self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]) -> Mapping[ObjectId, Pool]:
        kept = self._held(world, account_id, "pools")["pools"]
        return {pool_id: read_pool(account_id, pool_id, kept[pool_id]) for pool_id in ids if pool_id in kept}

    @step
    def list_holders(self, world: WorldId, pool_id: ObjectId) -> list[str]:
        content = self._content_of(world)
        found = self._holdings.find_one({"content": content, f"pools.{pool_id}": {"$exists": True}}, {"profiles": 1})
        held = [doc for doc in found["profiles"].items() if pool_id in doc[1]["pool_ids"]] if found else []
        return [doc["name"] for _, doc in sorted(held, key=lambda item: (item[1]["created_at"], item[0]))]

    @change
    def add_pool(self, world: WorldId, pool: Pool, at_most: int | None, first_profile: Profile) -> ObjectId | None:
        return self._change(world, pool.account_id, lambda _, holdings: holdings.add_pool(pool, at_most, first_profile))

    @change
    def update_pool(
        self, world: WorldId, account_id: ObjectId, pool_id: ObjectId, changes: PoolChanges, at_most: int | None
    ) -> Pool:
        return self._change(world, account_id, lambda _, holdings: holdings.update_pool(pool_id, changes, at_most))

    @change
    def record_test(
        self, world: WorldId, pool_id: ObjectId, at: Instant, latency_ms: int | None, error: str | None
    ) -> Pool | None:
        there = {"content": self._content_of(world), f"pools.{pool_id}": {"$exists": True}}
        found = self._holdings.find_one(there, {"account_id": 1})
        if found is None:
            return None
        return self._change(
            world, found["account_id"], lambda _, holdings: holdings.record_test(pool_id, at, latency_ms, error)
        )

    @change
    def delete_pool(self, world: WorldId, account_id: ObjectId, pool_id: ObjectId) -> None:
        self._change(world, account_id, lambda _, holdings: holdings.delete_pool(pool_id))

    # Profiles

    @step
    def list_profiles(
        self, world: WorldId, account_id: ObjectId, span: Span, algorithm: str | None = None
    ) -> Page[Profile]:
        kept = self._held(world, account_id, "profiles", "defaults")
        return _page(
            (
                read_profile(account_id, profile_id, doc, kept["defaults"])
                for profile_id, doc in kept["profiles"].items()
                if algorithm in (None, doc["algorithm"])
            ),
            span,
        )

    @step
    def get_profiles(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, Profile]:
        kept = self._held(world, account_id, "profiles", "defaults")
        return {
            profile_id: read_profile(account_id, profile_id, kept["profiles"][profile_id], kept["defaults"])
            for profile_id in ids
            if profile_id in kept["profiles"]
        }

    @step
    def get_default_profile(self, world: WorldId, account_id: ObjectId, algorithm: str) -> Profile | None:
        kept = self._held(world, account_id, "profiles", "defaults")
        profile_id = kept["defaults"].get(algorithm)
        if profile_id is None:
            return None
        return read_profile(account_id, profile_id, kept["profiles"][profile_id], kept["defaults"])

    @step
    def get_courses(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId] | None = None
    ) -> Mapping[ObjectId, Course]:
        kept = self._held(world, account_id, "courses")["courses"]
        wanted = kept if ids is None else [profile_id for profile_id in ids if profile_id in kept]
        courses = [read_course(account_id, profile_id, kept[profile_id]) for profile_id in wanted]
        return {course.profile_id: course for course in courses if ids is not None or course.eventful}

    @change
    def add_profile(self, world: WorldId, profile: Profile, at_most: int | None) -> Profile:
        return self._change(world, profile.account_id, lambda _, holdings: holdings.add_profile(profile, at_most))

    @change
    def update_profile(
        self,
        world: WorldId,
        account_id: ObjectId,
        profile_id: ObjectId,
        changes: ProfileChanges,
        at_most: int | None,
    ) -> Profile:
        def decide(content: str | None, holdings: Holdings) -> Profile:
            profile = holdings.profile(profile_id)
            if changes.algorithm not in (None, profile.algorithm):
                holdings.check_algorithm_free(profile_id)
                # An assignment ends with a new version of these holdings, so none can hide between this and saving.
                workers = self._workers.count_documents(
                    {"content": content, "account_id": account_id, **on_profile(profile_id, holdings.forwards)}
                )
                if workers:
                    raise ProfileHasWorkers(profile.name, workers)
            return holdings.update_profile(profile_id, changes, at_most)

        return self._change(world, account_id, decide)

    @change
    def delete_profile(self, world: WorldId, account_id: ObjectId, profile_id: ObjectId, at: Instant) -> Moved:
        def decide(content: str | None, holdings: Holdings) -> tuple[Doc, Forward]:
            forward = holdings.delete_profile(profile_id, at)
            # Workers assigned when it was for another algorithm have a forward of their own.
            apart = [old.algorithm for old in holdings.forwards if old.source == profile_id and old != forward]
            followers: Doc = {"content": content, "account_id": account_id, "profile_id": profile_id}
            return followers | ({"algorithm": {"$nin": apart}} if apart else {}), forward

        with self.changing_workers(self._content_of(world), "moves"):
            # With this the profile is gone and its workers are on the target, for every reader that begins from now on.
            followers, forward = self._change(world, account_id, decide)
            moved = self.follow(followers, forward)
        self._forget_oldest(world, account_id)
        return Moved(moved, forward.target)

    @change
    def set_default_profile(self, world: WorldId, account_id: ObjectId, profile_id: ObjectId) -> Profile:
        return self._change(world, account_id, lambda _, holdings: holdings.set_default(profile_id))

    # Below the surface

    def _held(self, world: WorldId, account_id: ObjectId, *sections: str) -> Doc:
        """Those sections of what the account holds, all of one moment."""
        named = {"_id": f"{self._content_of(world)}/{account_id}"}
        return self._holdings.find_one(named, dict.fromkeys(sections, 1)) or {section: {} for section in sections}

    def _change(
        self, world: WorldId, account_id: ObjectId, decide: Callable[[str | None, Holdings], _Result]
    ) -> _Result:
        """Let `decide` change the holdings and save them; decide again as long as another request was first."""
        while True:
            content = self._content_of(world)
            doc = self._holdings.find_one({"_id": f"{content}/{account_id}"})
            holdings = Holdings(account_id, doc)
            result = decide(content, holdings)
            update = holdings.update()
            if not update:
                return result
            if content is None:
                raise NotFound("World", world)
            if doc is None:
                try:
                    self._holdings.insert_one(holdings.whole(content))
                except self._link.duplicate:
                    continue
                return result
            same = {"_id": doc["_id"], "version": doc["version"]}
            if self._holdings.update_one(same, update).matched_count:
                return result

    def _forget_oldest(self, world: WorldId, account_id: ObjectId) -> None:
        """Drop the oldest forwards, once no worker's document needs them."""

        def decide(content: str | None, holdings: Holdings) -> None:
            for old in holdings.forwards[:-FORWARDS_KEPT]:
                self.follow(
                    {
                        "content": content,
                        "account_id": account_id,
                        "profile_id": old.source,
                        "algorithm": old.algorithm,
                    },
                    old,
                )
            holdings.forwards = holdings.forwards[-FORWARDS_KEPT:]

        if len(read_forwards(self._held(world, account_id, "forwards"))) > FORWARDS_KEPT:
            self._change(world, account_id, decide)


def _page(items: Iterable[_Item], span: Span) -> Page[_Item]:
    ordered = sorted(items, key=in_order)
    return Page(ordered[span.offset : span.offset + span.limit], len(ordered))
