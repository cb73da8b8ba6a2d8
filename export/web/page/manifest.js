// A manifest as its own hash was made of it; see json_files.py.

/**
 * Returns the text that a manifest's `sha256` is of: its fields but that one,
 * keys sorted, without spaces. Numbers and strings stay as they are written,
 * since JavaScript would write some of them otherwise.
 */
export function canonical(text) {
  // It must be JSON, or what follows may have no end.
  JSON.parse(text);
  const tokens = text.match(
    /[{}[\]:,]|"(?:[^"\\]|\\.)*"|[^\s{}[\]:,"]+/g,
  );
  let at = 0;

  const several = (end, read) => {
    const found = [];
    while (tokens[at] !== end) {
      found.push(read());
      if (tokens[at] === ",") at += 1;
    }
    at += 1;
    return found;
  };
  const field = (depth) => () => {
    const key = tokens[at];
    at += 2;
    return { key, name: JSON.parse(key), text: value(depth + 1) };
  };
  const value = (depth) => {
    const token = tokens[at];
    at += 1;
    if (token === "[")
      return `[${several("]", () => value(depth + 1)).join(",")}]`;
    if (token !== "{") return token;
    const fields = several("}", field(depth));
    const names = new Set(fields.map(({ name }) => name));
    if (names.size < fields.length) throw new Error("A key is given twice");
    return `{${fields
      .filter(({ name }) => depth || name !== "sha256")
      .sort((one, other) => compare(one.name, other.name))
      .map((each) => `${each.key}:${each.text}`)
      .join(",")}}`;
  };
  return value(0);
}

/** Compares texts by their characters, as Python does, not by UTF-16. */
function compare(one, other) {
  const [a, b] = [[...one], [...other]];
  for (let i = 0; i < Math.min(a.length, b.length); i += 1)
    if (a[i] !== b[i]) return a[i].codePointAt(0) - b[i].codePointAt(0);
  return a.length - b.length;
}
