// Pools: tested in three stages before they are saved, kept while a profile holds them; and how each shall behave.

import { control, read, state, v1, worldPath } from "../api.js";
import { h, icon } from "../dom.js";
import { count, moment } from "../format.js";
import { attempt, button, confirmDialog, empty, field, formDialog, openDialog, pager, problem, select, statusBadge, toast } from "../ui.js";

const STAGES = ["connectivity", "subscription", "authorization"];
const MEANING = { connectivity: "reach the host and port", subscription: "ask for work", authorization: "log in with user name and password" };
const PAGE = 24;

export function poolsPage(ctx) {
  const set = (changes) => ctx.go("/pools", { ...ctx.query, page: "", ...changes });

  async function load() {
    const { algorithm, status } = ctx.query;
    const page = Math.max(1, Number.parseInt(ctx.query.page ?? "1", 10) || 1);
    const [pools, behaviours] = await Promise.all([
      read("/v1/pools", { algorithm, status, page, limit: PAGE }),
      control("GET", worldPath("/pools"), undefined, { quiet: true }),
    ]);
    return { ...pools, put: behaviours.data, behaviours: behaviours.behaviours };
  }

  function view({ data, pagination, put, behaviours }) {
    const query = ctx.query;
    const filtered = query.algorithm || query.status;
    return h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "toolbar" },
        select("Algorithm", [["", "All algorithms"], ...state.about.algorithms.map((one) => [one.id, one.id])], query.algorithm ?? "", (value) => set({ algorithm: value })),
        select("Health", [["", "Any health"], ...["healthy", "unhealthy", "unknown"].map((one) => [one, one])], query.status ?? "", (value) => set({ status: value })),
        h("span", { class: "spring" }),
        button("Add a pool", { class: "primary", onclick: () => edit(null, behaviours) }, "plus"),
      ),
      data.length === 0
        ? filtered
          ? empty("No pool matches", "Loosen the filters to see more.", button("Clear filters", { onclick: () => ctx.go("/pools") }))
          : empty("No pools yet", "A pool is tested before it is saved; the first of its algorithm brings a default profile.", button("Add a pool", { class: "primary", onclick: () => edit(null, behaviours) }, "plus"))
        : h("div", { class: "grid" }, data.map((pool) => card(pool, put, behaviours))),
      pager(pagination.page, pagination.total_pages, pagination.total, "pool", (page) => ctx.go("/pools", { ...ctx.query, page })),
    );
  }

  function card(pool, put, behaviours) {
    const { health } = pool;
    const own = put.find((one) => one.host === pool.host.toLowerCase() && one.port === pool.port);
    return h(
      "article",
      { class: "card pool", key: pool._id, "aria-label": pool.name },
      h("header", { class: "card-head" }, h("h2", { title: pool.name }, pool.name), statusBadge(health.status)),
      h(
        "dl",
        { class: "pairs" },
        h("dt", {}, "Algorithm"),
        h("dd", {}, pool.algorithm),
        h("dt", {}, "Address"),
        h("dd", { class: "break" }, h("code", {}, `${pool.host}:${pool.port}`), pool.tls && h("span", { class: "tls" }, icon("lock"), "TLS")),
        h("dt", {}, "User"),
        h("dd", { class: "clip", title: pool.username }, pool.username),
        h("dt", {}, "Latency"),
        h("dd", {}, health.latency_ms === null ? "–" : `${health.latency_ms} ms`),
        h("dt", {}, "Checked"),
        h("dd", {}, health.last_checked_at ? `${moment(health.last_checked_at).slice(0, 16)} UTC` : "never"),
        health.last_error && [h("dt", {}, "Error"), h("dd", { class: "bad-text break" }, `${health.last_error}${health.consecutive_failures > 1 ? ` (${count(health.consecutive_failures)} times)` : ""}`)],
      ),
      field(
        "Simulated behaviour",
        select("Behaviour of the simulated pool", [["", "by its name"], ...Object.keys(behaviours).map((name) => [name, name])], own?.behaviour ?? "", (value) => behave(pool, value)),
        own && behaviours[own.behaviour],
      ),
      h(
        "footer",
        { class: "row" },
        button("Test", { class: "small", onclick: () => test(pool) }),
        button("Edit", { class: "small", onclick: () => edit(pool, behaviours) }),
        button("Delete", { class: "small danger-text", onclick: () => remove(pool) }),
      ),
    );
  }

  async function behave(pool, behaviour) {
    const body = { host: pool.host, port: pool.port, behaviour: behaviour || null };
    await attempt(() => control("POST", worldPath("/pools"), body), behaviour ? `${pool.host}:${pool.port} is ${behaviour} from the next connection on. Test it.` : `${pool.host}:${pool.port} behaves by its name again.`);
    ctx.refresh();
  }

  async function test(pool) {
    await testDialog(pool.name, { pool_id: pool._id });
    ctx.refreshAll();
  }

  async function edit(pool, behaviours) {
    const wish = pool
      ? { name: pool.name, algorithm: pool.algorithm, host: pool.host, port: pool.port, tls: pool.tls, username: pool.username, password: "" }
      : { name: "", algorithm: state.about.algorithms[0].id, host: "", port: 3333, tls: false, username: "", password: "" };
    let stages = null;
    const method = pool ? "PUT" : "POST";
    const path = pool ? `/v1/pools/${pool._id}` : "/v1/pools";
    const body = () => {
      const sent = Object.fromEntries(Object.entries(wish).filter(([name, value]) => (pool ? value !== pool[name] && !(name === "password" && !value) : name !== "password" || value)));
      return sent;
    };
    const text = (name, props = {}) => h("input", { type: "text", value: wish[name], ...props, oninput: (event) => (wish[name] = props.type === "number" ? Number(event.target.value) : event.target.value) });
    const done = await formDialog(pool ? `Edit ${pool.name}` : "Add a pool", {
      submit: pool ? "Test and save" : "Test and add",
      wide: true,
      fields: () => [
        h(
          "div",
          { class: "two" },
          field("Name", text("name", { maxlength: 100, autocomplete: "off" })),
          field("Algorithm", select("Algorithm", state.about.algorithms.map((one) => [one.id, `${one.id} (${one.coins})`]), wish.algorithm, (value) => (wish.algorithm = value))),
          field("Host", text("host", { placeholder: "eu.pool.example", list: "magic-hosts", autocomplete: "off" }), "Any name is a healthy simulated pool; names such as refused.pool.test misbehave"),
          field("Port", text("port", { type: "number", min: 1, max: 65535 })),
          field("User name", text("username", { autocomplete: "off" })),
          field("Password", text("password", { type: "password", autocomplete: "new-password", placeholder: pool ? "unchanged" : "x" })),
        ),
        h("label", { class: "check" }, h("input", { type: "checkbox", checked: wish.tls, onchange: (event) => (wish.tls = event.target.checked) }), h("span", {}, "Connect with TLS")),
        h("datalist", { id: "magic-hosts" }, Object.keys(behaviours).map((name) => h("option", { key: name, value: `${name}.pool.test` }))),
        stages && stageList(stages),
      ],
      preview: () => ({ method, path, body: body() }),
      send: async (dialog) => {
        stages = STAGES.map((stage, i) => ({ stage, status: i ? "waiting" : "running" }));
        dialog.redraw();
        try {
          return await v1(method, path, body());
        } catch (error) {
          stages = stagesOf(error.message);
          throw error;
        }
      },
    });
    if (!done) return;
    const brought = done.created_profile_id ? " It brought a default profile." : "";
    toast(`${done.name} is saved.${brought}`, { tone: "good", call: done.call });
    ctx.refreshAll();
  }

  async function remove(pool) {
    const path = `/v1/pools/${pool._id}`;
    const done = await confirmDialog(`Delete ${pool.name}?`, "A pool that a profile holds is kept: the API refuses with 409 and names the profiles.", {
      send: () => v1("DELETE", path),
      preview: () => ({ method: "DELETE", path }),
    });
    if (!done) return;
    toast(`${pool.name} is deleted.`, { tone: "good", call: done.call });
    ctx.refreshAll();
  }

  return { load, view };
}

