"""The proxy as miners meet it: each becomes a worker of the API, and mines on the pool that its profile points to.

Each miner has a session at the door and a session of the door's at a pool, joined by a relay that knows no sockets.
Who a miner is and what it did is the rules' to say and the store's to keep.
"""
