// A bundle, checked as run.py checks it, and answered by a runtime.

import { canonical } from "./manifest.js";
import { foundBoxes, marked } from "./places.js";
import { foundSpans } from "./spans.js";
import { loadTokenizer } from "./tokenizer.js";
import { write } from "./writing.js";

const ARRAYS = { uint8: Uint8Array, float32: Float32Array, int32: Int32Array };

/** How many ordered classes are passed with a chance above a half. */
function rankOf(values) {
  const half = values.reduce((sum, value) => sum + value, 0) / 2;
  let below = 0;
  return values.slice(0, -1).filter((value) => (below += value) < half).length;
}

/** Throws an Error with what was expected and received side by side. */
export function refuse(what, expected, received) {
  throw new Error(`${what} must be ${expected}. Received: ${received}`);
}

/** Returns the bytes at an address. */
async function read(address) {
  const response = await fetch(address).catch((error) =>
    refuse(`\`${address}\``, "reachable", error.message),
  );
  if (!response.ok) refuse(`\`${address}\``, "there", response.status);
  return new Uint8Array(await response.arrayBuffer());
}

/** Returns a text, as run.py tells it: runs of a symbol count once, blanks not. */
export function transcribed(values, { alphabet, separator, steps }) {
  const width = alphabet.length + 1;
  const found = { text: "", probability: 0, symbols: [], steps: [] };
  let last = 0;
  for (let step = 0; step < steps; step++) {
    const row = values.slice(step * width, (step + 1) * width);
    const most = Math.max(...row);
    const best = row.indexOf(most);
    found.probability -= Math.log(
      row.reduce((sum, value) => sum + Math.exp(value - most), 0),
    );
    if (best && best !== last) {
      found.symbols.push(alphabet[best - 1]);
      found.steps.push(step);
    }
    last = best;
  }
  found.text = found.symbols.join(separator);
  found.probability = Math.exp(found.probability);
  return found;
}

/** Returns the SHA-256 of bytes in hexadecimal. */
export async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Refuses a manifest that is not the one that was written. */
async function prove(text, manifest) {
  // Those of earlier versions have neither.
  if (!("format" in manifest || "sha256" in manifest)) return;
  const found = await sha256(new TextEncoder().encode(canonical(text)));
  if (found !== manifest.sha256)
    refuse(
      "The manifest",
      `the one that was written, with sha256 ${manifest.sha256}`.slice(0, 60),
      found.slice(0, 16),
    );
}

/** Returns the runtime that a file of this format needs. */
async function startRuntime(format) {
  if (format === "tflite") return import("./runtime_litert.js");
  if (format === "onnx") return import("./runtime_onnx.js");
  return refuse("The model's format", "tflite or onnx", format);
}

/** Loads the bundle in a folder; `say` is told what is being done. */
export async function loadBundle(folder, say = () => {}) {
  if (!globalThis.crypto?.subtle)
    refuse("This page", "opened over https, or on localhost", location.origin);
  const json = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
  say("Reading the manifest");
  const bytes = await read(`${folder}/manifest.json`);
  const manifest = json(bytes);
  await prove(new TextDecoder().decode(bytes), manifest);
  if (manifest.kind !== "bundle")
    refuse("The manifest", "of kind bundle", manifest.kind);

  const checked = async (name) => {
    say(`Checking ${name}`);
    const entry = manifest.files[name] ?? refuse(name, "in the manifest", "no");
    const bytes = await read(`${folder}/${name}`);
    const found = await sha256(bytes);
    if (found !== entry.sha256)
      refuse(
        `\`${name}\``,
        `the file with sha256 ${entry.sha256.slice(0, 16)}`,
        found.slice(0, 16),
      );
    return bytes;
  };
  const labels = json(await checked("labels.json"));
  for (const [name, entry] of Object.entries(manifest.outputs))
    if (JSON.stringify(labels[name]) !== JSON.stringify(entry.classes))
      refuse("labels.json", "the manifest's classes", labels[name]);

  const tokenizers = {};
  for (const [name, entry] of Object.entries(manifest.inputs))
    if (entry.tokenizer)
      tokenizers[name] = loadTokenizer(json(await checked(entry.tokenizer)));
  const letters = {};
  for (const [name, entry] of Object.entries(manifest.outputs))
    if (entry.letters)
      ({ letters: letters[name] } = json(await checked(entry.letters)));
  const model = await checked(manifest.model.file);
  say("Starting the runtime");
  const runtime = await startRuntime(manifest.model.format);
  const run = await runtime.load(model, manifest.model.signature);
  const bundle = new Bundle(manifest, tokenizers, run, letters);
  await bundle.warmUp();
  return bundle;
}

