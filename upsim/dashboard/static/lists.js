// Lists that choosers need whole: a few pages at most, read like everything that is merely shown.

import { control, read, state, target, worldPath } from "./api.js";

const MOST_PAGES = 10;

/** Up to a thousand items of a list. */
export async function whole(path, query = {}, most = MOST_PAGES) {
  const first = await read(path, { ...query, page: 1, limit: 100 });
  const pages = Math.min(first.pagination.total_pages, most);
  const items = [...first.data];
  for (let page = 2; page <= pages; page += 1) items.push(...(await read(path, { ...query, page, limit: 100 })).data);
  return items;
}

/** Ids of the workers whose miners are connected to the door; nobody asks where there is none. */
export async function live() {
  if (!state.about.stratum.length) return new Set();
  const { sessions } = await control("GET", target(worldPath("/miners"), { limit: 1000 }), undefined, { quiet: true });
  return new Set(sessions.map((one) => one.worker_id));
}

export const profiles = (query) => whole("/v1/profiles", query);
export const pools = (query) => whole("/v1/pools", query);
