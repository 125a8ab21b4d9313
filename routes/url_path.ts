/**
 * The path of a request as it was written. `URL` would tidy it up (dot segments, backslashes), and whoever judges a request must see what
 * came.
 */

/** `/a` of `http://host/a?b#c`. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.slice(start).search(/[?#]/);
  return end === -1 ? url.slice(start) : url.slice(start, start + end);
}
