"""What every HTTP surface of upsim shares: one way to read a request by a spec, to spell a refusal, to answer."""
