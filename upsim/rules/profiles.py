"""Profiles: ordered choices of pools. One of each algorithm is the default, always."""

from __future__ import annotations

from collections.abc import Mapping

from upsim.errors import NoDefaultProfile, NotFound
from upsim.model import Account, ObjectId, Page, Pool, Profile
from upsim.records import dataclass
from upsim.rules.caps import at_most_profiles
from upsim.rules.pools import new_id
from upsim.store.asking import Moved, ProfileChanges, Span
from upsim.world import World


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile with the pools it holds, in its order."""

    profile: Profile
    pools: tuple[Pool, ...]


def list_profiles(world: World, account: Account, span: Span, algorithm: str | None) -> Page[ProfileView]:
    """A page of the account's profiles."""
    page = world.store.list_profiles(world.id, account.id, span, algorithm)
    wanted = {pool_id for profile in page.items for pool_id in profile.pool_ids}
    pools = world.store.get_pools(world.id, account.id, wanted)
    return Page([_view(profile, pools) for profile in page.items], page.total)


def create_profile(
    world: World, account: Account, name: str, algorithm: str, pool_ids: tuple[ObjectId, ...]
) -> ProfileView:
    """Create a profile; the first of its algorithm becomes the default.

    Raises:
        NotFound: a pool is not the account's.
        InvalidInput: a pool is of another algorithm.
        QuotaExceeded: the tier allows no more profiles of the algorithm.

    Source: reference, POST /v1/profiles.
    """
    now = world.now()
    profile = Profile(new_id(world, "profile"), account.id, name, algorithm, pool_ids, False, now, now)
    added = world.store.add_profile(world.id, profile, at_most_profiles(world, account))
    return view_profile(world, account, added)


def update_profile(world: World, account: Account, profile_id: ObjectId, changes: ProfileChanges) -> ProfileView:
    """Change a profile's name, algorithm or pools.

    Raises:
        NotFound: the profile or a pool is not the account's.
        InvalidInput: a pool would be of another algorithm.
        DefaultProfileKept, ProfileHasWorkers: the algorithm would change.
        QuotaExceeded: the tier allows no more profiles of the new algorithm.
    """
    if changes.algorithm is not None and changes.pool_ids is not None:
        # A pool that does not exist is said before anything about the algorithm's change: existence before conflict.
        known = world.store.get_pools(world.id, account.id, changes.pool_ids)
        missing = [pool_id for pool_id in changes.pool_ids if pool_id not in known]
        if missing:
            raise NotFound("Pool", *missing)
    at_most = at_most_profiles(world, account)
    changed = world.store.update_profile(world.id, account.id, profile_id, changes, at_most)
    return view_profile(world, account, changed)


def delete_profile(world: World, account: Account, profile_id: ObjectId) -> Moved:
    """Delete a profile; its workers move to the default of its algorithm.

    Raises:
        NotFound: the account has no such profile.
        DefaultProfileKept: it is the default.

    Source: reference, DELETE /v1/profiles/{id}.
    """
    return world.store.delete_profile(world.id, account.id, profile_id, world.now())


def set_default_profile(world: World, account: Account, profile_id: ObjectId) -> ProfileView:
    """Make a profile the default of its algorithm; the one before stops being it in the same instant.

    Raises:
        NotFound: the account has no such profile.
    """
    return view_profile(world, account, world.store.set_default_profile(world.id, account.id, profile_id))


def get_default_profile(world: World, account: Account, algorithm: str) -> ProfileView:
    """The default profile of an algorithm.

    Raises:
        NoDefaultProfile: the account has no profile of the algorithm.
    """
    profile = world.store.get_default_profile(world.id, account.id, algorithm)
    if profile is None:
        raise NoDefaultProfile(algorithm)
    return view_profile(world, account, profile)


def view_profile(world: World, account: Account, profile: Profile) -> ProfileView:
    """A profile with its pools."""
    return _view(profile, world.store.get_pools(world.id, account.id, profile.pool_ids))


def _view(profile: Profile, pools: Mapping[ObjectId, Pool]) -> ProfileView:
    # A pool that went between the two look-ups is left out rather than invented.
    return ProfileView(profile, tuple(pools[pool_id] for pool_id in profile.pool_ids if pool_id in pools))
