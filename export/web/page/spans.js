// Answers that are spans of a text, in its characters, as run.py tells them.

import { patternOf, stepOf } from "./tokenizer.js";

const FORMS = ["NFC", "NFD", "NFKC"];
const WORDS =
  /[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu;

// Letters are pairs: a character, and the place in the text that it came from.
const textOf = (letters) => letters.map(([char]) => char).join("");

/** Returns the matches of a pattern, as places in a list of letters. */
function matches(letters, pattern) {
  const places = [];
  letters.forEach(([char], place) => {
    for (let unit = 0; unit < char.length; unit++) places.push(place);
  });
  places.push(letters.length);
  return [...textOf(letters).matchAll(pattern)].map((found) => ({
    start: places[found.index],
    end: places[found.index + found[0].length],
    text: found[0],
  }));
}

/** Puts something else in the place of each match. */
function replaced(letters, pattern, made) {
  const found = [];
  let at = 0;
  for (const { start, end } of matches(letters, pattern)) {
    found.push(...letters.slice(at, start), ...made(letters, start, end));
    at = end;
  }
  return [...found, ...letters.slice(at)];
}

/** Returns letters that become others together, such as one and its marks. */
function groups(letters, form) {
  const found = [];
  for (const letter of letters) {
    const before = found.length ? textOf(found.at(-1)) : "";
    const joined = form(before + letter[0]) !== form(before) + form(letter[0]);
    if (joined) found.at(-1).push(letter);
    else found.push([letter]);
  }
  return found;
}

function changed(letters, step) {
  const change = stepOf(step);
  if (step.type === "Replace")
    return replaced(letters, patternOf(step), (all, _, end) =>
      [...step.content].map((char) => [char, all[end - 1][1]]),
    );
  if (step.type === "Split")
    return replaced(letters, patternOf(step), (all, start, end) => {
      const blank = [" ", all[start][1]];
      return [blank, ...all.slice(start, end), blank];
    });
  const group = FORMS.includes(step.type)
    ? groups(letters, change)
    : letters.map((letter) => [letter]);
  return group.flatMap((part) => {
    const made = [...change(textOf(part))];
    // What is joined is joined to the first of them.
    const fewer = Math.max(0, part.length - made.length);
    return made.map((char, i) => [
      char,
      part[Math.min(i && i + fewer, part.length - 1)][1],
    ]);
  });
}

/** Returns start and end of each token of a text, in characters. */
export function offsets(tokenizer, text) {
  let letters = [...text].map((char, place) => [char, place]);
  for (const step of tokenizer.steps) letters = changed(letters, step);
  return matches(letters, WORDS).flatMap(({ start, text: word }) =>
    tokenizer.sizes(word).map((size) => {
      const part = letters.slice(start, start + size);
      start += size;
      return [part[0][1], part.at(-1)[1] + 1];
    }),
  );
}

/** Whether a character is a part of the letter before it. */
function joins(before, char) {
  if (char < "\x80") return false;
  const nfc = (text) => text.normalize("NFC");
  if (nfc(before + char) !== nfc(before) + nfc(char)) return true;
  // A mark that stands on a letter changes places with the last of all marks.
  const nfd = (text) => text.normalize("NFD");
  return nfd(`\u0345${char}`) !== `\u0345${nfd(char)}`;
}

/** Returns where tokens are, with their accents; see `token_places.py`. */
export function settled(letters, places) {
  return places.map(([start, end]) => {
    while (
      end < letters.length &&
      joins(letters.slice(start, end).join(""), letters[end])
    )
      end += 1;
    return [start, end];
  });
}

/** Returns `[first token, the one behind the last, label]` of each span. */
function spansOf(tags) {
  const found = [];
  let open = null;
  [...tags, 0].forEach((tag, place) => {
    if (open && tag === 2 + 2 * open.label) return;
    if (open) found.push([open.start, place, open.label]);
    open = tag ? { start: place, label: (tag - 1) >> 1 } : null;
  });
  return found;
}

/**
 * Returns the spans that probabilities tell, from left to right.
 *
 * `text` is what was typed, and null where only its tokens are known.
 */
export function foundSpans(values, { classes, tokens }, text, tokenizer) {
  const count = 1 + 2 * classes.length;
  const rows = Array.from({ length: tokens }, (_, token) =>
    values.slice(token * count, (token + 1) * count),
  );
  const sure = rows.map((row) => Math.max(...row));
  const letters = text === null ? null : [...text];
  const places = letters && settled(letters, offsets(tokenizer, text));
  const spans = [];
  for (const [first, behind, label] of spansOf(
    rows.map((row, token) => row.indexOf(sure[token])),
  )) {
    const told = { label: classes[label] };
    if (places) {
      const there = places.slice(first, behind);
      if (!there.length) continue;
      told.start = Math.min(...there.map(([start]) => start));
      told.end = Math.max(...there.map(([, end]) => end));
      told.text = letters.slice(told.start, told.end).join("");
    } else Object.assign(told, { first_token: first, last_token: behind - 1 });
    told.probability = Math.min(...sure.slice(first, behind));
    spans.push(told);
  }
  return { spans };
}
