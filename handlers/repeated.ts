/** Finds what a request names twice, in time linear to the request. */

/** Returns whether a name occurs more than once among `names`. */
export function repeated(names: readonly string[]): (name: string) => boolean {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) twice.add(name);
    else seen.add(name);
  }
  return (name) => twice.has(name);
}

/** `items` with the first of each name; whoever names one twice is told so once. */
export function firstOfEach<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const name = nameOf(item);
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
