/**
 * By which name a request is counted: the pattern of the route that took it, so that the names are few whatever the paths are.
 */
const labels = new WeakMap<Request, string>();

/** To be called by whoever matches patterns. */
export function labelRoute(request: Request, pattern: string): void {
  labels.set(request, pattern);
}

/** `none` for what no route took. */
export function routeLabel(request: Request): string {
  return labels.get(request) ?? "none";
}
