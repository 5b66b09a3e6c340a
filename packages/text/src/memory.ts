/** Values by name, each made once while it is remembered: at least until `count` others have come. */
export function memory<Value>(count: number): (name: string, make: () => Value) => Value {
  let recent = new Map<string, Value>(), older = recent;
  return (name, make) => {
    const known = recent.get(name);
    if (known !== undefined) return known;
    const value = older.get(name) ?? make();
    if (recent.size >= count) {
      older = recent;
      recent = new Map();
    }
    recent.set(name, value);
    return value;
  };
}
