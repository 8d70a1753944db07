// Workers: found, chosen by the many, assigned; and, since this is a simulation, added and taken offline.

import { accountPath, control, read, state, v1 } from "../api.js";
import { h } from "../dom.js";
import { clockTime, count, hashrate, moment, plural } from "../format.js";
import { live, profiles } from "../lists.js";
import { algorithm, forgetSeries, unitOf } from "../series.js";
import { attempt, button, complain, confirmDialog, empty, field, formDialog, liveBadge, pager, select, statusBadge, toast } from "../ui.js";

const PAGE = 50;
const MOST = 10_000;

export function workersPage(ctx) {
  const selected = new Map(); // id -> algorithm
  let gathering = null;

  const filters = () => {
    const { search, algorithm: wanted, status, profile_id: profile } = ctx.query;
    return { search, algorithm: wanted, status, profile_id: profile };
  };
  const set = (changes) => ctx.go("/workers", { ...ctx.query, page: "", ...changes });

  async function load() {
    const page = Math.max(1, Number.parseInt(ctx.query.page ?? "1", 10) || 1);
    const [workers, known, miners] = await Promise.all([read("/v1/workers", { ...filters(), page, limit: PAGE }), profiles(), live()]);
    return { ...workers, profiles: known, miners };
  }

  function view({ data, pagination, profiles: known, miners }) {
    const query = ctx.query;
    const mined = [...new Set(known.map((profile) => profile.algorithm))];
    const all = data.length > 0 && data.every((worker) => selected.has(worker._id));
    const some = data.some((worker) => selected.has(worker._id));
    const filtered = Object.values(filters()).some(Boolean);
    return h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "toolbar" },
        h("input", { type: "search", class: "grow", "aria-label": "Search workers by name", placeholder: "Search by name", value: query.search ?? "", oninput: later((event) => set({ search: event.target.value })) }),
        select("Algorithm", [["", "All algorithms"], ...mined.map((one) => [one, one])], query.algorithm ?? "", (value) => set({ algorithm: value, profile_id: "" })),
        select("Status", [["", "Any status"], ["online", "online"], ["offline", "offline"]], query.status ?? "", (value) => set({ status: value })),
        select("Profile", [["", "All profiles"], ...known.filter((one) => !query.algorithm || one.algorithm === query.algorithm).map((one) => [one._id, one.name])], query.profile_id ?? "", (value) => set({ profile_id: value })),
        button("Add workers", { onclick: () => addWorkers(known), disabled: known.length === 0, title: known.length ? "" : "A profile is needed first" }, "plus"),
      ),
      h(
        "div",
        { class: `bulk ${selected.size ? "" : "idle"}` },
        h("strong", { "aria-live": "polite" }, selected.size ? `${plural(selected.size, "worker")} selected` : "Select workers to move or change them"),
        selected.size > 0 && [
          button("Assign to a profile", { class: "primary small", key: "assign", onclick: () => assign(known) }),
          select("Simulate", [["", "Simulate …"], ["offline", "always offline"], ["online", "always online"], ["flapping", "flapping"], ["auto", "as chance has it"], ["retire", "retire"]], "", simulate, { key: "simulate", class: "small" }),
          all && pagination.total > data.length && selected.size < Math.min(pagination.total, MOST) &&
            button(gathering ?? `Select all ${count(Math.min(pagination.total, MOST))}`, { class: "small", key: "all", disabled: Boolean(gathering), onclick: () => selectAll(pagination.total) }),
          button("Clear", { class: "small", key: "clear", onclick: () => (selected.clear(), ctx.redraw()) }),
        ],
      ),
      data.length === 0
        ? filtered
          ? empty("No worker matches", "Loosen the filters to see more.", button("Clear filters", { onclick: () => ctx.go("/workers") }))
          : empty("No workers yet", known.length ? "Add some: pick a machine, a profile and how many." : "A worker mines on a profile, and a profile needs a pool: add one first.", known.length ? button("Add workers", { class: "primary", onclick: () => addWorkers(known) }, "plus") : h("a", { class: "button primary", href: "#/pools" }, "Pools"))
        : h(
            "section",
            { class: "card", "aria-label": "Workers" },
            h(
              "div",
              { class: "table-wrap" },
              h(
                "table",
                { class: "cards-on-phone" },
                h(
                  "thead",
                  {},
                  h(
                    "tr",
                    {},
                    h("th", { class: "tick" }, h("input", { type: "checkbox", "aria-label": "Select all on this page", checked: all, indeterminate: some && !all, onchange: (event) => tick(data, event.target.checked) })),
                    h("th", {}, "Name"),
                    h("th", {}, "Status"),
                    h("th", { class: "number" }, "Hashrate"),
                    h("th", {}, "Algorithm"),
                    h("th", {}, "Profile"),
                    h("th", {}, "Pool"),
                    h("th", { class: "number" }, "Shares"),
                    h("th", {}, "Last seen"),
                  ),
                ),
                h("tbody", {}, data.map((worker) => line(worker, miners.has(worker._id)))),
              ),
            ),
          ),
      pager(pagination.page, pagination.total_pages, pagination.total, "worker", (page) => ctx.go("/workers", { ...ctx.query, page })),
    );
  }

  function line(worker, isLive) {
    const { accepted, stale, rejected } = worker.shares;
    return h(
      "tr",
      { key: worker._id, class: selected.has(worker._id) ? "selected" : "" },
      h("td", { class: "tick" }, h("input", { type: "checkbox", "aria-label": `Select ${worker.name}`, checked: selected.has(worker._id), onchange: (event) => tick([worker], event.target.checked) })),
      h("td", { class: "name" }, h("a", { href: `#/workers/${worker._id}`, title: worker.name }, worker.name)),
      h("td", { "data-label": "Status" }, statusBadge(worker.status), isLive && [" ", liveBadge()]),
      h("td", { class: "number", "data-label": "Hashrate" }, hashrate(worker.hashrate, unitOf(worker.algorithm))),
      h("td", { "data-label": "Algorithm" }, worker.algorithm),
      h("td", { class: "clip", "data-label": "Profile", title: worker.profile_name }, worker.profile_name),
      h("td", { class: "clip", "data-label": "Pool", title: worker.pool_name ?? "" }, worker.pool_name ?? h("span", { class: "dim" }, "none")),
      h("td", { class: "number", "data-label": "Shares", title: `${count(accepted)} accepted, ${count(stale)} stale, ${count(rejected)} rejected` }, count(accepted), stale + rejected > 0 && h("span", { class: "dim" }, ` −${count(stale + rejected)}`)),
      h("td", { class: "nowrap", "data-label": "Last seen", title: moment(worker.last_seen_at) }, worker.last_seen_at ? ago(worker.last_seen_at) : "–"),
    );
  }

  const ago = (text) => (moment(text).slice(0, 10) === moment(ctx.now()).slice(0, 10) ? clockTime(text) : moment(text).slice(0, 10));

  function tick(workers, on) {
    for (const worker of workers) {
      if (on && selected.size < MOST) selected.set(worker._id, worker.algorithm);
      else selected.delete(worker._id);
    }
    ctx.redraw();
  }

  async function selectAll(total) {
    const pages = Math.ceil(Math.min(total, MOST) / 100);
    try {
      for (let page = 1; page <= pages; page += 1) {
        gathering = `Selecting … ${Math.round((100 * page) / pages)} %`;
        ctx.redraw();
        const found = await read("/v1/workers", { ...filters(), page, limit: 100 });
        for (const worker of found.data) if (selected.size < MOST) selected.set(worker._id, worker.algorithm);
      }
      if (total > MOST) toast(`One call takes at most ${count(MOST)} workers, so the first ${count(MOST)} are selected.`, { tone: "warn" });
    } catch (error) {
      complain(error);
    }
    gathering = null;
    ctx.redraw();
  }

  async function assign(known) {
    const algorithms = new Set(selected.values());
    const fitting = known.filter((profile) => algorithms.has(profile.algorithm));
    let target = fitting[0]?._id;
    const body = () => ({ worker_ids: [...selected.keys()], profile_id: target });
    const done = await formDialog(`Assign ${plural(selected.size, "worker")}`, {
      submit: "Assign",
      fields: () => [
        algorithms.size > 1 && h("p", { class: "warn-text" }, `The selection mixes ${[...algorithms].join(", ")}: a profile takes workers of its own algorithm only, so the API will refuse it as a whole.`),
        field("Profile", select("Profile", fitting.map((profile) => [profile._id, `${profile.name} (${profile.algorithm})`]), target, (value) => (target = value))),
      ],
      preview: () => (selected.size > 20 ? null : { method: "POST", path: "/v1/workers/bulk-assign", body: body() }),
      send: () => v1("POST", "/v1/workers/bulk-assign", body()),
    });
    if (!done) return;
    forgetSeries();
    toast(`${plural(done.assigned ?? selected.size, "worker")} assigned.`, { tone: "good", call: done.call });
    selected.clear();
    ctx.refreshAll();
  }

  async function simulate(action) {
    if (!action) return;
    const body = { worker_ids: [...selected.keys()], action };
    const path = accountPath("/workers/change");
    let done;
    if (action === "retire") {
      done = await confirmDialog("Retire workers", `${plural(selected.size, "worker")} will mine no more, for good.`, { submit: "Retire", send: () => control("POST", path, body) });
      if (done) toast(`${plural(done.changed, "worker")} retired.`, { tone: "good", call: done.call });
    } else {
      done = await attempt(() => control("POST", path, body), (result) => `${plural(result.changed, "worker")}: ${action} from now on.`);
    }
    if (done) forgetSeries();
    ctx.refreshAll();
  }

  async function addWorkers(known) {
    const wish = { name: "rig-{n:03}", count: 10, profile_id: (known.find((one) => one.is_default) ?? known[0])._id, model: "" };
    const fitting = () => state.about.models.filter((one) => one.algorithm === known.find((profile) => profile._id === wish.profile_id)?.algorithm);
    wish.model = fitting()[0]?.model;
    const path = accountPath("/workers");
    const done = await formDialog("Add workers", {
      submit: "Add",
      fields: (dialog) => [
        h("p", { class: "dim" }, "Only a simulator can do this: machines that mine from now on."),
        field("Profile", select("Profile", known.map((profile) => [profile._id, `${profile.name} (${profile.algorithm})`]), wish.profile_id, (value) => {
          wish.profile_id = value;
          wish.model = fitting()[0]?.model;
          dialog.redraw();
        })),
        field("Machine", select("Machine", fitting().map((one) => [one.model, `${one.name}, ${hashrate(one.nominal, algorithm(one.algorithm).unit)}`]), wish.model, (value) => (wish.model = value))),
        field("Name", h("input", { type: "text", maxlength: 80, value: wish.name, oninput: (event) => (wish.name = event.target.value) }), "{n} or {n:03} stands for the number"),
        field("How many", h("input", { type: "number", min: 1, max: 100000, value: wish.count, oninput: (event) => (wish.count = Number(event.target.value)) })),
      ],
      preview: () => ({ method: "POST", path, body: wish }),
      send: () => control("POST", path, wish),
    });
    if (!done) return;
    forgetSeries();
    toast(`${plural(done.spawned, "worker")} added.`, { tone: "good", call: done.call });
    ctx.refreshAll();
  }

  return { load, view };
}

/** The same listener, once the typing has stopped for a moment. */
function later(listener, ms = 250) {
  return (event) => {
    clearTimeout(event.target.upsimTimer);
    event.target.upsimTimer = setTimeout(() => listener(event), ms);
  };
}
