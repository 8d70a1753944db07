// Settings of the account: its API keys, its tier, and how much of the present window is spent.

import { accountPath, control, state, v1, worldPath } from "../api.js";
import { h } from "../dom.js";
import { count, moment } from "../format.js";
import { attempt, badge, button, confirmDialog, copyButton, empty, field, formDialog, meter, openDialog, segmented, toast } from "../ui.js";

export function settingsPage(ctx) {
  const load = async () => ({ keys: (await control("GET", accountPath("/keys"), undefined, { quiet: true })).data });

  function view({ keys }) {
    const account = ctx.shell.accounts.find((one) => one.name === state.account);
    if (!account) return null;
    return h("div", { class: "stack" }, h("div", { class: "two-cards" }, limits(account), tier(account)), keysCard(keys, account), reads());
  }

  function limits(account) {
    const { limit, used, reset } = account.window;
    const left = Math.max(0, reset - ctx.now() / 1000);
    const frozen = ctx.shell.world?.clock.frozen;
    return h(
      "section",
      { class: "card pad", "aria-labelledby": "limits-title" },
      h("h2", { id: "limits-title" }, "Rate limit"),
      h("p", { class: "big-number" }, count(Math.max(0, limit - used)), h("span", { class: "dim" }, ` of ${limit} requests left`)),
      meter("Requests used in this window", used, limit, used >= limit ? "bad" : used > limit * 0.7 ? "warn" : ""),
      h("p", { class: "dim" }, frozen ? "The window stands still with the world's clock." : `The window ends in ${Math.ceil(left)} s of the world's time.`),
      used > limit && h("p", { class: "warn-text" }, `${count(used - limit)} more were refused with 429.`),
      h(
        "div",
        { class: "row" },
        button("Spend one", { onclick: () => attempt(() => v1("GET", "/v1/overview"), "GET /v1/overview: one request spent.").then(ctx.refreshAll) }),
        button("Open the next window", { onclick: () => attempt(() => control("POST", worldPath("/clock"), { advance: Math.max(1, Math.ceil(left)) }), "The clock went on to the next window.").then(ctx.refreshAll) }),
      ),
    );
  }

  function tier(account) {
    const rows = [["Requests a minute", "requests"], ["API keys", "keys"], ["Pools of an algorithm", "pools"], ["Profiles of an algorithm", "profiles"]];
    const allowed = state.about.tiers[account.tier];
    return h(
      "section",
      { class: "card pad", "aria-labelledby": "tier-title" },
      h("h2", { id: "tier-title" }, "Tier"),
      segmented("Tier", [["basic", "Basic"], ["vip", "VIP"]], account.tier, (value) =>
        attempt(() => control("POST", accountPath(), { tier: value }), `${account.name} is ${value === "vip" ? "a VIP" : "basic"} now; its rate limit follows with the next window.`).then(ctx.refreshAll),
      ),
      h("dl", { class: "pairs" }, rows.map(([label, name]) => [h("dt", {}, label), h("dd", {}, allowed[name] === null ? "unlimited" : count(allowed[name]))])),
      h("p", { class: "dim small" }, "Only a simulator lets you switch: quotas change at once, the rate limit with the next window."),
    );
  }

  function keysCard(keys, account) {
    const alive = keys.filter((key) => !key.revoked_at);
    const gone = keys.length - alive.length;
    return h(
      "section",
      { class: "card", "aria-labelledby": "keys-title" },
      h("header", { class: "card-head" }, h("h2", { id: "keys-title" }, "API keys"), button("Create a key", { class: "primary", onclick: () => create(account) }, "plus")),
      alive.length === 0
        ? empty("No keys", "A program needs one to call /v1.")
        : h(
            "div",
            { class: "table-wrap" },
            h(
              "table",
              { class: "cards-on-phone" },
              h("thead", {}, h("tr", {}, ["Name", "Key", "Scopes", "Addresses", "Expires", ""].map((title) => h("th", { key: title }, title || h("span", { class: "unseen" }, "Actions"))))),
              h(
                "tbody",
                {},
                alive.map((key) =>
                  h(
                    "tr",
                    { key: key.id },
                    h("td", { class: "name", title: key.name }, key.name),
                    h("td", { "data-label": "Key" }, h("code", {}, key.hint)),
                    h("td", { "data-label": "Scopes" }, key.scopes.length === state.about.scopes.length ? badge("all") : h("span", { class: "badges" }, key.scopes.map((scope) => badge(scope, "", { key: scope })))),
                    h("td", { class: "break", "data-label": "Addresses" }, key.addresses.length ? key.addresses.join(", ") : h("span", { class: "dim" }, "any")),
                    h("td", { class: "nowrap", "data-label": "Expires" }, key.expires_at ? moment(key.expires_at).slice(0, 16) : h("span", { class: "dim" }, "never")),
                    h("td", { class: "number" }, button("Revoke", { class: "small danger-text", "aria-label": `Revoke ${key.name}`, onclick: () => revoke(key) })),
                  ),
                ),
              ),
            ),
          ),
      gone > 0 && h("p", { class: "dim small pad" }, `${count(gone)} revoked ${gone === 1 ? "key is" : "keys are"} not shown.`),
    );
  }

  const reads = () =>
    h(
      "section",
      { class: "card pad", "aria-labelledby": "reads-title" },
      h("h2", { id: "reads-title" }, "How this page reads"),
      segmented("Reads", [["look", "Free looks"], ["api", "Through /v1"]], state.viaApi ? "api" : "look", (value) => {
        state.viaApi = value === "api";
        ctx.redraw();
      }),
      h("p", { class: "dim small" }, "Looks show what /v1 would answer and cost nothing, so an open page leaves the rate limit alone. Through /v1 each reading is a request: faults and limits strike this page as any client, and it refreshes only when told."),
    );

  async function create() {
    const wish = { name: "", scopes: [...state.about.scopes], addresses: "", expires_at: "" };
    const path = accountPath("/keys");
    const body = () => ({
      name: wish.name || "key",
      scopes: wish.scopes,
      ...(wish.addresses.trim() ? { addresses: wish.addresses.split(/[\s,]+/).filter(Boolean) } : {}),
      ...(wish.expires_at ? { expires_at: `${wish.expires_at}:00Z` } : {}),
    });
    const done = await formDialog("Create an API key", {
      submit: "Create",
      fields: (dialog) => [
        field("Name", h("input", { type: "text", maxlength: 100, value: wish.name, placeholder: "what you call it", oninput: (event) => (wish.name = event.target.value) })),
        h(
          "fieldset",
          {},
          h("legend", {}, "Scopes"),
          h(
            "div",
            { class: "two tight" },
            state.about.scopes.map((scope) =>
              h(
                "label",
                { class: "check", key: scope },
                h("input", {
                  type: "checkbox",
                  checked: wish.scopes.includes(scope),
                  onchange: (event) => {
                    wish.scopes = state.about.scopes.filter((one) => (one === scope ? event.target.checked : wish.scopes.includes(one)));
                    dialog.redraw();
                  },
                }),
                h("code", {}, scope),
              ),
            ),
          ),
        ),
        field("Addresses", h("textarea", { rows: 2, placeholder: "any", value: wish.addresses, oninput: (event) => (wish.addresses = event.target.value) }), "Addresses and networks that may use it, such as 10.0.0.0/8; none means any"),
        field("Expires (UTC)", h("input", { type: "datetime-local", value: wish.expires_at, oninput: (event) => (wish.expires_at = event.target.value) }), "By the world's clock; never where it is left empty"),
      ],
      preview: () => ({ method: "POST", path, body: body() }),
      send: () => control("POST", path, body()),
    });
    if (!done) return;
    ctx.refresh();
    await openDialog("Your new key", (dialog) =>
      h(
        "div",
        {},
        h("div", { class: "dialog-body" }, h("p", {}, "It is shown only now. Afterwards nobody can, only its first characters."), h("div", { class: "secret" }, h("code", { tabindex: 0 }, done.key), copyButton(done.key))),
        h("footer", {}, button("I have it", { class: "primary", onclick: () => dialog.close() })),
      ),
    );
  }

  async function revoke(key) {
    const path = worldPath(`/keys/${key.id}`);
    const done = await confirmDialog(`Revoke ${key.name}?`, `Programs that call with ${key.hint} are answered 401 from the next call on.`, { submit: "Revoke", send: () => control("DELETE", path), preview: () => ({ method: "DELETE", path }) });
    if (!done) return;
    toast(`${key.name} opens nothing any more.`, { tone: "good", call: done.call });
    ctx.refreshAll();
  }

  return { load, view };
}
