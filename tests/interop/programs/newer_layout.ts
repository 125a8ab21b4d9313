/**
 * Marks a key-value file as written by a newer Kavka, to see that this one refuses it.
 *
 * usage: deno run -A newer_layout.ts FILE
 */
import { LAYOUT_VERSION } from "../../../storage/data_directory.ts";
import { decodeStoreMeta, encodeStoreMeta, storeMetaKey } from "../../../storage/keys/store_meta.ts";

const kv = await Deno.openKv(Deno.args[0]);
const found = await kv.get<Uint8Array>(storeMetaKey as Deno.KvKey);
if (found.value === null) throw new Error("Cannot find the store's meta");
const meta = decodeStoreMeta(found.value);
await kv.set(
  storeMetaKey as Deno.KvKey,
  encodeStoreMeta({ ...meta, layoutVersion: LAYOUT_VERSION + 1 }),
);
kv.close();
