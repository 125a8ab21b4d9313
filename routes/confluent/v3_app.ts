/** Confluent's REST API v3, at `/v3` as its proxy has it and at `/kafka/v3` as its server and cloud have it. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Broker } from "../../actors/broker.ts";
import { Problem } from "../problem.ts";
import { confluentErrorResponse, type ErrorCodes } from "./confluent_error.ts";
import { contractRouter } from "./contract_router.ts";
import { clusterRoutes } from "./v3_cluster.ts";
import { configRoutes } from "./v3_configs.ts";
import { groupRoutes } from "./v3_groups.ts";
import { recordRoutes } from "./v3_records.ts";
import { replicaRoutes, topicRoutes } from "./v3_topics.ts";

const codes: ErrorCodes = { unknownTopic: 40403, kafkaRefusal: 40002 };

export const v3Routes = [
  ...clusterRoutes,
  ...configRoutes,
  ...topicRoutes,
  ...replicaRoutes,
  ...groupRoutes,
];

export const v3RecordRoutes = recordRoutes(codes, () => new Problem(500));

/** A failure in the contract's words. */
export function v3Failure(problem: Problem): Response {
  return confluentErrorResponse(problem, codes, "application/json");
}

/** `toProblem` tells what a client may know of an error. */
export function v3App(broker: Broker, toProblem: (error: unknown) => Problem): OpenAPIHono {
  const app = new OpenAPIHono();
  const router = contractRouter([...v3Routes, ...recordRoutes(codes, toProblem)]);
  for (const mount of ["/v3", "/kafka/v3"]) {
    app.all(`${mount}/*`, async ({ req }) => {
      try {
        if (!broker.ready) throw new Problem(503, { detail: "The broker is not ready" });
        return await router(broker, req.raw, mount);
      } catch (error) {
        return v3Failure(toProblem(error));
      }
    });
  }
  return app;
}
