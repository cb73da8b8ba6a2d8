// onnxruntime-web, for a bundle that has an ONNX file only.

import * as ort from "./ort/ort.wasm.bundle.min.mjs";

/** Returns what runs a model. */
export async function load(bytes) {
  ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
  ort.env.wasm.numThreads = 1;
  const options = { executionProviders: ["wasm"] };
  const session = await ort.InferenceSession.create(bytes, options);

  return async (feed, outputs) => {
    const tensors = {};
    for (const [name, { data, shape, dtype }] of Object.entries(feed))
      tensors[name] = new ort.Tensor(dtype, data, shape);
    const results = await session.run(tensors);
    return Object.fromEntries(outputs.map((n) => [n, results[n].data]));
  };
}
