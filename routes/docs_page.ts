/**
 * `/docs`: the reference page, made in the browser from `/openapi.json`. It loads nothing from anywhere else, so that it works offline,
 * and puts text into the page as text only.
 */
import { knownResponse } from "../lib/known_body.ts";

const style = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
input { font: inherit; width: 100%; padding: .4rem .6rem; box-sizing: border-box; }
h2 { margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
details { border-bottom: 1px solid var(--line); padding: .3rem 0; }
summary { cursor: pointer; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); border-radius: 4px; }
table { border-collapse: collapse; } td { padding: .15rem .8rem .15rem 0; vertical-align: top; }
.method { display: inline-block; width: 4.5rem; font-weight: 700; }
.faint { opacity: .7; }
`;

const script = `
const at = document.getElementById("operations");
const make = (name, text, cls) => { const it = document.createElement(name); if (text) it.textContent = text; if (cls) it.className = cls; return it; };
const row = (...cells) => { const tr = make("tr"); for (const cell of cells) { const td = make("td"); td.append(cell); tr.append(td); } return tr; };
const show = (document_, schema, depth = 0) => {
  if (schema && schema.$ref) schema = schema.$ref.split("/").slice(1).reduce((o, k) => o && o[k], document_);
  if (!schema || depth > 4) return "…";
  if (schema.example !== undefined) return schema.example;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const some = schema.anyOf || schema.oneOf;
  if (some) return show(document_, some.find((each) => each.type !== "null") || some[0], depth);
  if (schema.properties) return Object.fromEntries(Object.entries(schema.properties).map(([k, v]) => [k, show(document_, v, depth + 1)]));
  if (schema.type === "array") return [show(document_, schema.items, depth + 1)];
  return { string: "text", integer: 0, number: 0, boolean: true, object: {} }[Array.isArray(schema.type) ? schema.type[0] : schema.type] ?? null;
};
fetch("openapi.json").then((response) => response.json()).then((doc) => {
  document.getElementById("version").textContent = doc.info.version;
  const groups = new Map();
  for (const [path, item] of Object.entries(doc.paths)) for (const [method, operation] of Object.entries(item)) {
    const tag = (operation.tags || ["Kavka"])[0];
    if (!groups.has(tag)) groups.set(tag, []);
    groups.get(tag).push({ path, method: method.toUpperCase(), operation });
  }
  for (const [tag, operations] of groups) {
    const section = make("section"); section.append(make("h2", tag)); at.append(section);
    for (const { path, method, operation } of operations) {
      const box = make("details"); box.dataset.text = (method + " " + path + " " + operation.summary).toLowerCase();
      const head = make("summary"); head.append(make("span", method, "method"), make("code", path), make("span", " " + (tag === "Kavka" ? operation.summary : ""), "faint"));
      box.append(head);
      box.addEventListener("toggle", () => {
        if (box.childElementCount > 1) return;
        if (operation.description) box.append(make("p", operation.description));
        const table = make("table");
        for (const parameter of operation.parameters || []) table.append(row(make("code", parameter.name), parameter.in + (parameter.required ? ", required" : ""), (parameter.schema || {}).description || parameter.description || ""));
        if (table.childElementCount) box.append(table);
        const contents = Object.entries((operation.requestBody || {}).content || {});
        let curl = "curl" + (method === "GET" ? "" : " -X " + method) + " '" + location.origin + path + "'";
        if (contents.length) {
          const [type, { schema }] = contents[0];
          const body = JSON.stringify(show(doc, schema));
          curl += " \\\\\\n  -H 'content-type: " + type + "' -d '" + body + "'";
        }
        box.append(make("pre", curl));
        const answers = make("table");
        for (const [status, answer] of Object.entries(operation.responses || {})) answers.append(row(make("code", status), answer.description || ""));
        box.append(answers);
      });
      section.append(box);
    }
  }
});
document.getElementById("search").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\\s+/);
  for (const box of document.querySelectorAll("details")) box.hidden = !words.every((word) => box.dataset.text.includes(word));
});
`;

const page = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Kavka HTTP reference</title>
<meta name="viewport" content="width=device-width"><style>${style}</style></head>
<body><h1>Kavka <small id="version" class="faint"></small></h1>
<p>Everything that is served over HTTP, from <a href="openapi.json">openapi.json</a>; the topics as channels are in
<a href="asyncapi.json">asyncapi.json</a>.</p>
<input id="search" type="search" placeholder="Search" aria-label="Search"><main id="operations"></main>
<script>${script}</script></body></html>
`;

async function hashOf(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toBase64();
}

/** The page; its policy lets nothing run but its own script. */
export async function docsPage(): Promise<Response> {
  const policy = [
    "default-src 'none'",
    "connect-src 'self'",
    `script-src 'sha256-${await hashOf(script)}'`,
    `style-src 'sha256-${await hashOf(style)}'`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return knownResponse(page, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy": policy,
      "x-content-type-options": "nosniff",
    },
  });
}
