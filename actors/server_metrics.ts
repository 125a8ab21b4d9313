/**
 * What the server counts while it works; `routes/metrics.ts` shows it together with what the actors tell of themselves. One for each
 * broker, made with it and handed on, so that two brokers in one process do not mix.
 */
import { Counter, type Family, Histogram } from "../lib/metrics.ts";

export class ServerMetrics {
  readonly httpRequests = new Counter("kavka_http_requests", "HTTP requests that were answered", [
    "route",
    "method",
    "status",
  ]);
  readonly httpSeconds = new Histogram(
    "kavka_http_request_seconds",
    "Time from an HTTP request to the beginning of its answer",
    ["route"],
  );
  readonly httpReceivedBytes = new Counter(
    "kavka_http_received_bytes",
    "Bytes of HTTP bodies, as declared",
    [],
  );
  readonly kafkaRequests = new Counter(
    "kavka_kafka_requests",
    "Requests of Kafka's protocol that were answered",
    [
      "api",
    ],
  );
  readonly kafkaSeconds = new Histogram(
    "kavka_kafka_request_seconds",
    "Time from a request of Kafka's protocol to its answer, waiting included",
    ["api"],
  );
  readonly kafkaReceivedBytes = new Counter(
    "kavka_kafka_received_bytes",
    "Bytes of requests of Kafka's protocol",
    ["api"],
  );
  readonly kafkaSentBytes = new Counter(
    "kavka_kafka_sent_bytes",
    "Bytes of answers of Kafka's protocol",
    ["api"],
  );
  readonly commitSeconds = new Histogram(
    "kavka_commit_seconds",
    "Time of one commit of an actor, the disk included",
    ["actor"],
  );
  readonly fetches = new Counter(
    "kavka_fetches",
    "Reads of a partition, from its tail cache or from the store",
    [
      "source",
    ],
  );

  readonly webhookRequests = new Counter("kavka_webhook_requests", "Requests of webhooks, by outcome", [
    "outcome",
  ]);
  readonly webhookRecords = new Counter(
    "kavka_webhook_records",
    "Records that webhooks are done with: delivered, or dead letters",
    ["outcome"],
  );
  readonly webhookSeconds = new Histogram(
    "kavka_webhook_request_seconds",
    "Time from a webhook's request to its answer",
    [],
  );
  /** Live tails over HTTP that are open. */
  liveTails = 0;

  families(): Family[] {
    return [
      this.httpRequests,
      this.httpSeconds,
      this.httpReceivedBytes,
      this.kafkaRequests,
      this.kafkaSeconds,
      this.kafkaReceivedBytes,
      this.kafkaSentBytes,
      this.commitSeconds,
      this.fetches,
      this.webhookRequests,
      this.webhookRecords,
      this.webhookSeconds,
    ].map((each) => each.family());
  }
}