/** A test of a pool: its stages as they pass. The answer brings all three at once, with how long each took; they are
 * shown at the pace at which they happened. */
export function testDialog(name, body) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let stages = STAGES.map((stage, i) => ({ stage, status: i ? "waiting" : "running" }));
  let verdict = null;
  let failed = null;
  let began = false;
  return openDialog(`Test of ${name}`, (dialog) => {
    const run = async () => {
      try {
        const result = await v1("POST", "/v1/pools/test", body);
        for (const [i, found] of result.stages.entries()) {
          if (!still && found.status !== "skipped") await new Promise((resolve) => setTimeout(resolve, Math.min(600, 150 + (found.duration_ms ?? 0))));
          stages = stages.map((one, at) => (at === i ? found : at === i + 1 && found.status === "passed" ? { ...one, status: "running" } : one));
          dialog.redraw();
        }
        verdict = result;
      } catch (error) {
        stages = stages.map((one) => ({ ...one, status: "waiting" }));
        failed = error;
      }
      dialog.redraw();
    };
    if (!began) {
      began = true;
      run();
    }
    return h(
      "div",
      {},
      h(
        "div",
        { class: "dialog-body" },
        stageList(stages),
        failed && problem(failed),
        verdict && h("p", { class: verdict.success ? "good-text" : "bad-text", role: "status" }, verdict.success ? "All three stages passed: the pool is good." : "The pool did not pass."),
        verdict?.remarks.map((remark) => h("p", { class: "dim", key: remark }, remark)),
      ),
      h("footer", {}, button("Close", { class: "primary", onclick: () => dialog.close(verdict) })),
    );
  });
}

function stageList(stages) {
  return h(
    "ol",
    { class: "stages", "aria-live": "polite" },
    stages.map(({ stage, status, duration_ms: took, reason }) =>
      h(
        "li",
        { key: stage, class: status },
        h("span", { class: "stage-mark", "aria-hidden": "true" }, status === "passed" ? icon("check") : status === "failed" ? icon("close") : null),
        h("div", {}, h("strong", {}, stage), h("span", { class: "dim" }, ` ${MEANING[stage]}`), reason && h("p", { class: "bad-text break" }, reason)),
        h("span", { class: "dim nowrap" }, status === "passed" || status === "failed" ? (took === null || took === undefined ? status : `${took} ms`) : status),
      ),
    ),
  );
}

/** What a refusal says of the stages: the one it names failed, those before it passed. */
function stagesOf(message) {
  const failed = STAGES.findIndex((stage) => message.startsWith(`${stage}:`));
  if (failed < 0) return null;
  return STAGES.map((stage, i) => ({ stage, status: i < failed ? "passed" : i === failed ? "failed" : "skipped" }));
}
