// Texts token by token, as run.py writes them: the likeliest token each time.

const [END, START, UNKNOWN, FIRST] = [0, 1, 2, 3];
const HIDDEN = -30;
const [KEY, VALUE] = ["kv_cache_k_", "kv_cache_v_"];

/** Returns the caches of a prefix, with room for a text behind it. */
function unpack(memory, shapes) {
  const [, places, heads, width] = shapes[`${KEY}0`];
  const names = [];
  for (let i = 0; `${KEY}${i}` in shapes; i++)
    names.push(`${KEY}${i}`, `${VALUE}${i}`);
  const part = heads * width;
  const row = names.length * part + 1;
  const prefix = memory.length / row;
  const caches = Object.fromEntries(
    names.map((name) => [name, new Float32Array(places * part)]),
  );
  const mask = new Float32Array(places).fill(HIDDEN);
  for (let place = 0; place < prefix; place++) {
    names.forEach((name, i) => {
      const start = place * row + i * part;
      caches[name].set(memory.slice(start, start + part), place * part);
    });
    mask[place] = memory[(place + 1) * row - 1];
  }
  return { caches, mask, prefix, places, part };
}

/** Returns the likeliest token, and its log-probability. */
function likeliest(logits) {
  let best = END;
  for (let i = FIRST; i < logits.length; i++)
    if (logits[i] > logits[best]) best = i;
  let sum = 0;
  logits.forEach((value, i) => {
    if (i !== START && i !== UNKNOWN) sum += Math.exp(value - logits[best]);
  });
  return [best, -Math.log(sum)];
}

/**
 * Writes a text, as the answer of run.py.
 *
 * `memory` is what the model answers; `letters` are its characters or words;
 * `step` has `shapes` of its inputs, and `run`; `told` is called with the text
 * so far after each token, and awaited.
 */
export async function write(memory, letters, step, told = () => {}) {
  const pieces = [...letters];
  const { caches, mask, prefix, places, part } = unpack(memory, step.shapes);
  const names = Object.keys(caches);
  let [newest, total, text] = [START, 0, ""];
  for (let at = 0; prefix + at < places; at++) {
    const feed = {
      tokens: { data: Int32Array.of(newest), dtype: "int32" },
      input_pos: { data: Int32Array.of(at), dtype: "int32" },
      mask: { data: mask, dtype: "float32" },
    };
    for (const name of names)
      feed[name] = { data: caches[name], dtype: "float32" };
    for (const name of Object.keys(feed)) feed[name].shape = step.shapes[name];
    const found = await step.run(feed, ["logits", ...names]);
    const [best, likely] = likeliest(found.logits);
    total += likely;
    if (best === END) break;
    for (const name of names)
      caches[name].set(found[name], (prefix + at) * part);
    mask[prefix + at] = 0;
    text += pieces[best - FIRST];
    newest = best;
    await told(text);
  }
  const characters = [...text].length;
  return { text, probability: Math.exp(total), characters };
}
