// Series of hashrate, kept for as long as asking again would give the same points; and what is known of algorithms.

import { read, state } from "./api.js";

const KEPT_MS = 20_000;
const kept = new Map();

/** The series of all workers of an algorithm, or of one worker. Its points change once a step of the world's clock. */
export async function seriesOf(ctx, { algorithm: name, worker, range }) {
  const id = [state.world, state.account, name, worker, range].join("|");
  const known = kept.get(id);
  const now = ctx.now() / 1000;
  if (known && performance.now() - known.at < KEPT_MS) {
    const last = known.found.data.at(-1)?.timestamp ?? -Infinity;
    const step = known.found.granularity;
    if (now >= last && now < last + 2 * step) return known.found;
  }
  const path = worker ? `/v1/workers/${worker}/hashrate` : "/v1/workers/hashrate";
  const found = await read(path, { algorithm: name, timeRange: range });
  if (kept.size > 200) kept.clear();
  kept.set(id, { at: performance.now(), found });
  return found;
}

/** Forget what was kept: something was done that changes it. */
export const forgetSeries = () => kept.clear();

export const algorithm = (id) => state.about.algorithms.find((one) => one.id === id);
export const unitOf = (id) => algorithm(id)?.unit ?? "H/s";
