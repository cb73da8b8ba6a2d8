// Answers that tell places: boxes and masks, and a picture with them on it.

// As detections.py has them.
const OVERLAP = 0.6;
const MOST = 100;
const CANDIDATES = 500;
// Colours that people tell apart who see some of them alike.
const COLOURS = [
  "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7",
];
// A picture is drawn at least so many pixels wide, so that lines are thin.
const WIDE = 640;

export const colourOf = (place) => COLOURS[place % COLOURS.length];

const clipped = (value) => Math.min(Math.max(value, 0), 1);

/** Returns intersection over union of two boxes: left, top, right, bottom. */
function overlap(one, other) {
  const wide = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const high = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  const shared = Math.max(wide, 0) * Math.max(high, 0);
  const area = (b) => (b[2] - b[0]) * (b[3] - b[1]);
  return shared / Math.max(area(one) + area(other) - shared, 1e-12);
}

/**
 * Returns the boxes that cells tell, the surest first, as run.py does: those
 * of a class that overlap with a surer one are left out. They are in pixels
 * of the model's picture, [left, top, width, height].
 */
export function foundBoxes(values, { classes, least_score }, [height, width]) {
  const row = 8 + classes.length;
  const told = [];
  for (let at = 0; at < values.length; at += row)
    for (let index = 0; index < classes.length; index++)
      if (values[at + 8 + index] >= least_score)
        told.push({ at, index, score: values[at + 8 + index] });
  told.sort((a, b) => b.score - a.score);
  const kept = [];
  for (const { at, index, score } of told.slice(0, CANDIDATES)) {
    const box = Array.from(values.slice(at, at + 4), clipped);
    const solid = box[2] > box[0] && box[3] > box[1];
    const near = (other) =>
      other.index === index && overlap(other.box, box) > OVERLAP;
    if (solid && !kept.some(near)) kept.push({ index, score, box });
  }
  const boxes = kept.slice(0, MOST).map(({ index, score, box }) => ({
    label: classes[index],
    probability: score,
    box: [
      box[0] * width,
      box[1] * height,
      (box[2] - box[0]) * width,
      (box[3] - box[1]) * height,
    ],
  }));
  return { count: boxes.length, boxes, size: [width, height] };
}

/** Returns the class of each pixel, 0 for none, as run.py decides it. */
function classesOf(values, count) {
  if (count === 1) return Uint8Array.from(values, (value) => +(value > 0.5));
  const found = new Uint8Array(values.length / (count + 1));
  for (let pixel = 0; pixel < found.length; pixel++) {
    const at = pixel * (count + 1);
    for (let place = 1; place <= count; place++)
      if (values[at + place] > values[at + found[pixel]]) found[pixel] = place;
  }
  return found;
}

/** Returns what is where in the model's picture, as run.py tells it. */
export function marked(values, { classes, size }) {
  const mask = classesOf(values, classes.length);
  const columns = size[1];
  const runs = [];
  const found = classes.map(() => ({ pixels: 0, rows: [], columns: [] }));
  mask.forEach((place, pixel) => {
    const last = runs.at(-1);
    if (last?.[0] === place) last[1] += 1;
    else runs.push([place, 1]);
    if (!place) return;
    const entry = found[place - 1];
    entry.pixels += 1;
    widen(entry.rows, Math.floor(pixel / columns));
    widen(entry.columns, pixel % columns);
  });
  const told = found.map(({ pixels, rows, columns: across }) => ({
    share: pixels / mask.length,
    bounds: pixels ? [rows, across] : null,
  }));
  const named = Object.fromEntries(classes.map((name, i) => [name, told[i]]));
  return { classes: named, size, runs };
}

function widen(bounds, value) {
  bounds[0] = Math.min(bounds[0] ?? value, value);
  bounds[1] = Math.max(bounds[1] ?? value, value);
}

/** Returns the model's picture as a canvas. */
function canvasOf(value, [height, width, channels]) {
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++)
      image.data[i * 4 + c] = value[i * channels + Math.min(c, channels - 1)];
    image.data[i * 4 + 3] = 255;
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** Returns a mask's colours as a canvas, clear where nothing is marked. */
function coloursOf({ runs, size: [height, width] }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  let pixel = 0;
  for (const [place, length] of runs) {
    context.fillStyle = colourOf(place - 1);
    for (let left = length; place && left > 0; ) {
      const [row, column] = [Math.floor(pixel / width), pixel % width];
      const run = Math.min(left, width - column);
      context.fillRect(column, row, run, 1);
      [pixel, left] = [pixel + run, left - run];
    }
    if (!place) pixel += length;
  }
  return canvas;
}

/** Draws an answer over the picture that it is about; returns the canvas. */
export function drawPlaces(value, shape, answer, classes) {
  const [height, width] = shape;
  const scale = Math.max(1, Math.ceil(WIDE / width));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: width * scale, height: height * scale });
  const context = canvas.getContext("2d");
  context.drawImage(canvasOf(value, shape), 0, 0, canvas.width, canvas.height);
  if (answer.runs) {
    context.globalAlpha = 0.5;
    context.drawImage(coloursOf(answer), 0, 0, canvas.width, canvas.height);
  }
  context.lineWidth = Math.max(2, canvas.width / 200);
  for (const { label, box } of answer.boxes ?? []) {
    context.strokeStyle = colourOf(classes.indexOf(label));
    context.strokeRect(...box.map((n) => n * scale));
  }
  return canvas;
}
