/**
 * A certificate authority of a test's own, and certificates of it: X.509 version 3, keys on P-256, ECDSA with SHA-256, good from 2020 to
 * 2049. Source: RFC 5280, RFC 5480, RFC 5758.
 */
const OID = {
  commonName: [2, 5, 4, 3],
  keyUsage: [2, 5, 29, 15],
  subjectAltName: [2, 5, 29, 17],
  basicConstraints: [2, 5, 29, 19],
  extendedKeyUsage: [2, 5, 29, 37],
  serverAuth: [1, 3, 6, 1, 5, 5, 7, 3, 1],
  ecdsaWithSha256: [1, 2, 840, 10045, 4, 3, 2],
} as const;

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  /** `dNSName` of a GeneralName. */
  dnsName: 0x82,
  version: 0xa0,
  extensions: 0xa3,
} as const;

const curve = { name: "ECDSA", namedCurve: "P-256" } as const;
const encoder = new TextEncoder();

type Bytes = readonly number[];

export interface ServerCertificate {
  /** PEM, as `Deno.serve` takes them. */
  readonly cert: string;
  readonly key: string;
}

export class TestAuthority {
  /** Its own certificate, PEM. */
  readonly pem: string;
  readonly #name: string;
  readonly #keys: CryptoKeyPair;
  #serial = 1;

  private constructor(name: string, keys: CryptoKeyPair, pem: string) {
    this.#name = name;
    this.#keys = keys;
    this.pem = pem;
  }

  static async create(name = "An authority of a test"): Promise<TestAuthority> {
    const keys = await newKeys();
    const extensions = [
      extension(OID.basicConstraints, sequence(der(TAG.boolean, [0xff])), true),
      // keyCertSign
      extension(OID.keyUsage, der(TAG.bitString, [2, 0b0000_0100]), true),
    ];
    const { publicKey, privateKey } = keys;
    const bytes = await certificate(
      { issuer: name, subject: name, serial: 1, publicKey, extensions },
      privateKey,
    );
    return new TestAuthority(name, keys, pem("CERTIFICATE", bytes));
  }

  /** For a server of this host name. */
  async issue(hostName: string): Promise<ServerCertificate> {
    const { publicKey, privateKey } = await newKeys();
    const extensions = [
      extension(OID.subjectAltName, sequence(der(TAG.dnsName, [...encoder.encode(hostName)]))),
      extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth))),
    ];
    const bytes = await certificate(
      { issuer: this.#name, subject: hostName, serial: ++this.#serial, publicKey, extensions },
      this.#keys.privateKey,
    );
    const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
    return { cert: pem("CERTIFICATE", bytes), key: pem("PRIVATE KEY", [...key]) };
  }
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(curve, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

interface CertificateFields {
  readonly issuer: string;
  readonly subject: string;
  readonly serial: number;
  readonly publicKey: CryptoKey;
  readonly extensions: readonly Bytes[];
}

async function certificate(fields: CertificateFields, signer: CryptoKey): Promise<Bytes> {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const key = new Uint8Array(await crypto.subtle.exportKey("spki", fields.publicKey));
  const time = (text: string) => der(TAG.utcTime, [...encoder.encode(text)]);
  const body = sequence(
    der(TAG.version, der(TAG.integer, [2])),
    der(TAG.integer, [fields.serial]),
    algorithm,
    name(fields.issuer),
    sequence(time("200101000000Z"), time("491231235959Z")),
    name(fields.subject),
    [...key],
    der(TAG.extensions, sequence(...fields.extensions)),
  );
  const raw = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, signer, Uint8Array.from(body)),
  );
  const half = raw.length / 2;
  const signature = sequence(unsigned([...raw.subarray(0, half)]), unsigned([...raw.subarray(half)]));
  return sequence(body, algorithm, der(TAG.bitString, [0, ...signature]));
}

function name(text: string): Bytes {
  return sequence(der(TAG.set, sequence(oid(OID.commonName), der(TAG.utf8, [...encoder.encode(text)]))));
}

function extension(id: readonly number[], value: Bytes, isCritical = false): Bytes {
  const critical = isCritical ? der(TAG.boolean, [0xff]) : [];
  return sequence(oid(id), critical, der(TAG.octetString, value));
}

function sequence(...parts: readonly Bytes[]): Bytes {
  return der(TAG.sequence, parts.flat());
}

/** A positive INTEGER without needless zeros. */
function unsigned(bytes: Bytes): Bytes {
  const first = bytes.findIndex((byte) => byte !== 0);
  const trimmed = first === -1 ? [0] : bytes.slice(first);
  return der(TAG.integer, (trimmed[0] ?? 0) > 0x7f ? [0, ...trimmed] : trimmed);
}

function oid([first = 0, second = 0, ...rest]: readonly number[]): Bytes {
  const base128 = (value: number): number[] => {
    const digits = [value & 0x7f];
    for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | (left & 0x7f));
    return digits;
  };
  return der(TAG.oid, [first * 40 + second, ...rest.flatMap(base128)]);
}

function der(tag: number, content: Bytes): Bytes {
  const { length } = content;
  const size = length < 0x80
    ? [length]
    : length < 0x100
    ? [0x81, length]
    : [0x82, length >> 8, length & 0xff];
  return [tag, ...size, ...content];
}

function pem(label: string, bytes: Bytes): string {
  const lines = Uint8Array.from(bytes).toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
