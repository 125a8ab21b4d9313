/**
 * Kavka's lint plugin: import directions, purity, the Env rule, and two traps of Deno KV and of `catch`.
 *
 * It is the boundary between what the documents promise and what the sources do: a rule that is not linted
 * is not a rule. The directions themselves are data in `lint_layers.ts`. Tests, tools and benchmarks are
 * free of the Env and purity rules, since they are the outside world for the code under test.
 */

import {
  ALLOWED_DENO,
  ENV_IMPLEMENTATION,
  FREE_FOLDERS,
  importFault,
  type Place,
  placeOf,
  PURE_FOLDERS,
  resolveImport,
} from "./lint_layers.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** Globals that are themselves clocks or schedulers. */
const ENV_GLOBALS = new Set([
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "queueMicrotask",
  "performance",
]);

/** Members of harmless globals that are clocks or randomness. */
const ENV_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  Date: ["now"],
  Math: ["random"],
  AbortSignal: ["timeout"],
  crypto: ["randomUUID", "getRandomValues"],
  process: ["hrtime", "nextTick", "uptime"],
};

/** Built-in modules that reach files, sockets, clocks or other processes. */
const ENV_MODULES = new Set([
  "node:fs",
  "node:fs/promises",
  "node:net",
  "node:dgram",
  "node:dns",
  "node:dns/promises",
  "node:http",
  "node:http2",
  "node:https",
  "node:tls",
  "node:timers",
  "node:timers/promises",
  "node:perf_hooks",
  "node:child_process",
  "node:worker_threads",
  "node:process",
  "node:sqlite",
]);

/** Built-in modules that pure code may use: they compute, nothing else. */
const PURE_MODULES = new Set(["node:zlib", "node:buffer"]);

const PURE_GLOBALS = new Set(["Deno", "console", "WebSocket", "localStorage", "process"]);

type Node = Deno.lint.Node;

function nameOf(node: Node | null | undefined): string | null {
  return node?.type === "Identifier" ? node.name : null;
}

/** The name of a member access, `a.b` or `a["b"]`; null when it is computed. */
function memberName(node: Deno.lint.MemberExpression): string | null {
  if (!node.computed) return nameOf(node.property);
  return node.property.type === "Literal" && typeof node.property.value === "string"
    ? node.property.value
    : null;
}

/** `Deno` of `Deno.x`, of `globalThis.Deno.x`, of `self["Deno"].x`. */
function globalName(node: Node): string | null {
  if (node.type === "Identifier") return node.name;
  if (node.type !== "MemberExpression") return null;
  return ["globalThis", "self", "window"].includes(nameOf(node.object) ?? "") ? memberName(node) : null;
}

/** True for an identifier that is read, not one that names a property, a key or a declaration. */
function isReference(node: Deno.lint.Identifier): boolean {
  const parent = node.parent as Node;
  switch (parent.type) {
    case "MemberExpression":
      return parent.object === node || parent.computed;
    case "Property":
      return parent.value === node || parent.computed;
    case "MethodDefinition":
    case "PropertyDefinition":
      return parent.value === node || (parent.computed && parent.key === node);
    case "TSPropertySignature":
    case "TSMethodSignature":
    case "TSQualifiedName":
    case "TSTypeReference":
    case "TSTypeQuery":
    case "TSInterfaceHeritage":
    case "ImportSpecifier":
    case "LabeledStatement":
      return false;
    case "ExportSpecifier":
      return parent.local === node;
    default:
      return true;
  }
}

function isExempt(place: Place): boolean {
  return place.isTest || FREE_FOLDERS.includes(place.folder);
}

const importDirections: Deno.lint.Rule = {
  create(context) {
    const from = placeOf(context.filename, ROOT);
    function check(node: Node, source: Node | null | undefined): void {
      if (source?.type !== "Literal" || typeof source.value !== "string") return;
      const to = resolveImport(from, source.value);
      const fault = to === null ? null : importFault(from, to);
      if (fault !== null) {
        context.report({ node, message: fault, hint: "The directions are in tools/lint_layers.ts" });
      }
    }
    return {
      ImportDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
    };
  },
};

const purity: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename, ROOT);
    if (!PURE_FOLDERS.includes(place.folder) || isExempt(place)) return {};
    let functionDepth = 0;
    const report = (node: Node, what: string) =>
      context.report({
        node,
        message: `${place.folder}/ is pure: no ${what}`,
        hint: "Move the effect into an actor, or pass its result in",
      });
    const enter = (node: Deno.lint.FunctionDeclaration | Deno.lint.FunctionExpression | Node) => {
      functionDepth++;
      if ("async" in node && node.async === true) report(node, "async function");
    };
    const leave = () => {
      functionDepth--;
    };
    return {
      FunctionDeclaration: enter,
      "FunctionDeclaration:exit": leave,
      FunctionExpression: enter,
      "FunctionExpression:exit": leave,
      ArrowFunctionExpression: enter,
      "ArrowFunctionExpression:exit": leave,
      AwaitExpression(node) {
        // At the top level lib and protocol wait for WebAssembly to compile, which is a computation.
        if (functionDepth > 0 || place.folder === "core") report(node, "await");
      },
      ForOfStatement(node) {
        if (node.await) report(node, "for await");
      },
      Identifier(node) {
        if (PURE_GLOBALS.has(node.name) && isReference(node)) report(node, node.name);
      },
      CallExpression(node) {
        // Only the call: Kafka's Fetch API bears the same name.
        if (globalName(node.callee) === "fetch") report(node, "fetch");
      },
      ImportDeclaration(node) {
        const source = node.source.value;
        const allowed = place.folder !== "core" && PURE_MODULES.has(source);
        if (source.startsWith("node:") && !allowed) report(node, source);
      },
    };
  },
};

