import assert from "node:assert/strict";
import { handlerByKey } from "../../handlers/registry.ts";
import { API_ERRORS } from "./api_errors.ts";

Deno.test("every API that is served has its list of error codes, under its name", () => {
  for (const [key, { api }] of handlerByKey) assert.equal(API_ERRORS[key]?.name, api.name);
});
