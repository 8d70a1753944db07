"""All checks, by part of the API. Importing this package registers them, in the order of a run."""

from . import auth, errors, ids, lists, overview, workers, series, pools, profiles, assign, quotas, races, rates  # noqa: F401, I001 - in this order
