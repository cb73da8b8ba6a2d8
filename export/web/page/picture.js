// The source of a picture: the camera, or a file.

import { make } from "./answers.js";
import { makeButton, makeFileButton } from "./buttons.js";
import { fit, pixels, readImage } from "./inputs.js";

/** Says in words why a camera or a microphone did not open. */
export function whyNot(device, error) {
  const reasons = {
    NotAllowedError: "it was not allowed; change that in the site's settings",
    NotFoundError: "there is none",
    NotReadableError: "another program uses it",
  };
  const reason = reasons[error.name] ?? error.message;
  return new Error(`The ${device} did not open: ${reason}.`);
}

/** Opens a camera or a microphone. */
export async function open(device, constraints) {
  if (!navigator.mediaDevices)
    throw new Error(`The ${device} needs https, or localhost.`);
  return navigator.mediaDevices.getUserMedia(constraints).catch((error) => {
    throw whyNot(device, error);
  });
}

/** Draws the model's picture into a canvas, pixel by pixel. */
function draw(canvas, value, [height, width, channels]) {
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < 3; c++)
      image.data[i * 4 + c] = value[i * channels + Math.min(c, channels - 1)];
    image.data[i * 4 + 3] = 255;
  }
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export function imageSource(bundle, name, changed, complain) {
  const { shape } = bundle.inputs[name];
  const [height, width] = shape;
  let [value, stream, opening] = [null, null, null];
  const video = make("video");
  Object.assign(video, { muted: true, playsInline: true, hidden: true });
  const canvas = make("canvas");
  canvas.hidden = true;
  const empty = make("p", "empty", "No picture yet");
  const view = make("div", "view", video, canvas, empty);
  // The same cut as the model's: cover, around the centre.
  view.style.setProperty("--ratio", `${width} / ${height}`);

  const keep = (picture) => {
    value = picture;
    draw(canvas, value, shape);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${name} as the model sees it`);
    canvas.hidden = false;
    empty.hidden = true;
    changed(true);
  };
  const look = () =>
    fit(pixels(video, video.videoWidth, video.videoHeight), shape);
  const show = (on) => {
    video.hidden = !on;
    view.classList.toggle("live", on);
    camera.textContent = on ? "Take picture" : "Camera";
  };
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    [stream, video.srcObject] = [null, null];
    show(false);
  };
  const toggle = async () => {
    if (stream) {
      keep(look());
      return stop();
    }
    complain(null);
    const wanted = { facingMode: "environment", width: 640, height: 480 };
    stream = await open("camera", { video: wanted });
    video.srcObject = stream;
    await video.play();
    show(true);
    keep(look());
  };
  const press = () => (opening = toggle());
  const camera = makeButton("Camera", press, complain);
  const file = makeFileButton(
    "Choose file",
    "image/*",
    async (chosen) => {
      const picture = await readImage(chosen, shape);
      if (stream) stop();
      keep(picture);
    },
    complain,
  );
  const read = async () => {
    await opening?.catch(() => {}); // the button has said why
    if (stream) {
      value = look();
      draw(canvas, value, shape);
    }
    return value;
  };
  const size = make("p", "hint", `cut and shrunk to ${width} × ${height}`);
  const buttons = make("div", "buttons", camera, file);
  const missing = "take one or choose a file";
  return { parts: [view, buttons, size], read, missing };
}
