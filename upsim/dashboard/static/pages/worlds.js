// Worlds: isolated universes in one process. A visitor of a public sandbox has one, and sees no other.

import { control, rememberKeys, state, worldPath } from "../api.js";
import { h } from "../dom.js";
import { count, moment } from "../format.js";
import { forgetSeries } from "../series.js";
import { attempt, badge, button, confirmDialog, copyButton, field, formDialog, openDialog, select, toast } from "../ui.js";

export function worldsPage(ctx) {
  const load = async () => (state.sandbox ? { worlds: [] } : { worlds: (await control("GET", "/_upsim/worlds", undefined, { quiet: true })).data });

  function view({ worlds }) {
    const world = ctx.shell.world;
    if (!world) return null;
    return h(
      "div",
      { class: "stack" },
      h(
        "section",
        { class: "card pad", "aria-labelledby": "this-world" },
        h("header", { class: "page-head" }, h("h2", { id: "this-world", class: "break" }, state.sandbox ? "Your world" : world.id), button("Reset to its fixture", { onclick: reset })),
        state.sandbox && h("div", { class: "secret" }, h("code", { tabindex: 0 }, location.href.split("#")[0]), copyButton(location.href.split("#")[0], "Copy the link")),
        state.sandbox && h("p", { class: "dim" }, "Whoever has this link has this world. It ends by itself."),
        h(
          "dl",
          { class: "pairs" },
          h("dt", {}, "Fixture"),
          h("dd", {}, world.fixture),
          h("dt", {}, "Seed"),
          h("dd", {}, String(world.seed)),
          h("dt", {}, "Ends"),
          h("dd", {}, world.expires_at ? `${moment(world.expires_at)} UTC, by the wall's clock` : "never"),
          h("dt", {}, "Calls so far"),
          h("dd", {}, count(world.journal_mark)),
          Object.entries(world.caps).map(([name, cap]) => [h("dt", {}, `At most ${name}`), h("dd", {}, count(cap))]),
        ),
        h("h3", {}, "Accounts"),
        h("div", { class: "table-wrap" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Name"), h("th", {}, "Tier"), h("th", { class: "number" }, "Workers"), h("th", { class: "number" }, "Pools"), h("th", { class: "number" }, "Profiles"))), h("tbody", {}, world.accounts.map((one) => h("tr", { key: one.id }, h("td", {}, h("button", { type: "button", class: "link", onclick: () => ctx.switchAccount(one.name) }, one.name), one.name === state.account && " (shown)"), h("td", {}, one.tier === "vip" ? badge("VIP", "vip") : badge("Basic")), h("td", { class: "number" }, count(one.workers)), h("td", { class: "number" }, count(one.pools)), h("td", { class: "number" }, count(one.profiles))))))),
        h(
          "form",
          {
            class: "row",
            onsubmit: async (event) => {
              event.preventDefault();
              const { name, tier } = event.target.elements;
              if (await attempt(() => control("POST", worldPath("/accounts"), { name: name.value, tier: tier.value }), (made) => `Account ${made.name} is there.`)) name.value = "";
              ctx.refreshAll();
            },
          },
          h("input", { type: "text", name: "name", required: true, maxlength: 63, placeholder: "new account", "aria-label": "Name of a new account" }),
          h("select", { name: "tier", "aria-label": "Tier of the new account" }, h("option", { value: "basic" }, "Basic"), h("option", { value: "vip" }, "VIP")),
          h("button", { type: "submit", class: "button" }, "Add account"),
        ),
      ),
      !state.sandbox &&
        h(
          "section",
          { class: "card", "aria-labelledby": "worlds-title" },
          h("header", { class: "card-head" }, h("h2", { id: "worlds-title" }, "Worlds of this server"), button("Create a world", { class: "primary", onclick: create }, "plus")),
          h(
            "div",
            { class: "table-wrap" },
            h(
              "table",
              { class: "cards-on-phone" },
              h("thead", {}, h("tr", {}, ["Name", "Fixture", "Its time", "Ends", ""].map((title) => h("th", { key: title }, title || h("span", { class: "unseen" }, "Actions"))))),
              h("tbody", {}, worlds.map(line)),
            ),
          ),
        ),
    );
  }

  const line = (world) =>
    h(
      "tr",
      { key: world.id, class: world.id === state.world ? "selected" : "" },
      h("td", { class: "name", title: world.id }, world.id),
      h("td", { "data-label": "Fixture" }, `${world.fixture}, seed ${world.seed}`),
      h("td", { class: "nowrap", "data-label": "Its time" }, moment(world.clock.now), world.clock.frozen && h("span", { class: "dim" }, " frozen")),
      h("td", { class: "nowrap", "data-label": "Ends" }, world.expires_at ? moment(world.expires_at) : h("span", { class: "dim" }, "never")),
      h(
        "td",
        { class: "number" },
        h(
          "span",
          { class: "row end" },
          world.id === state.world ? badge("shown", "good") : button("Switch", { class: "small", "aria-label": `Switch to ${world.id}`, onclick: () => ctx.switchWorld(world.id) }),
          world.id !== state.about.default_world && button("Delete", { class: "small danger-text", "aria-label": `Delete ${world.id}`, onclick: () => remove(world) }),
        ),
      ),
    );

  async function create() {
    const wish = { id: "", fixture: state.about.fixtures.includes("demo") ? "demo" : state.about.fixtures[0], seed: 1, tier: "", expires_in: "", freeze: false };
    const body = () => ({
      ...(wish.id ? { id: wish.id } : {}),
      fixture: wish.fixture,
      seed: Number(wish.seed),
      ...(wish.tier ? { tier: wish.tier } : {}),
      ...(wish.expires_in ? { expires_in: wish.expires_in } : {}),
      ...(wish.freeze ? { clock: { freeze: true } } : {}),
    });
    const input = (name, props) => h("input", { ...props, value: wish[name], oninput: (event) => (wish[name] = event.target.value) });
    const made = await formDialog("Create a world", {
      submit: "Create",
      fields: () => [
        h(
          "div",
          { class: "two" },
          field("Name", input("id", { type: "text", maxlength: 63, placeholder: "a fresh one" })),
          field("Fixture", select("Fixture", state.about.fixtures.map((one) => [one, one]), wish.fixture, (value) => (wish.fixture = value))),
          field("Seed", input("seed", { type: "number", min: 0 }), "what chance follows from"),
          field("Tier of its accounts", select("Tier", [["", "as in the fixture"], ["vip", "VIP"], ["basic", "Basic"]], wish.tier, (value) => (wish.tier = value))),
          field("Ends in", input("expires_in", { type: "text", placeholder: "never" }), "such as 30m, 2h, 1d"),
        ),
        h("label", { class: "check" }, h("input", { type: "checkbox", checked: wish.freeze, onchange: (event) => (wish.freeze = event.target.checked) }), h("span", {}, "Begin with its clock frozen")),
      ],
      preview: () => ({ method: "POST", path: "/_upsim/worlds", body: body() }),
      send: () => control("POST", "/_upsim/worlds", body()),
    });
    if (!made) return;
    rememberKeys(made);
    await openDialog(`World ${made.id}`, (dialog) =>
      h(
        "div",
        {},
        h(
          "div",
          { class: "dialog-body" },
          h("p", {}, "Its keys are shown only now. A call under /v1 lands in the world of its key."),
          made.accounts.flatMap((account) => account.keys.map((key) => h("div", { class: "secret", key: key.id }, h("span", {}, `${account.name}, ${key.name}`), h("code", { tabindex: 0 }, key.key), copyButton(key.key)))),
        ),
        h("footer", {}, button("Switch to it", { class: "primary", onclick: () => dialog.close(true) })),
      ),
      { wide: true },
    );
    await ctx.switchWorld(made.id);
    toast(`This is world ${made.id}.`, { tone: "good", call: made.call });
  }

  async function reset() {
    const done = await confirmDialog("Reset this world?", "Content, faults, behaviours and journal become what the fixture says. Its first keys, clock and seed stay.", { submit: "Reset", send: () => control("POST", worldPath("/reset")), preview: () => ({ method: "POST", path: worldPath("/reset") }) });
    if (!done) return;
    forgetSeries();
    toast("The world is what its fixture says.", { tone: "good", call: done.call });
    ctx.refreshAll();
  }

  async function remove(world) {
    const path = `/_upsim/worlds/${encodeURIComponent(world.id)}`;
    const done = await confirmDialog(`Delete ${world.id}?`, "The world ends with all that is in it, and its keys open nothing.", { send: () => control("DELETE", path), preview: () => ({ method: "DELETE", path }) });
    if (!done) return;
    toast(`${world.id} has ended.`, { tone: "good", call: done.call });
    if (world.id === state.world) await ctx.switchWorld(state.about.default_world);
    else ctx.refresh();
  }

  return { load, view };
}
