/**
 * The broker actor (`broker/<brokerId>`), one per process: registers with the supervisor, beats, and puts each new
 * metadata image where the doors read it. A broker that the supervisor no longer knows registers again.
 */
import { invariant } from "../lib/invariant.ts";
import type { MetadataImage } from "../core/cluster/metadata_image.ts";
import { BROKER_KIND, SUPERVISOR_KEY, SUPERVISOR_KIND } from "./kinds.ts";
import type { BrokerMessage } from "./messages/broker.ts";
import type { SupervisorMessage } from "./messages/supervisor.ts";
import type { ActorContext, ActorHost, ActorKind, ActorRef, Reply } from "./runtime/types.ts";

/** A registration that fails is tried again after this. */
const REGISTER_RETRY_MS = 500;

export interface BrokerKindOptions {
  readonly brokerId: number;
  /** `broker.heartbeat.interval.ms`. */
  readonly heartbeatIntervalMs: number;
  readonly incarnation: string;
  readonly rack: string | null;
  /** Where clients reach this broker; null until the listener is bound. */
  readonly endpoint: () => { readonly host: string; readonly port: number } | null;
  /** Called with each image, newest last. */
  readonly onImage: (image: MetadataImage) => void;
}

export function brokerKind(options: BrokerKindOptions): ActorKind<BrokerMessage, never> {
  return {
    kind: BROKER_KIND,
    options: { idleAfterMs: 0 },
    activate(context) {
      const host = new BrokerHost(context, options);
      host.resume();
      return host;
    },
  };
}

class BrokerHost implements ActorHost<BrokerMessage, never> {
  readonly #context: ActorContext<BrokerMessage, never>;
  readonly #options: BrokerKindOptions;
  readonly #supervisor: ActorRef<SupervisorMessage>;
  #epoch = -1;
  #imageVersion = 0;

  constructor(context: ActorContext<BrokerMessage, never>, options: BrokerKindOptions) {
    this.#context = context;
    this.#options = options;
    this.#supervisor = context.ref(SUPERVISOR_KIND, SUPERVISOR_KEY);
  }

  /** After a restart the heartbeat is refused, and that makes it register again. */
  resume(): void {
    if (this.#options.endpoint() !== null) this.#armBeat();
  }

  receive(message: BrokerMessage, reply: Reply<unknown>): void {
    switch (message.type) {
      case "start":
        return this.#start(reply);
      case "metadataChanged":
        this.#imageVersion = message.image.version;
        this.#options.onImage(message.image);
        return reply.send(true);
      case "beat":
        return this.#beat();
    }
  }

  inspect(): Record<string, unknown> {
    return { epoch: this.#epoch, imageVersion: this.#imageVersion };
  }

  #start(reply: Reply<unknown>): void {
    // Beside the mailbox: the supervisor sends the image to this actor before it answers the registration.
    this.#context.run(async () => {
      await this.#register();
      reply.send(true);
      this.#armBeat();
    });
  }

  async #register(): Promise<void> {
    const { brokerId, incarnation, rack } = this.#options;
    const endpoint = this.#options.endpoint();
    invariant(endpoint !== null, "A broker registers after its listener is bound");
    const registration = { type: "registerBroker", brokerId, ...endpoint, rack, incarnation } as const;
    const { epoch } = await this.#supervisor.ask(registration);
    this.#epoch = epoch;
  }

  #beat(): void {
    const { brokerId, heartbeatIntervalMs } = this.#options;
    this.#context.run(async () => {
      try {
        const heartbeat = { type: "brokerHeartbeat", brokerId, epoch: this.#epoch } as const;
        const { error } = await this.#supervisor.ask(heartbeat, { deadlineMs: heartbeatIntervalMs * 2 });
        if (error !== "NONE") await this.#register();
        this.#armBeat();
      } catch (error) {
        this.#context.log.warn("Cannot reach the supervisor", { brokerId, error: String(error) });
        this.#armBeat(REGISTER_RETRY_MS);
      }
    });
  }

  #armBeat(afterMs = this.#options.heartbeatIntervalMs): void {
    this.#context.setTimer("beat", afterMs, { type: "beat" });
  }
}
