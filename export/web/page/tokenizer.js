// WordPiece and WordLevel, id for id as in run.py.

const KNOWN = {
  normalizer: ["NFC", "NFD", "StripAccents", "Lowercase"],
  pre_tokenizer: ["WhitespaceSplit", "Punctuation"],
  model: ["WordPiece", "WordLevel"],
};
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

/** Returns the names of the steps of one part of a tokenizer. */
function steps(table, part, key) {
  const entry = table[part];
  const names = entry ? (entry[key] ?? [entry]).map((step) => step.type) : [];
  for (const name of names)
    if (!KNOWN[part].includes(name))
      throw new Error(
        `The tokenizer's ${part} must be made of ${KNOWN[part].join(", ")}. ` +
          `Received: ${name}`,
      );
  return names;
}

/** Returns a function from a text to its token ids. */
export function loadTokenizer(table) {
  if (table.added_tokens.length)
    throw new Error("The tokenizer must be without added tokens");
  const changes = steps(table, "normalizer", "normalizers");
  const splits = steps(table, "pre_tokenizer", "pretokenizers");
  const [type] = steps(table, "model", "");
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

  return (text) => {
    for (const form of ["NFC", "NFD"])
      if (changes.includes(form)) text = text.normalize(form);
    let letters = [...text];
    if (changes.includes("StripAccents"))
      letters = letters.filter((char) => !/\p{M}/u.test(char));
    // Letter by letter: a whole text treats a final sigma specially.
    if (changes.includes("Lowercase"))
      letters = [...letters.map((char) => char.toLowerCase()).join("")];
    if (splits.includes("Punctuation"))
      letters = letters.map((char) => (isMark(char) ? ` ${char} ` : char));
    const words = letters.join("").split(SPACES).filter(Boolean);
    return words.flatMap(ids);
  };
}
