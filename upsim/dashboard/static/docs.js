// The API reference: /openapi.json for people. Whatever the document says of where it knows something from stands beside
// what it says, on every operation, rule, parameter, field, status and header; and each operation can be tried at once.

import { curl, recall, state, target } from "./api.js";
import { h, icon, render } from "./dom.js";
import { count } from "./format.js";
import { badge, button, copyButton, curlBlock, field, httpBadge, iconButton, problem, select } from "./ui.js";

const LEVELS = {
  documented: "The vendor's public reference says so.",
  observed: "The vendor's own client does so.",
  assumed: "Both are silent: upsim decides what an experienced user would expect.",
};
const page = { spec: null, about: null, error: null, levels: new Set(Object.keys(LEVELS)), search: "", menu: false, trials: new Map(), opened: new Set(), here: "" };

/** A part that is drawn when it is opened: there are hundreds, and few are looked at. */
function drawer(id, props, summary, content) {
  const open = page.opened.has(id);
  return h(
    "details",
    {
      ...props,
      key: id,
      open,
      ontoggle: (event) => {
        if (event.target.open === page.opened.has(id)) return;
        if (event.target.open) page.opened.add(id);
        else page.opened.delete(id);
        draw();
      },
    },
    h("summary", {}, summary),
    open && content(),
  );
}

const draw = () => render(document.getElementById("app"), view());

function resolved(node) {
  if (!node?.$ref) return node;
  let found = page.spec;
  for (const step of node.$ref.slice(2).split("/")) found = found[step.replaceAll("~1", "/").replaceAll("~0", "~")];
  // What stands beside a reference says more of this place than what it refers to.
  const { $ref, ...beside } = node;
  return { ...resolved(found), ...beside };
}

const levelOf = (node) => node?.["x-provenance"]?.level;
const shown = (node) => !levelOf(node) || page.levels.has(levelOf(node));

/** How well it is known, and where from. */
function provenance(node, { quiet = false } = {}) {
  const known = node?.["x-provenance"];
  if (!known) return null;
  return h("span", { class: "provenance" }, h("span", { class: `level ${known.level}`, title: LEVELS[known.level] }, known.level), !quiet && h("span", { class: "source" }, known.source));
}

function operations() {
  return Object.entries(page.spec.paths).flatMap(([path, item]) =>
    ["get", "post", "put", "delete"].filter((method) => item[method]).map((method) => ({ path, method: method.toUpperCase(), shared: item.parameters ?? [], ...item[method] })),
  );
}

function view() {
  if (page.error) return h("main", { class: "docs-main" }, problem(page.error));
  if (!page.spec) return h("div", { class: "docs-main dim" }, "Loading…");
  const all = operations();
  const { info, tags } = page.spec;
  return h(
    "div",
    { class: `docs ${page.menu ? "menu-open" : ""}` },
    h("a", { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), document.getElementById("main").focus()) }, "Skip to content"),
    h(
      "nav",
      { class: "docs-nav", "aria-label": "Operations" },
      h("a", { class: "brand", href: "/" }, h("img", { src: "/static/icon.svg", alt: "", width: 26, height: 26 }), "upsim"),
      h("a", { href: "/" }, icon("back"), "Dashboard"),
      h("a", { href: "#top" }, "About this document"),
      h("a", { href: "#rules" }, "Rules for every call"),
      tags.map((tag) => [
        h("p", { class: "nav-group", key: `tag-${tag.name}` }, tag.name),
        all.filter((one) => one.tags?.includes(tag.name)).map((one) => h("a", { key: one.operationId, class: "op-link", href: `#op-${one.operationId}`, "aria-current": page.here === `op-${one.operationId}` ? "true" : null }, method(one.method), h("span", {}, one.path.replace("/v1", "")))),
      ]),
      h("p", { class: "nav-group" }, "More"),
      h("a", { href: "#schemas" }, "Schemas"),
      h("a", { href: "/openapi.yaml" }, "openapi.yaml"),
      h("a", { href: "/_upsim/openapi.yaml" }, "Control plane (yaml)"),
    ),
    h(
      "main",
      { id: "main", class: "docs-main", tabindex: -1 },
      h(
        "header",
        { class: "docs-top" },
        iconButton("Menu", "menu", { class: "only-phone", "aria-expanded": String(page.menu), onclick: () => ((page.menu = !page.menu), draw()) }),
        h("h1", { id: "top" }, "API reference"),
        iconButton("Switch the theme", "moon", { onclick: switchTheme }),
      ),
      h("p", { class: "lead" }, info.summary),
      h("p", { class: "dim" }, "This is upsim's understanding of the service it simulates; the vendor did not write it. Every line says how well it is known, and where from."),
      levels(all),
      h("section", { id: "rules", class: "card pad" }, h("h2", {}, "Rules for every call"), rules(page.spec["x-rules"])),
      tags.map((tag) => [
        h("h2", { class: "tag-title", key: `title-${tag.name}` }, tag.name, h("span", { class: "dim" }, ` ${tag.description}`)),
        all.filter((one) => one.tags?.includes(tag.name)).map(operation),
      ]),
      h("h2", { class: "tag-title", id: "schemas" }, "Schemas"),
      Object.entries(page.spec.components.schemas).map(([name, schema]) =>
        drawer(`schema-${name}`, { class: "card pad schema", id: `schema-${name}` }, [h("strong", {}, name), " ", provenance(schema, { quiet: true })], () => [schema.description && h("p", { class: "dim" }, schema.description), provenance(schema), fields(schema, 0)]),
      ),
    ),
  );
}

