/** A broker some of whose members are others. */

/** Everything else is the broker's own; private state works, since methods keep their object. */
export function brokerWith<B extends object>(
  broker: B,
  members: { readonly [K in keyof B]?: unknown },
): B {
  return new Proxy(broker, {
    get(target, name) {
      if (Object.hasOwn(members, name)) return Reflect.get(members, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
