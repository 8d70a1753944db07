// Profiles: which pools a worker uses, in which order. The order is changed by drag, by buttons and by keys.

import { read, state, v1 } from "../api.js";
import { h, icon } from "../dom.js";
import { count, plural } from "../format.js";
import { pools as allPools, profiles as allProfiles } from "../lists.js";
import { forgetSeries } from "../series.js";
import { attempt, badge, button, confirmDialog, empty, field, formDialog, iconButton, select, toast } from "../ui.js";

export function profilesPage(ctx) {
  let dragged = null;
  const pending = new Map(); // profile id -> order that is being saved

  async function load() {
    const [profiles, pools] = await Promise.all([allProfiles(), allPools()]);
    const counts = new Map();
    // A page of one worker tells how many there are. Only as many at a time as a browser has connections.
    const queue = [...profiles.slice(0, 60)];
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let next = queue.shift(); next; next = queue.shift()) {
          const { pagination } = await read("/v1/workers", { profile_id: next._id, limit: 1 });
          counts.set(next._id, pagination.total);
        }
      }),
    );
    return { profiles, pools, counts };
  }

  function view({ profiles, pools, counts }) {
    const algorithms = state.about.algorithms.map((one) => one.id).filter((id) => profiles.some((profile) => profile.algorithm === id));
    return h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "toolbar" },
        h("span", { class: "dim" }, "Workers use the first pool of their profile that is well. Order them by drag, or with Alt and the arrow keys."),
        h("span", { class: "spring" }),
        button("Add a profile", { class: "primary", disabled: pools.length === 0, onclick: () => create(pools) }, "plus"),
      ),
      profiles.length === 0 &&
        empty("No profiles yet", pools.length ? "A profile holds pools in the order of their priority." : "A profile holds pools: add one first; it brings a default profile.", pools.length ? button("Add a profile", { class: "primary", onclick: () => create(pools) }, "plus") : h("a", { class: "button primary", href: "#/pools" }, "Pools")),
      h(
        "div",
        { class: "grid" },
        algorithms.flatMap((algorithm) => profiles.filter((one) => one.algorithm === algorithm)).map((profile) => card(profile, profiles, pools, counts)),
      ),
    );
  }

  function card(profile, profiles, pools, counts) {
    const order = pending.get(profile._id) ?? profile.pools;
    const free = pools.filter((pool) => pool.algorithm === profile.algorithm && !order.some((held) => held.pool_id === pool._id));
    const workers = counts.get(profile._id);
    return h(
      "article",
      { class: "card profile", key: profile._id, "aria-label": profile.name },
      h(
        "header",
        { class: "card-head" },
        h("h2", { title: profile.name }, profile.name),
        profile.is_default && badge("default", "vip"),
      ),
      h("p", { class: "small dim" }, `${profile.algorithm}, `, h("a", { href: `#/workers?profile_id=${profile._id}` }, workers === undefined ? "workers" : plural(workers, "worker"))),
      h("ol", { class: "order" }, order.map((held, at) => poolLine(profile, order, held, at))),
      free.length > 0 && select("Add a pool to the profile", [["", "Add a pool …"], ...free.map((pool) => [pool._id, pool.name])], "", (id) => id && add(profile, order, free.find((pool) => pool._id === id)), { class: "small" }),
      h(
        "footer",
        { class: "row" },
        !profile.is_default && button("Make default", { class: "small", onclick: () => makeDefault(profile) }),
        button("Rename", { class: "small", onclick: () => rename(profile) }),
        button("Delete", { class: "small danger-text", onclick: () => remove(profile, profiles, workers) }),
      ),
    );
  }

  function poolLine(profile, order, held, at) {
    const move = (to, focus) => to >= 0 && to < order.length && reorder(profile, order, at, to, focus);
    const label = `${held.name}, priority ${at + 1} of ${order.length}`;
    return h(
      "li",
      {
        key: held.pool_id,
        draggable: "true",
        class: dragged?.pool === held.pool_id && dragged.profile === profile._id ? "dragged" : "",
        ondragstart: (event) => {
          dragged = { profile: profile._id, pool: held.pool_id };
          event.dataTransfer.effectAllowed = "move";
          event.dataTransfer.setData("text/plain", held.name);
          ctx.redraw();
        },
        ondragover: (event) => {
          if (dragged?.profile !== profile._id) return;
          event.preventDefault();
          event.dataTransfer.dropEffect = "move";
        },
        ondrop: (event) => {
          if (dragged?.profile !== profile._id) return;
          event.preventDefault();
          const from = order.findIndex((one) => one.pool_id === dragged.pool);
          dragged = null;
          if (from !== at) reorder(profile, order, from, at);
          else ctx.redraw();
        },
        ondragend: () => {
          dragged = null;
          ctx.redraw();
        },
      },
      h(
        "button",
        {
          type: "button",
          class: "grip",
          "aria-label": `${label}. Alt and arrow up or down move it`,
          "data-grip": held.pool_id,
          onkeydown: (event) => {
            const step = event.altKey ? { ArrowUp: -1, ArrowDown: 1 }[event.key] : undefined;
            if (step === undefined) return;
            event.preventDefault();
            move(at + step, true);
          },
        },
        icon("grip"),
        h("span", { class: "rank" }, at + 1),
      ),
      h("span", { class: `dot ${held.status === "healthy" ? "good" : held.status === "unhealthy" ? "bad" : ""}`, role: "img", "aria-label": held.status }),
      h("span", { class: "clip", title: `${held.host}:${held.port}` }, held.name),
      h(
        "span",
        { class: "order-tools" },
        iconButton(`Move ${held.name} up`, "up", { class: "tiny", disabled: at === 0, onclick: () => move(at - 1) }),
        iconButton(`Move ${held.name} down`, "down", { class: "tiny", disabled: at === order.length - 1, onclick: () => move(at + 1) }),
        iconButton(`Take ${held.name} out`, "close", { class: "tiny", disabled: order.length === 1, onclick: () => save(profile, order.filter((one) => one !== held), `${held.name} is out of ${profile.name}.`) }),
      ),
    );
  }

  async function reorder(profile, order, from, to, focus = false) {
    const next = [...order];
    const [moved] = next.splice(from, 1);
    next.splice(to, 0, moved);
    const saving = save(profile, next, `${moved.name} has priority ${to + 1} in ${profile.name}.`);
    if (focus) document.querySelector(`[aria-label="${CSS.escape(profile.name)}"] [data-grip="${moved.pool_id}"]`)?.focus();
    await saving;
  }

  const add = (profile, order, pool) => save(profile, [...order, { pool_id: pool._id, name: pool.name, host: pool.host, port: pool.port, status: pool.health.status }], `${pool.name} is in ${profile.name}.`);

  async function save(profile, order, said) {
    // Shown at once, and taken back where the API refuses.
    pending.set(profile._id, order);
    ctx.redraw();
    await attempt(() => v1("PUT", `/v1/profiles/${profile._id}`, { pools: order.map(({ pool_id }) => ({ pool_id })) }), said);
    await ctx.refresh();
    if (pending.get(profile._id) === order) pending.delete(profile._id);
    ctx.redraw();
  }

  async function create(pools) {
    const algorithms = [...new Set(pools.map((pool) => pool.algorithm))];
    const wish = { name: "", algorithm: algorithms[0], pools: [] };
    const body = () => ({ ...wish, pools: wish.pools.map((id) => ({ pool_id: id })) });
    const done = await formDialog("Add a profile", {
      submit: "Add",
      fields: (dialog) => [
        field("Name", h("input", { type: "text", maxlength: 100, value: wish.name, oninput: (event) => (wish.name = event.target.value) })),
        field("Algorithm", select("Algorithm", algorithms.map((one) => [one, one]), wish.algorithm, (value) => {
          wish.algorithm = value;
          wish.pools = [];
          dialog.redraw();
        })),
        h(
          "fieldset",
          {},
          h("legend", {}, "Pools, in the order in which they are ticked"),
          pools
            .filter((pool) => pool.algorithm === wish.algorithm)
            .map((pool) =>
              h(
                "label",
                { class: "check", key: pool._id },
                h("input", {
                  type: "checkbox",
                  checked: wish.pools.includes(pool._id),
                  onchange: (event) => {
                    wish.pools = event.target.checked ? [...wish.pools, pool._id] : wish.pools.filter((id) => id !== pool._id);
                    dialog.redraw();
                  },
                }),
                h("span", {}, wish.pools.includes(pool._id) ? `${wish.pools.indexOf(pool._id) + 1}. ${pool.name}` : pool.name),
              ),
            ),
        ),
      ],
      preview: () => ({ method: "POST", path: "/v1/profiles", body: body() }),
      send: () => v1("POST", "/v1/profiles", body()),
    });
    if (!done) return;
    toast(`${done.name} is added${done.is_default ? ", as the default" : ""}.`, { tone: "good", call: done.call });
    ctx.refreshAll();
  }

  async function rename(profile) {
    let name = profile.name;
    const path = `/v1/profiles/${profile._id}`;
    const done = await formDialog(`Rename ${profile.name}`, {
      submit: "Rename",
      fields: () => field("Name", h("input", { type: "text", maxlength: 100, value: name, oninput: (event) => (name = event.target.value) })),
      preview: () => ({ method: "PUT", path, body: { name } }),
      send: () => v1("PUT", path, { name }),
    });
    if (done) ctx.refreshAll();
  }

  async function makeDefault(profile) {
    await attempt(() => v1("POST", `/v1/profiles/${profile._id}/default`), `${profile.name} is the default of ${profile.algorithm}.`);
    ctx.refreshAll();
  }

  async function remove(profile, profiles, workers) {
    const heir = profiles.find((one) => one.is_default && one.algorithm === profile.algorithm);
    const path = `/v1/profiles/${profile._id}`;
    const text = profile.is_default
      ? "The default profile of its algorithm is kept: the API refuses with 409. Make another the default first."
      : `${workers ? `Its ${plural(workers, "worker")}` : "Workers on it"} will move to ${heir?.name ?? "the default"}, the default of ${profile.algorithm}.`;
    const done = await confirmDialog(`Delete ${profile.name}?`, text, { send: () => v1("DELETE", path), preview: () => ({ method: "DELETE", path }) });
    if (!done) return;
    forgetSeries();
    const moved = done.migrated_workers;
    toast(`${profile.name} is deleted${moved ? `; ${count(moved)} workers moved to ${heir?.name ?? "the default"}` : ""}.`, { tone: "good", call: done.call });
    ctx.refreshAll();
  }

  return { load, view };
}
