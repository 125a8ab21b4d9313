/**
 * Other people's programs for tests/interop, installed into .cache/interop and kept there.
 *
 * Versions are pinned in requirements.txt and pom.xml; a stamp with their text says what is installed. What only
 * the system's package manager has (kcat's version is pinned below) is installed when we are root, else named in a
 * clear message.
 */

import { ROOT } from "../../tools/run.ts";

/** Where everything is: the interpreter, Kafka's jars, and the jar of a logger that shows warnings. */
export interface Programs {
  readonly python: string;
  readonly jars: string;
  readonly logging: string;
}

export const CACHE = `${ROOT}.cache/interop`;

/** kcat comes from the system's packages; its suite refuses any other version. librdkafka's is that of the system. */
export const KCAT_VERSION = "1.7.1";

/** Installs what is missing. Throws an Error whose message says what to do. */
export async function prepare(): Promise<Programs> {
  await Deno.mkdir(CACHE, { recursive: true });
  const missing: string[] = [];
  const wants: [string, string[], string][] = [
    ["python3", ["--version"], "python3-venv"],
    ["java", ["-version"], "default-jre-headless"],
    ["mvn", ["--version"], "maven"],
    ["kcat", ["-V"], `kcat=${KCAT_VERSION}*`],
    ["gcc", ["--version"], "gcc"],
  ];
  for (const [command, args, name] of wants) {
    if (!(await succeeds(command, args))) missing.push(name);
  }
  if (!(await succeeds("python3", ["-c", "import ensurepip, venv"]))) missing.push("python3-venv");
  if (missing.length > 0) await installSystemPackages([...new Set(missing)]);

  const here = `${ROOT}tests/interop`;
  const venv = `${CACHE}/python`;
  await unlessStamped(venv, `${here}/requirements.txt`, async () => {
    await must("python3", ["-m", "venv", venv]);
    await must(`${venv}/bin/pip`, [
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "-r",
      `${here}/requirements.txt`,
    ]);
  });
  const jars = `${CACHE}/java`;
  await unlessStamped(jars, `${here}/pom.xml`, () => copyJars("pom.xml", jars));
  const logging = `${CACHE}/java-logging`;
  await unlessStamped(
    logging,
    `${here}/programs/java/pom.xml`,
    () => copyJars("programs/java/pom.xml", logging),
  );
  return { python: `${venv}/bin/python`, jars, logging };
}

/** Lets Maven copy what the pom names into `folder`. */
async function copyJars(pom: string, folder: string): Promise<void> {
  const file = `${ROOT}tests/interop/${pom}`;
  await must("mvn", [
    "--quiet",
    "--batch-mode",
    "--file",
    file,
    "dependency:copy-dependencies",
    `-DoutputDirectory=${folder}`,
  ]);
}

/** Installs and builds the client programs of clients/registry.ts. Throws an Error whose message says what to do. */
export async function prepareClients(): Promise<void> {
  const programs = `${ROOT}tests/interop/programs`;
  if (!(await succeeds("javac", ["-version"]))) await installSystemPackages(["default-jdk-headless"]);
  const go = await succeeds("go", ["version"]) ? "go" : "/usr/local/go/bin/go"; // where Go's own installer puts it
  for (const [command, arg, what] of [["npm", "--version", "Node"], [go, "version", "Go 1.26"]] as const) {
    if (await succeeds(command, [arg])) continue;
    throw new Error(`Cannot run the client programs: ${what} is missing: install it, and put it on the PATH`);
  }
  await unlessStamped(`${CACHE}/js`, `${programs}/js/package-lock.json`, async () => {
    await Deno.mkdir(`${CACHE}/js`);
    for (const file of ["package.json", "package-lock.json"]) {
      await Deno.copyFile(`${programs}/js/${file}`, `${CACHE}/js/${file}`);
    }
    // One of the packages is Node itself: its script fetches the binary of this machine.
    await must("npm", ["ci", "--prefix", `${CACHE}/js`, "--no-audit", "--no-fund"]);
  });
  for await (const { name } of Deno.readDir(`${programs}/js`)) {
    if (name.endsWith(".mjs")) await Deno.copyFile(`${programs}/js/${name}`, `${CACHE}/js/${name}`);
  }
  // Go compares the sources with its own cache, so it is asked every time.
  await must(go, ["-C", `${programs}/go`, "build", "-buildvcs=false", "-o", `${CACHE}/go/`, "./..."]);
  await unlessStamped(`${CACHE}/java-classes`, `${programs}/java/Contract.java`, async () => {
    const classes = `${CACHE}/java-classes`;
    await must("javac", [
      "-nowarn",
      "-cp",
      `${CACHE}/java/*`,
      "-d",
      classes,
      `${programs}/java/Contract.java`,
    ]);
  });
}

/** Deno KV's own server. */
export const DENOKV = `${CACHE}/denokv/bin/denokv`;
const DENOKV_VERSION = "0.14.0";

/** Builds denokv, which takes some minutes, once. Throws an Error whose message says what to do. */
export async function prepareDenoKv(): Promise<void> {
  if (await succeeds(DENOKV, ["--help"])) return;
  const cargo = await succeeds("cargo", ["--version"]) ? "cargo" : `${Deno.env.get("HOME")}/.cargo/bin/cargo`;
  if (!(await succeeds(cargo, ["--version"]))) {
    throw new Error("Cannot run denokv: cargo is missing: install Rust, and put it on the PATH");
  }
  console.log(`building denokv ${DENOKV_VERSION} in the background`);
  await must(cargo, [
    "install",
    "denokv",
    "--version",
    DENOKV_VERSION,
    "--locked",
    "--root",
    `${CACHE}/denokv`,
  ]);
}

/** Runs `install` into an emptied `folder` unless its stamp equals the pinned versions of `pins`. */
async function unlessStamped(folder: string, pins: string, install: () => Promise<void>): Promise<void> {
  const wanted = await Deno.readTextFile(pins);
  const stamp = `${folder}/installed.txt`;
  try {
    if (await Deno.readTextFile(stamp) === wanted) return;
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  console.log(`installing what ${pins.slice(ROOT.length)} pins`);
  await install();
  await Deno.writeTextFile(stamp, wanted);
}

async function installSystemPackages(names: readonly string[]): Promise<void> {
  const command = `apt-get update && apt-get install -y ${names.join(" ")}`;
  if (Deno.uid() !== 0 || !(await succeeds("apt-get", ["--version"]))) {
    throw new Error(`Cannot run the interop tests: missing programs: as root, run ${command}`);
  }
  console.log(`installing ${names.join(", ")}`);
  await must("apt-get", ["update", "-qq"]);
  await must("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names]);
}

async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    const run = await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output();
    return run.success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function must(command: string, args: string[]): Promise<void> {
  const run = await new Deno.Command(command, {
    args,
    stdout: "piped",
    stderr: "piped",
    env: { DEBIAN_FRONTEND: "noninteractive" },
  }).output();
  if (run.success) return;
  const said = new TextDecoder().decode(run.stderr) + new TextDecoder().decode(run.stdout);
  throw new Error(`Cannot run ${command} ${args.slice(0, 3).join(" ")}: ${said.trim().slice(-600)}`);
}
