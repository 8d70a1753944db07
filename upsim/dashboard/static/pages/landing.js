// The two pages of a public sandbox that belong to no world: before one has begun, and after it has ended.

import { control, rememberKeys, state } from "../api.js";
import { h } from "../dom.js";
import { count, duration } from "../format.js";
import { attempt, button, problem } from "../ui.js";

/** Where a visitor of a public sandbox begins. */
export function landing(error) {
  const { minutes, caps } = state.about.sandbox;
  return h(
    "main",
    { class: "alone" },
    h("img", { src: "/static/icon.svg", alt: "", width: 56, height: 56 }),
    h("h1", {}, "A mining proxy to play with"),
    h("p", {}, "upsim simulates the Ultimate Proxy mining API: workers, pools, profiles, keys and rate limits that really refuse. ", h("strong", {}, "It is a simulation: nothing is mined, nobody is paid.")),
    h("p", {}, `You get a world of your own, by a private link, for ${duration(minutes * 60)}: up to ${count(caps.workers)} workers an account and ${count(caps.calls)} calls. Nobody else sees it.`),
    error && problem(error),
    h("div", { class: "row" }, button("Open my world", { class: "primary big", onclick: visit }), h("a", { class: "button big", href: "/docs" }, "API reference")),
  );
}

/** What is shown by the link of a world that is over. */
export const goneWorld = () =>
  h("main", { class: "alone" }, h("img", { src: "/static/icon.svg", alt: "", width: 56, height: 56 }), h("h1", {}, "This world has ended"), h("p", {}, "Worlds of this sandbox end by themselves. A new one is a click away."), h("div", { class: "row" }, h("a", { class: "button primary big", href: "/" }, "Get a new world")));

async function visit() {
  const made = await attempt(() => control("POST", "/_upsim/visits"));
  if (!made) return;
  rememberKeys(made);
  location.assign(made.link);
}
