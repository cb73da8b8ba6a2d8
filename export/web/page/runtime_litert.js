// LiteRT for web, which takes files with float or uint8 inputs and outputs.

import { loadAndCompile, loadLiteRt, Tensor } from "./litert/index.js";

const WASM = new URL("./litert/wasm/", import.meta.url).href;
let started; // it starts once a page

/** Returns what runs a model's signature; its `other` gives one more. */
export async function load(bytes, signature) {
  await (started ??= loadLiteRt(WASM));
  const model = await loadAndCompile(bytes, { accelerator: "wasm" });
  return Object.assign(make(model, signature), {
    has: (name) => name in model.signatures,
    other: (name) => ({
      run: make(model, name),
      shapes: Object.fromEntries(
        model.signatures[name]
          .getInputDetails()
          .map((tensor) => [tensor.name, [...tensor.shape]]),
      ),
    }),
  });
}

function make(model, signature) {
  const runner = model.signatures[signature];
  if (!runner) throw new Error(`The model has no signature ${signature}`);

  return async (feed, outputs) => {
    const tensors = {};
    for (const [name, { data, shape }] of Object.entries(feed))
      tensors[name] = new Tensor(data, shape);
    const results = await runner.run(tensors);
    const values = {};
    for (const name of outputs) values[name] = results[name].toTypedArray();
    // WebAssembly's memory is not collected.
    for (const tensor of [...Object.values(tensors), ...Object.values(results)])
      tensor.delete();
    return values;
  };
}
