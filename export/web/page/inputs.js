// From what a phone sees and hears to what the model reads.

const LUMA = [19595 / 65536, 38470 / 65536, 7471 / 65536]; // as Pillow's grey

// Half goes up; so does what is a half but for rounding errors.
const round = (x) => Math.floor(x + 0.5 + 1e-6);

/** Returns, for each of `wanted` pixels, [first, weights] of those covered. */
function area(size, wanted, scale) {
  const start = (size - wanted * scale) / 2;
  return Array.from({ length: wanted }, (_, i) => {
    const low = start + scale * i;
    const high = start + scale * (i + 1);
    const first = Math.max(0, Math.floor(low));
    const weights = [];
    for (let pixel = first; pixel < Math.min(size, high); pixel++)
      weights.push(
        Math.max(0, Math.min(pixel + 1, high) - Math.max(pixel, low)) / scale,
      );
    return [first, weights];
  });
}

/**
 * Cuts a picture to the model's proportions around the centre and shrinks it:
 * each pixel becomes the mean of the area it covers, as in live.py.
 *
 * `picture` is ImageData; `shape` is height, width and channels (1 or 3).
 */
export function fit({ data, width, height }, [rows, columns, channels]) {
  const scale = Math.min(height / rows, width / columns);
  const down = area(height, rows, scale);
  const across = area(width, columns, scale);
  const result = new Uint8Array(rows * columns * channels);
  const strip = new Float64Array(width * channels);
  down.forEach(([top, heights], row) => {
    strip.fill(0);
    heights.forEach((weight, i) => {
      let at = (top + i) * width * 4;
      for (let x = 0; x < width; x++, at += 4)
        if (channels === 1)
          strip[x] +=
            weight *
            (data[at] * LUMA[0] + data[at + 1] * LUMA[1] + data[at + 2] * LUMA[2]);
        else
          for (let c = 0; c < 3; c++) strip[x * 3 + c] += weight * data[at + c];
    });
    across.forEach(([left, widths], column) => {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        widths.forEach((weight, i) => {
          sum += weight * strip[(left + i) * channels + c];
        });
        result[(row * columns + column) * channels + c] = round(sum);
      }
    });
  });
  return result;
}

/** Draws anything that has pixels; returns them as ImageData. */
export function pixels(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Reads a picture of any size and kind that the browser knows. */
export async function readImage(file, shape) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name ?? "The file"} is not a picture.`);
  });
  return fit(pixels(bitmap, bitmap.width, bitmap.height), shape);
}

/** Returns sound at the model's rate, cut or padded, rounded to 16 bits. */
function whole(sound, { shape: [wanted], crop }) {
  const centred = crop === "center" ? Math.floor((sound.length - wanted) / 2) : 0;
  const samples = new Float32Array(wanted);
  samples.set(sound.subarray(Math.max(0, centred)).subarray(0, wanted));
  return samples.map(
    (x) => Math.max(-32768, Math.min(32767, Math.round(x * 32768))) / 32768,
  );
}

/** Returns the mean of the channels of an AudioBuffer. */
function mix(buffer) {
  const sound = new Float32Array(buffer.length);
  for (let c = 0; c < buffer.numberOfChannels; c++)
    buffer.getChannelData(c).forEach((x, i) => {
      sound[i] += x / buffer.numberOfChannels;
    });
  return sound;
}

/** Reads a recording of any rate and kind that the browser knows. */
export async function readAudio(file, entry) {
  const context = new OfflineAudioContext(1, 1, entry.sample_rate_hz);
  const bytes = await file.arrayBuffer();
  const buffer = await context.decodeAudioData(bytes).catch(() => {
    throw new Error(`${file.name ?? "The file"} is not a recording.`);
  });
  return whole(mix(buffer), entry);
}

/** Brings the last seconds of a microphone to the model's rate. */
export async function resample(sound, rate, entry) {
  const { sample_rate_hz: wanted, shape } = entry;
  if (rate === wanted) return whole(sound, entry);
  const context = new OfflineAudioContext(1, shape[0], wanted);
  const source = context.createBufferSource();
  source.buffer = new AudioBuffer({ length: sound.length, sampleRate: rate });
  source.buffer.copyToChannel(sound, 0);
  source.connect(context.destination);
  source.start();
  return whole((await context.startRendering()).getChannelData(0), entry);
}