/** A verified bundle: `predict` and `answer` are those of run.py. */
export class Bundle {
  constructor(manifest, tokenizers, run, letters) {
    Object.assign(this, { manifest, tokenizers, run, letters });
    this.inputs = manifest.inputs;
    this.outputs = manifest.outputs;
    // The texts that tokens were made of, for answers that tell places.
    this.texts = new WeakMap();
  }

  /** Returns the token ids of a text, cut or padded with 0. */
  tokens(name, text) {
    const ids = new Int32Array(this.inputs[name].shape[0]);
    ids.set(this.tokenizers[name](text).slice(0, ids.length));
    this.texts.set(ids, text);
    return ids;
  }

  /** Returns the raw outputs by target, from typed arrays by modality. */
  async predict(given) {
    const feed = {};
    for (const [name, entry] of Object.entries(this.inputs)) {
      const size = entry.shape.reduce((a, b) => a * b, 1);
      if (given[name]) this.check(name, given[name], size);
      else if (!entry.optional)
        refuse(`\`${name}\``, "given: it is not optional", "nothing");
      const data = given[name] ?? new ARRAYS[entry.dtype](size);
      feed[name] = { data, shape: [1, ...entry.shape], dtype: entry.dtype };
    }
    const present = this.manifest.present;
    if (present.length)
      feed.present = {
        data: Float32Array.from(present, (name) => (given[name] ? 1 : 0)),
        shape: [1, present.length],
        dtype: "float32",
      };
    return this.run(feed, Object.keys(this.outputs));
  }

  /** Answers once for nothing: the first answer is slower than the others. */
  async warmUp() {
    const given = {};
    for (const [name, { dtype, shape }] of Object.entries(this.inputs))
      given[name] = new ARRAYS[dtype](shape.reduce((a, b) => a * b, 1));
    await this.predict(given);
  }

  check(name, value, size) {
    const { dtype, web, vocabulary_size } = this.inputs[name];
    if (!(value instanceof ARRAYS[dtype]) || value.length !== size)
      refuse(`\`${name}\``, `${size} values of ${dtype}`, value.length);
    if (web === "text") {
      if (value.some((id) => id < 0 || id >= vocabulary_size))
        refuse(`\`${name}\``, `token ids below ${vocabulary_size}`, "others");
    } else if (!value.every(Number.isFinite))
      refuse(`\`${name}\``, "finite", "NaN or infinity");
  }

  /** Returns the text of an output, and tells it as it is written. */
  async written(name, values, told) {
    const key = this.run.has("decode") ? "decode" : `decode_${name}`;
    const letters = this.letters[name];
    return write(values, letters, this.run.other(key), (text) =>
      told?.(name, text),
    );
  }

  /**
   * Returns the answer for one sample, as run.py prints it.
   *
   * `told` is called with a target and its text so far, and awaited.
   */
  async answer(given, told) {
    const raw = await this.predict(given);
    const answers = {};
    for (const [name, entry] of Object.entries(this.outputs)) {
      if (entry.web === "written") {
        answers[name] = await this.written(name, raw[name], told);
        continue;
      }
      const values = [...raw[name]];
      if (entry.web === "number") {
        answers[name] = { value: values[0], unit: entry.unit };
        continue;
      }
      if (entry.web === "transcript") {
        answers[name] = transcribed(values, entry);
        continue;
      }
      if (entry.web === "boxes") {
        const { shape } = this.inputs[entry.modality];
        answers[name] = foundBoxes(values, entry, shape);
        continue;
      }
      if (entry.web === "mask") {
        answers[name] = marked(values, entry);
        continue;
      }
      if (entry.web === "spans") {
        const ids = given[entry.modality];
        const text = (ids && this.texts.get(ids)) ?? null;
        const tokenizer = this.tokenizers[entry.modality];
        answers[name] = foundSpans(values, entry, text, tokenizer);
        continue;
      }
      const probabilities = Object.fromEntries(
        entry.classes.map((label, i) => [label, values[i]]),
      );
      const best =
        entry.web === "grade"
          ? rankOf(values)
          : values.indexOf(Math.max(...values));
      answers[name] =
        entry.web === "classes"
          ? { labels: entry.classes.filter((_, i) => values[i] >= 0.5) }
          : { label: entry.classes[best], probability: values[best] };
      answers[name].probabilities = probabilities;
    }
    return answers;
  }
}
