/** What the arms of the transaction machine return. */
import type { IdentityResult, TransactionAnswer, TransactionError } from "./transaction_commands.ts";
import type { TransactionRecord } from "./transaction_state.ts";

export interface TransactionNow {
  /** Of the machine: the record does not say while there is none. */
  readonly transactionalId: string;
  readonly wallMs: number;
  /** `transaction.max.timeout.ms` */
  readonly timeoutMsMax: number;
  /** A producer id that nobody got yet; null: none at hand. It may be dropped unused. */
  readonly freshProducerId: number | null;
}

export type TransactionDecision =
  | {
    readonly type: "answer";
    readonly answer: TransactionAnswer;
    /** To be stored before the answer leaves. */
    readonly next?: TransactionRecord;
    /** The answer may be better once the transaction that is ending has ended: ask again then. */
    readonly whenEnded?: boolean;
  }
  /** Nothing is decided: ask again with a fresh producer id. */
  | { readonly type: "needsProducerId" };

export function identityError(error: TransactionError): TransactionDecision & { readonly type: "answer" } {
  const answer: IdentityResult = { error, producerId: -1, producerEpoch: -1 };
  return { type: "answer", answer };
}
