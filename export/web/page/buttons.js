// Buttons that say on screen what they fail at.

import { make } from "./answers.js";

/** Makes a button that says on screen what it fails at. */
export function makeButton(text, act, complain) {
  const button = make("button", "", text);
  button.type = "button";
  button.addEventListener("click", () => act().catch(complain));
  return button;
}

/** Makes a button that opens a file; `read` is given it. */
export function makeFileButton(text, accept, read, complain) {
  const input = make("input", "hidden");
  Object.assign(input, { type: "file", accept });
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    complain(null);
    await read(file).catch(complain);
    input.value = ""; // so that the same file may be chosen again
  });
  return make("label", "button", text, input);
}
