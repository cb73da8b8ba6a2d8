// One card for each input: its switch, its source, what it holds.

import { make } from "./answers.js";
import { audioSource } from "./sound.js";
import { imageSource } from "./picture.js";

const SOURCES = {
  picture: imageSource,
  sound: audioSource,
  text: textSource,
  numbers: vectorSource,
};
let count = 0;

function textSource(bundle, name, changed) {
  const limit = bundle.inputs[name].shape[0];
  const area = make("textarea");
  area.rows = 3;
  area.placeholder = "Type or dictate";
  area.setAttribute("aria-label", name);
  const hint = make("p", "hint");
  const show = () => {
    const size = bundle.tokenizers[name](area.value).length;
    const cut = size > limit ? "; the rest is cut" : "";
    hint.textContent = `${Math.min(size, limit)} of ${limit} tokens${cut}`;
  };
  area.addEventListener("input", () => {
    show();
    changed(area.value.trim() !== "");
  });
  show();
  const read = async () =>
    area.value.trim() ? bundle.tokens(name, area.value) : null;
  return { parts: [area, hint], read, missing: "type a text" };
}

function vectorSource(bundle, name, changed) {
  const { columns, shape } = bundle.inputs[name];
  const names = columns ?? Array.from({ length: shape[0] }, (_, i) => `${i}`);
  const fields = names.map((column) => {
    const field = make("input");
    Object.assign(field, { type: "number", step: "any", inputMode: "decimal" });
    field.addEventListener("input", () =>
      changed(fields.some((each) => each.value !== "")),
    );
    return field;
  });
  const grid = make("div", "fields");
  names.forEach((column, i) => {
    grid.append(make("label", "", make("span", "", column), fields[i]));
  });
  const read = async () => {
    const empty = fields.findIndex((field) => field.value === "");
    if (fields.every((field) => field.value === "")) return null;
    if (empty >= 0)
      throw new Error(`${name}: ${names[empty]} must be a number.`);
    return Float32Array.from(fields, (field) => field.valueAsNumber);
  };
  return { parts: [grid], read, missing: "fill in the numbers" };
}

/** Makes the card of one input; `read` returns its value, null if absent. */
export function makeCard(bundle, name, complain) {
  const { web, optional } = bundle.inputs[name];
  const there = make("input");
  Object.assign(there, { type: "checkbox", checked: !optional });
  there.setAttribute("role", "switch");
  there.setAttribute("aria-label", `${name} is there`);
  const changed = (full) => {
    complain(null);
    if (optional) there.checked = full;
    show();
  };
  const source = SOURCES[web](bundle, name, changed, complain);

  const title = make("h2", "", name);
  title.id = `card-${++count}`;
  const state = optional
    ? make("label", "switch", there, make("span", "state"))
    : make("span", "hint", "needed");
  const element = make("section", "card", make("div", "head", title, state));
  element.append(...source.parts);
  element.setAttribute("aria-labelledby", title.id);
  const show = () => {
    element.classList.toggle("absent", !there.checked);
    if (optional)
      state.lastChild.textContent = there.checked ? "there" : "absent";
  };
  there.addEventListener("change", show);
  show();

  const read = async () => {
    if (!there.checked) return null;
    const value = await source.read();
    if (!value)
      throw new Error(
        `There is no ${name} yet: ${source.missing}` +
          (optional ? ", or switch it to absent." : "."),
      );
    return value;
  };
  return { name, element, read };
}
