# ruff: noqa: F401, I001 - importing registers the checks, and their order here is the order of a run
"""All checks, by part of the API. Importing this package registers them, in the order of a run."""

from . import auth, errors, ids, lists, overview, workers, series
from . import pools, pool_tests, profiles, assign, quotas, races, rates
