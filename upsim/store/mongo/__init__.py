"""The store on MongoDB, or on mongomock in this process: one server is enough, without transactions across documents.

MongoDB changes one document atomically and no more, so each promise is kept by one document, and where a call changes
several, by the order in which it does:

* `worlds`: a world's record and its keys, and under which token its content is kept. Creating, copying and resetting
  write the new content under a fresh token and then change this one word; deleting takes this document first. Readers
  see the old content or the new one, never a part. What was replaced stays until the next copy, for those reading it.
* `digests`: a key's digest to its world; a claim only, the world's document decides.
* `accounts`: a name is unique by an index.
* `holdings`: an account's pools, profiles and default pointers, together; saved only over the version that was read.
  So no quota is passed and no default doubled or lost between two requests, or by a process that dies.
* `workers`: one document each. A deleted profile leaves a forward in the holdings, in the same change: from then on its
  workers are read as being on the target, whatever their own documents say, until those have followed.
* `sums`: what an account's workers add up to, all and by profile: a copy, good for one version of them.
* `tracks`: recorded readings, by a digest of what is in them; content like any other, and never changed.
* A world's version stands in its document: each change of its content first marks the world as changing there, and
  afterwards takes the mark away and leaves a new version.
* `measured`: what workers with real miners did: one document each, and one for each account and algorithm.
* `hits`, `numbers`, `journal` with `journal_ends`: counters, changed by one operation, and what they number.

Writes are acknowledged by a majority, from the journal, unless the URL says otherwise; those of hits and of upsim's own
journal by one server. Reads go to the primary, at read concern "local". docs/scaling.md says what of it was verified.

What one server without transactions cannot do here, plainly:

* `assign_workers`, `change_workers` and `add_workers` are refused whole, but while they write another reader may see a
  part, and a process that dies in the middle leaves a part. An assignment called again completes it.
* A page of workers and its total are two questions: where workers come or go between them, they may differ by those.
* A copy made while others write to its source holds each of their calls whole, except those three.
* A reader that is overtaken by two resets of its world may find nothing where it looks.
* A process that dies while it creates, copies or deletes a world leaves documents that no world points to. Nobody sees
  them; they take room until the database is dropped.
* A process that dies while it changes a world leaves its mark: until the world is reset or restored it has no version,
  and nothing that was read of it is used twice. That is slower, and as right.
* An account's pools, profiles and courses together have to fit into one document of 16 MB: about 25,000 profiles.
* Where the server is lost between a write and its answer (StoreUnavailable), that write may have happened.
"""

from __future__ import annotations

from upsim.store.mongo.catalogue import Catalogue
from upsim.store.mongo.measured import MeasuredWorkers
from upsim.store.mongo.tallies import Tallies
from upsim.store.mongo.workers import Workers
from upsim.store.mongo.worlds import Worlds


class MongoStore(Worlds, Catalogue, Workers, MeasuredWorkers, Tallies):
    """See base.Store, whose promises these methods keep and whose words are not repeated here."""

    together = None
