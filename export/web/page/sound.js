// The source of sound: the last seconds of the microphone, or a file.

import { make } from "./answers.js";
import { makeButton, makeFileButton } from "./buttons.js";
import { readAudio, resample } from "./inputs.js";
import { open } from "./picture.js";

const RAW = {
  echoCancellation: false,
  noiseSuppression: false,
  autoGainControl: false,
};

/** Draws loudness over time, scaled to the loudest. */
function draw(canvas, sound) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const scale = globalThis.devicePixelRatio || 1;
  Object.assign(canvas, { width: width * scale, height: height * scale });
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.fillStyle = getComputedStyle(canvas).color;
  const bars = Math.max(1, Math.floor(width / 4));
  const step = sound.length / bars;
  const peaks = Array.from({ length: bars }, (_, i) => {
    let peak = 0;
    const end = Math.min(sound.length, Math.ceil((i + 1) * step));
    for (let at = Math.floor(i * step); at < end; at++)
      peak = Math.max(peak, Math.abs(sound[at]));
    return peak;
  });
  const loudest = Math.max(0.02, ...peaks);
  peaks.forEach((peak, i) => {
    const size = Math.max(2, (peak / loudest) * (height - 8));
    context.fillRect(i * 4, (height - size) / 2, 2, size);
  });
}

/** Opens the microphone; `hear` is given the last seconds again and again. */
async function listen(seconds, hear) {
  const stream = await open("microphone", { audio: RAW });
  const context = new AudioContext();
  await context.audioWorklet.addModule(new URL("ear.js", import.meta.url));
  const ear = new AudioWorkletNode(context, "ear", { numberOfOutputs: 0 });
  const last = new Float32Array(Math.ceil(seconds * context.sampleRate));
  let heard = 0;
  ear.port.onmessage = ({ data }) => {
    const block = data.subarray(Math.max(0, data.length - last.length));
    last.copyWithin(0, block.length);
    last.set(block, last.length - block.length);
    heard += data.length;
    hear(last, heard >= last.length);
  };
  context.createMediaStreamSource(stream).connect(ear);
  const stop = async () => {
    for (const track of stream.getTracks()) track.stop();
    await context.close();
  };
  return { last, rate: context.sampleRate, stop };
}

export function audioSource(bundle, name, changed, complain) {
  const entry = bundle.inputs[name];
  const rate = entry.sample_rate_hz;
  const seconds = entry.shape[0] / rate;
  let [value, ear, full] = [null, null, false];
  const canvas = make("canvas", "wave");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name}: loudness over time`);

  const now = async () => resample(ear.last, ear.rate, entry);
  const stop = async () => {
    if (full) value = await now();
    await ear.stop();
    ear = null;
    button.textContent = "Listen";
    canvas.classList.remove("live");
    if (value) draw(canvas, value);
  };
  const toggle = async () => {
    if (ear) return stop();
    complain(null);
    full = false;
    ear = await listen(seconds, (last, enough) => {
      if (enough && !full) changed(true);
      full = enough;
      draw(canvas, last);
    });
    button.textContent = "Stop";
    canvas.classList.add("live");
  };
  const button = makeButton("Listen", toggle, complain);
  const file = makeFileButton(
    "Choose file",
    "audio/*",
    async (chosen) => {
      const sound = await readAudio(chosen, entry);
      if (ear) await stop();
      value = sound;
      draw(canvas, value);
      changed(true);
    },
    complain,
  );
  const read = async () => (ear && full ? now() : value);
  const size = `${seconds.toFixed(2)} s at ${rate} Hz`;
  const part = entry.crop === "center" ? "middle" : "beginning";
  const hint = make("p", "hint", `${size}; of a longer file, the ${part}`);
  const buttons = make("div", "buttons", button, file);
  return { parts: [canvas, buttons, hint], read, missing: "listen a moment" };
}