const method = (name) => h("span", { class: `method ${name.toLowerCase()}` }, name);

function levels() {
  const counts = { documented: 0, observed: 0, assumed: 0 };
  const walk = (node) => {
    if (Array.isArray(node)) node.forEach(walk);
    else if (node && typeof node === "object") {
      if (levelOf(node) in counts) counts[levelOf(node)] += 1;
      Object.values(node).forEach(walk);
    }
  };
  walk(page.spec);
  return h(
    "section",
    { class: "levels", "aria-label": "How well things are known" },
    Object.entries(LEVELS).map(([level, meaning]) =>
      h(
        "button",
        {
          type: "button",
          key: level,
          class: "card level-card",
          "aria-pressed": String(page.levels.has(level)),
          onclick: () => {
            if (!page.levels.delete(level)) page.levels.add(level);
            if (!page.levels.size) page.levels = new Set(Object.keys(LEVELS));
            draw();
          },
        },
        h("span", { class: `level ${level}` }, level),
        h("strong", {}, `${count(counts[level])} clauses`),
        h("span", { class: "dim small" }, meaning),
      ),
    ),
  );
}

function rules(list) {
  const seen = (list ?? []).filter(shown);
  if (!seen.length) return h("p", { class: "dim" }, "No rule of the chosen levels.");
  return h("ul", { class: "rules" }, seen.map((rule) => h("li", { key: rule.id, id: `rule-${rule.id}` }, h("p", {}, rule.statement), h("div", { class: "rule-foot" }, h("a", { href: `#rule-${rule.id}` }, h("code", {}, rule.id)), provenance(rule)))));
}

function operation(one) {
  const parameters = [...one.shared, ...(one.parameters ?? [])].map(resolved);
  const body = one.requestBody && resolved(one.requestBody);
  const sent = body?.content["application/json"];
  return h(
    "article",
    { class: "card operation", id: `op-${one.operationId}`, key: one.operationId, "aria-labelledby": `name-${one.operationId}` },
    h(
      "header",
      { class: "operation-head" },
      h("h3", { id: `name-${one.operationId}` }, method(one.method), h("code", { class: "break" }, one.path)),
      h("p", {}, one.summary),
      h("div", { class: "row" }, badge(["scope ", h("code", {}, one["x-scope"])]), provenance(one)),
    ),
    one["x-rules"]?.length > 0 && part("What it promises", rules(one["x-rules"])),
    parameters.length > 0 && part("Parameters", h("ul", { class: "fields" }, parameters.filter(shown).map((parameter) => fieldLine(`${parameter.name}`, { ...resolved(parameter.schema), ...pick(parameter) }, parameter.required, 0, parameter.in)))),
    sent && part("Body", body.description && h("p", { class: "dim" }, body.description), fields(resolved(sent.schema), 0)),
    part(
      "Answers",
      h(
        "ul",
        { class: "answers" },
        Object.entries(one.responses).map(([status, answer]) => answerLine(one, status, resolved(answer))),
      ),
    ),
    tryIt(one, parameters, sent),
  );
}

const pick = (parameter) => Object.fromEntries(["description", "x-provenance"].filter((name) => parameter[name]).map((name) => [name, parameter[name]]));
const part = (title, ...children) => h("section", { class: "part" }, h("h4", {}, title), children);

