// WordPiece and WordLevel, id for id as in run.py.

// What Unicode calls White_Space; JavaScript's \s says more.
const SPACES =
  /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;

/** Whether the library `tokenizers` calls a character punctuation. */
function isMark(char) {
  const code = char.codePointAt(0);
  if (code < 128) return code > 32 && code < 127 && !/[0-9A-Za-z]/.test(char);
  // U+166D was punctuation until Unicode 12; the library says so still.
  return /\p{P}/u.test(char) || code === 0x166d;
}

// The patterns of `prepare` mean the same here, in Python and in Rust.
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|\/]/g, "\\$&");
export const patternOf = ({ pattern }) =>
  new RegExp(pattern.Regex ?? escaped(pattern.String), "gu");

/** Returns a function that changes a text character by character. */
const each = (change) => (text) => [...text].map(change).join("");

// From the entry of a step to what it does with a text.
const NORMALIZERS = {
  NFC: () => (text) => text.normalize("NFC"),
  NFD: () => (text) => text.normalize("NFD"),
  NFKC: () => (text) => text.normalize("NFKC"),
  StripAccents: () => each((char) => (/\p{M}/u.test(char) ? "" : char)),
  // Letter by letter: a whole text treats a final sigma specially.
  Lowercase: () => each((char) => char.toLowerCase()),
  Replace: (step) => {
    const pattern = patternOf(step);
    return (text) => text.replace(pattern, () => step.content);
  },
};
const SPLITTERS = {
  WhitespaceSplit: () => (text) => text, // all are split so in the end
  Punctuation: () => each((char) => (isMark(char) ? ` ${char} ` : char)),
  Split: (step) => {
    if (step.behavior !== "Isolated" || step.invert)
      throw new Error("The tokenizer must isolate what it splits");
    const pattern = patternOf(step);
    return (text) => text.replace(pattern, (found) => ` ${found} `);
  },
};
/** Returns the function of a step of any part. */
export const stepOf = (step) =>
  (NORMALIZERS[step.type] ?? SPLITTERS[step.type])(step);
const MODELS = { WordPiece: null, WordLevel: null };

/** Returns the entries of the steps of one part of a tokenizer. */
function steps(table, part, key, known) {
  const entry = table[part];
  const found = entry ? (entry[key] ?? [entry]) : [];
  for (const { type } of found)
    if (!Object.hasOwn(known, type))
      throw new Error(
        `The tokenizer's ${part} must be made of ` +
          `${Object.keys(known).join(", ")}. Received: ${type}`,
      );
  return found;
}

/**
 * Returns a function from a text to its token ids.
 *
 * Its `steps` are those of the table, before a text is cut at spaces, and
 * `sizes` returns the letters of each token of a word.
 */
export function loadTokenizer(table) {
  if (table.added_tokens.length)
    throw new Error("The tokenizer must be without added tokens");
  const parts = [
    ...steps(table, "normalizer", "normalizers", NORMALIZERS),
    ...steps(table, "pre_tokenizer", "pretokenizers", SPLITTERS),
  ];
  const changes = parts.map(stepOf);
  const [{ type }] = steps(table, "model", "", MODELS);
  const vocabulary = new Map(Object.entries(table.model.vocab));
  const unknown = [vocabulary.get(table.model.unk_token)];

  const pieces = (word) => {
    const letters = [...word];
    if (letters.length > table.model.max_input_chars_per_word) return unknown;
    const ids = [];
    for (let start = 0; start < letters.length; ) {
      const prefix = start ? table.model.continuing_subword_prefix : "";
      let end = letters.length;
      let id;
      for (; end > start; end--) {
        id = vocabulary.get(prefix + letters.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return unknown;
      ids.push(id);
      start = end;
    }
    return ids;
  };
  const whole = (word) =>
    vocabulary.has(word) ? [vocabulary.get(word)] : unknown;
  const ids = type === "WordLevel" ? whole : pieces;

  const tokens = Object.keys(table.model.vocab);
  const names = new Map(tokens.map((name) => [vocabulary.get(name), name]));
  const sizes = (word) => {
    const found = ids(word);
    if (found === unknown || type === "WordLevel") return [[...word].length];
    const prefix = table.model.continuing_subword_prefix.length;
    return found.map((id, i) => [...names.get(id)].length - (i && prefix));
  };

  const tokenize = (text) => {
    for (const change of changes) text = change(text);
    return text.split(SPACES).filter(Boolean).flatMap(ids);
  };
  return Object.assign(tokenize, { steps: parts, sizes });
}