const envOnly: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename, ROOT);
    if (isExempt(place) || place.path === ENV_IMPLEMENTATION) return {};
    const allowedDeno = new Set([
      "errors",
      ...(ALLOWED_DENO[place.path] ?? []),
      ...(ALLOWED_DENO[place.folder] ?? []),
    ]);
    const report = (node: Node, what: string) =>
      context.report({
        node,
        message: `${what} is reached through Env only`,
        hint: "Use the Env of lib/env.ts that is passed in; env/real.ts is its one implementation",
      });
    function checkMember(node: Node, object: string, member: string): void {
      if (object === "Deno" ? !allowedDeno.has(member) : ENV_MEMBERS[object]?.includes(member) === true) {
        report(node, `${object}.${member}`);
      }
    }
    return {
      Identifier(node) {
        if (ENV_GLOBALS.has(node.name) && isReference(node)) report(node, node.name);
      },
      MemberExpression(node) {
        const object = globalName(node.object);
        const member = memberName(node);
        if (["globalThis", "self", "window"].includes(object ?? "") && member !== null) {
          if (ENV_GLOBALS.has(member)) report(node, member);
        } else if (object !== null && member !== null) checkMember(node, object, member);
        else if (object === "Deno") report(node, "Deno[…]");
      },
      VariableDeclarator(node) {
        const object = node.init ? globalName(node.init) : null;
        if (object === null || node.id.type !== "ObjectPattern") return;
        for (const property of node.id.properties) {
          const key = property.type === "Property" ? nameOf(property.key) : null;
          if (key !== null) checkMember(node, object, key);
        }
      },
      NewExpression(node) {
        if (globalName(node.callee) === "Date" && node.arguments.length === 0) report(node, "new Date()");
      },
      CallExpression(node) {
        if (globalName(node.callee) === "Date") report(node, "Date()");
      },
      ImportDeclaration(node) {
        const source = node.source.value;
        if (ENV_MODULES.has(source)) report(node, source);
        if (source !== "node:crypto" && source !== "crypto") return;
        for (const specifier of node.specifiers) {
          const name = specifier.type === "ImportSpecifier" ? nameOf(specifier.imported) : "*";
          if (name === "*" || name?.startsWith("random") === true) report(specifier, `node:crypto ${name}`);
        }
      },
      ImportExpression(node) {
        const source = node.source.type === "Literal" ? node.source.value : null;
        if (typeof source === "string" && ENV_MODULES.has(source)) report(node, source);
      },
    };
  },
};

/** An erring sum, min or max leaves an atomic operation half applied, so these mutations are not used at all. */
const noKvArithmetic: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename, ROOT);
    if (!["storage", "actors", "env", "sim"].includes(place.folder)) return {};
    const report = (node: Node, what: string) =>
      context.report({ node, message: `${what} tears atomic() when it errors: use check and set` });
    const names = new Set(["sum", "min", "max"]);
    return {
      CallExpression(node) {
        if (node.callee.type !== "MemberExpression") return;
        const member = memberName(node.callee);
        if (member !== null && names.has(member) && globalName(node.callee.object) !== "Math") {
          report(node, `KV mutation ${member}`);
        }
      },
      Property(node) {
        if (nameOf(node.key) !== "type" || node.value.type !== "Literal") return;
        if (names.has(String(node.value.value))) report(node, `KV mutation ${node.value.value}`);
      },
      NewExpression(node) {
        if (context.sourceCode.getText(node.callee) === "Deno.KvU64") report(node, "Deno.KvU64");
      },
    };
  },
};

/** A failure is handled, counted or explained; a swallowed one without a word is none of these. */
const noEmptyCatch: Deno.lint.Rule = {
  create(context) {
    const message = "Empty catch: handle the error, or say in a comment why it may be dropped";
    const isSilent = (body: Node) =>
      body.type === "BlockStatement" && body.body.length === 0 &&
      !/\/[/*]/.test(context.sourceCode.getText(body));
    return {
      CatchClause(node) {
        if (isSilent(node.body)) context.report({ node, message });
      },
      CallExpression(node) {
        if (node.callee.type !== "MemberExpression" || memberName(node.callee) !== "catch") return;
        const handler = node.arguments[0];
        if (handler?.type !== "ArrowFunctionExpression" && handler?.type !== "FunctionExpression") return;
        if (handler.body && isSilent(handler.body)) context.report({ node, message });
      },
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "kavka",
  rules: {
    "import-directions": importDirections,
    purity,
    "env-only": envOnly,
    "no-kv-arithmetic": noKvArithmetic,
    "no-empty-catch": noEmptyCatch,
  },
};

export default plugin;