function answerLine(one, status, answer) {
  if (!shown(answer)) return null;
  const content = answer.content?.["application/json"];
  const example = content?.example ?? Object.values(content?.examples ?? {})[0]?.value;
  return h(
    "li",
    { key: status },
    drawer(
      `${one.operationId}-${status}`,
      {},
      [httpBadge(Number(status)), h("span", { class: "grow" }, answer.description), provenance(answer, { quiet: true })],
      () => h(
        "div",
        { class: "answer-body" },
        provenance(answer),
        answer.headers && h("ul", { class: "fields" }, Object.entries(answer.headers).map(([name, header]) => fieldLine(name, { ...resolved(resolved(header).schema), ...pick(resolved(header)) }, resolved(header).required, 0, "header"))),
        content && fields(resolved(content.schema), 0),
        example !== undefined && h("pre", { tabindex: 0, "aria-label": `Example of ${status}` }, JSON.stringify(example, null, 2)),
      ),
    ),
  );
}

function fields(given, depth) {
  const schema = resolved(given);
  if (schema?.type === "array") return h("div", {}, depth === 0 && h("p", { class: "dim" }, "A list of:"), fields(schema.items, depth));
  if (!schema?.properties) return depth === 0 && schema ? h("p", { class: "dim" }, typeText(schema)) : null;
  const required = new Set(schema.required ?? []);
  return h("ul", { class: "fields" }, Object.entries(schema.properties).filter(([, one]) => shown(resolved(one))).map(([name, one]) => fieldLine(name, resolved(one), required.has(name), depth)));
}

function fieldLine(name, schema, required, depth, where = "") {
  const inner = depth < 3 ? (schema.type === "array" ? resolved(schema.items) : schema) : null;
  return h(
    "li",
    { key: `${where}${name}` },
    h("div", { class: "field-head" }, h("code", { class: "field-name" }, name), h("span", { class: "dim small" }, [where, typeText(schema), required ? "required" : ""].filter(Boolean).join(", ")), provenance(schema)),
    schema.description && h("p", { class: "small break" }, schema.description),
    schema.enum && schema.enum.length < 20 && h("p", { class: "enum" }, schema.enum.map((value) => h("code", { key: String(value) }, String(value)))),
    inner?.properties && fields(inner, depth + 1),
  );
}

function typeText(schema) {
  if (schema.anyOf ?? schema.oneOf) return (schema.anyOf ?? schema.oneOf).map((one) => typeText(resolved(one))).join(" or ");
  const kind = [schema.type ?? "any"].flat().join(" or ");
  const of = schema.type === "array" && schema.items ? ` of ${typeText(resolved(schema.items))}` : "";
  const span = (least, most, what) => (least !== undefined || most !== undefined ? ` ${least ?? ""}–${most ?? ""}${what}` : "");
  return `${kind}${of}${span(schema.minimum, schema.maximum, "")}${span(schema.minLength, schema.maxLength, " characters")}${span(schema.minItems, schema.maxItems, " items")}${schema.default !== undefined ? `, default ${JSON.stringify(schema.default)}` : ""}`;
}

// Try it -----------------------------------------------------------------------------------------------------------------

function keys() {
  const known = (page.about?.logins ?? []).map((login) => [login.key, `${login.key} (${login.tier}${login.scopes.length < (page.about?.scopes.length ?? 0) ? ", reads only" : ""})`]);
  const prefix = "upsim.key.";
  try {
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(prefix)) known.push([localStorage.getItem(name), `the dashboard's, for ${name.slice(prefix.length)}`]);
    }
  } catch {
    // No storage, no keys in it.
  }
  return known;
}

