/**
 * A directed graph in compressed rows, its strongly connected components, and short paths. Pure.
 *
 * Components are Tarjan's in Pearce's form (one index array), without recursion.
 */

/** Calls `edge` for each edge; must give the same edges on each call. */
export type Edges = (edge: (from: number, to: number) => void) => void;

export class Graph {
  readonly nodeCount: number;
  readonly #start: Int32Array;
  readonly #targets: Int32Array;

  constructor(nodeCount: number, edges: Edges) {
    this.nodeCount = nodeCount;
    const start = new Int32Array(nodeCount + 1);
    edges((from) => start[from + 1] = (start[from + 1] as number) + 1);
    for (let node = 0; node < nodeCount; node++) {
      start[node + 1] = (start[node + 1] as number) + (start[node] as number);
    }
    this.#targets = new Int32Array(start[nodeCount] as number);
    // Fill backwards from the ends, so that `start` is right again without a copy.
    for (let node = 0; node < nodeCount; node++) start[node] = start[node + 1] as number;
    edges((from, to) => {
      const place = (start[from] as number) - 1;
      start[from] = place;
      this.#targets[place] = to;
    });
    this.#start = start;
  }

  /**
   * By node: the number of its component, 1 or more, or 0 when it lies on no cycle.
   */
  components(): { of: Int32Array; count: number } {
    const { nodeCount } = this;
    const start = this.#start;
    const targets = this.#targets;
    const of = new Int32Array(nodeCount);
    /** 0 unseen; else the index in the search; -1 when its component is done. */
    const low = new Int32Array(nodeCount);
    const cursor = start.slice(0, nodeCount);
    const path = new Int32Array(nodeCount);
    const waiting = new Int32Array(nodeCount);
    /** The indices with which the nodes on the path were entered. */
    const entered: number[] = [];
    let waitingCount = 0;
    let visited = 0;
    let count = 0;
    for (let root = 0; root < nodeCount; root++) {
      if (low[root] !== 0) continue;
      let depth = 0;
      path[0] = root;
      low[root] = ++visited;
      entered.push(visited);
      while (depth >= 0) {
        const node = path[depth] as number;
        const place = cursor[node] as number;
        if (place < (start[node + 1] as number)) {
          cursor[node] = place + 1;
          const target = targets[place] as number;
          const mark = low[target] as number;
          if (mark === 0) {
            low[target] = ++visited;
            path[++depth] = target;
            entered.push(visited);
          } else if (mark > 0 && mark < (low[node] as number)) low[node] = mark;
          continue;
        }
        const index = entered.pop() ?? 0;
        depth -= 1;
        const mark = low[node] as number;
        if (depth >= 0) {
          const parent = path[depth] as number;
          if (mark < (low[parent] as number)) low[parent] = mark;
        }
        if (mark < index) {
          waiting[waitingCount++] = node;
          continue;
        }
        // The root of a component: everything that waits above it belongs to it.
        let size = 1;
        while (waitingCount > 0 && (low[waiting[waitingCount - 1] as number] as number) >= index) {
          const member = waiting[--waitingCount] as number;
          if (size === 1) count += 1;
          size += 1;
          of[member] = count;
          low[member] = -1;
        }
        if (size > 1) of[node] = count;
        low[node] = -1;
      }
    }
    return { of, count };
  }

  /** A shortest path over nodes that `allows`, both ends included; null when there is none. */
  path(from: number, to: number, allows: (node: number) => boolean): number[] | null {
    const parents = new Map<number, number>([[from, -1]]);
    let frontier = [from];
    while (frontier.length > 0) {
      const next: number[] = [];
      for (const node of frontier) {
        if (node === to) return unwind(parents, to);
        for (let i = this.#start[node] as number; i < (this.#start[node + 1] as number); i++) {
          const target = this.#targets[i] as number;
          if (parents.has(target) || !allows(target)) continue;
          parents.set(target, node);
          next.push(target);
        }
      }
      frontier = next;
    }
    return null;
  }
}

function unwind(parents: ReadonlyMap<number, number>, to: number): number[] {
  const path: number[] = [];
  for (let node = to; node >= 0; node = parents.get(node) ?? -1) path.push(node);
  return path.reverse();
}