function tryIt(one, parameters, sent) {
  const trial = page.trials.get(one.operationId);
  if (!trial) return h("footer", { class: "operation-foot" }, button("Try it", { class: "primary small", "aria-label": `Try ${one.method} ${one.path}`, onclick: () => begin(one, parameters, sent) }, "play"));
  const set = (name) => (event) => {
    trial.values[name] = event.target.value;
    draw();
  };
  const call = callOf(one, parameters, trial);
  return h(
    "section",
    { class: "part try", "aria-label": `Try ${one.method} ${one.path}` },
    h("h4", {}, "Try it"),
    h(
      "form",
      { class: "stack", onsubmit: (event) => (event.preventDefault(), run(one, parameters, trial)) },
      h(
        "div",
        { class: "two" },
        field("Key", keys().length ? select("Key", keys(), trial.key, (value) => ((trial.key = value), draw())) : h("input", { type: "text", value: trial.key, placeholder: "up_k_…", oninput: (event) => ((trial.key = event.target.value), draw()) })),
        parameters.map((parameter) => h("label", { class: "field", key: parameter.name }, h("span", { class: "field-label" }, `${parameter.name}${parameter.required ? " *" : ""}`), h("input", { type: "text", value: trial.values[parameter.name] ?? "", oninput: set(parameter.name) }))),
      ),
      sent && field("Body", h("textarea", { rows: Math.min(12, trial.body.split("\n").length + 1), spellcheck: "false", value: trial.body, oninput: (event) => ((trial.body = event.target.value), draw()) })),
      trial.mistake && h("p", { class: "bad-text" }, trial.mistake),
      call && curlBlock(curl(call)),
      h("div", { class: "row" }, h("button", { type: "submit", class: "button primary" }, "Send"), button("Close", { onclick: () => (page.trials.delete(one.operationId), draw()) })),
    ),
    trial.answer && answerView(trial.answer),
  );
}

function answerView({ status, text, headers, ms }) {
  let body = text;
  try {
    body = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Shown as it came.
  }
  return h(
    "div",
    { class: "stack tight", role: "status" },
    h("div", { class: "row" }, httpBadge(status), h("span", { class: "dim" }, `${Math.round(ms)} ms`), copyButton(body)),
    h("p", { class: "dim small break" }, headers.map(([name, value]) => `${name}: ${value}`).join("   ")),
    h("pre", { tabindex: 0, class: "answer", "aria-label": "Answer" }, body),
  );
}

function begin(one, parameters, sent) {
  const example = sent && (sent.example ?? Object.values(sent.examples ?? {})[0]?.value);
  const values = Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter.required || parameter.name === "limit" ? String(parameter.example ?? resolved(parameter.schema).example ?? "") : ""]));
  page.trials.set(one.operationId, { key: keys()[0]?.[0] ?? "", values, body: example === undefined ? "{}" : JSON.stringify(example, null, 2), answer: null });
  draw();
}

function callOf(one, parameters, trial) {
  let path = one.path;
  const query = {};
  for (const parameter of parameters) {
    const value = trial.values[parameter.name] ?? "";
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else query[parameter.name] = value;
  }
  const call = { method: one.method, path: target(path, query), headers: { "X-API-Key": trial.key } };
  trial.mistake = "";
  if (one.requestBody) {
    try {
      call.body = JSON.parse(trial.body);
    } catch (error) {
      trial.mistake = `The body is no JSON yet: ${error.message}`;
      return null;
    }
  }
  return call;
}

async function run(one, parameters, trial) {
  const call = callOf(one, parameters, trial);
  if (!call) return draw();
  const began = performance.now();
  try {
    const answer = await fetch(call.path, {
      method: call.method,
      cache: "no-store",
      headers: { ...call.headers, ...(call.body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: call.body === undefined ? undefined : JSON.stringify(call.body),
    });
    const text = await answer.text();
    const headers = [...answer.headers].filter(([name]) => /^(x-ratelimit|retry-after|content-type|allow)/.test(name));
    trial.answer = { status: answer.status, text, headers, ms: performance.now() - began };
  } catch {
    trial.answer = { status: 0, text: "The connection broke before there was an answer.", headers: [], ms: performance.now() - began };
  }
  return draw();
}

function switchTheme() {
  const dark = (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("upsim.theme", dark ? "light" : "dark");
  } catch {
    // Not remembered, then.
  }
}

function goTo() {
  const id = decodeURIComponent(location.hash.slice(1));
  const there = id && document.getElementById(id);
  if (!there) return;
  page.here = id;
  page.menu = false;
  if (there.localName === "details") page.opened.add(id);
  there.scrollIntoView();
  draw();
}

async function start() {
  draw();
  try {
    page.spec = await (await fetch("/openapi.json")).json();
  } catch {
    page.error = { status: 0, message: "The document could not be read. Is the simulator running?" };
  }
  draw();
  goTo();
  const token = recall("token", "session");
  const answer = await fetch("/_upsim/about", { headers: token ? { "X-Upsim-Token": token } : {} }).catch(() => null);
  if (answer?.ok) page.about = state.about = await answer.json();
  draw();
}

window.addEventListener("hashchange", goTo);
start();
