// Starts the page: worker, bundle, cards; then answers.

import { showAnswer, showWriting } from "./answers.js";
import { loadBundle } from "./bundle.js";
import { makeCard } from "./cards.js";

const LIVE_MS = 400;
const ORDER = ["picture", "sound", "text", "numbers"];
const find = (id) => document.getElementById(id);

function say(text) {
  find("about").textContent = text;
}

function complain(error) {
  const box = find("error");
  box.hidden = !error;
  box.textContent = error ? (error.message ?? String(error)) : "";
}

/** Lets the worker see every file, so that it keeps them; not needed to run. */
async function startWorker() {
  if (!navigator.serviceWorker) return false;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller)
      await new Promise((done) => {
        navigator.serviceWorker.addEventListener("controllerchange", done);
        setTimeout(done, 3000);
      });
    return Boolean(navigator.serviceWorker.controller);
  } catch {
    return false;
  }
}

function about(manifest, offline) {
  const { quantize, file } = manifest.model;
  const size = (manifest.files[file].bytes / 1e6).toFixed(2);
  const kept = offline ? "works offline" : "needs the network to start";
  const kind = quantize === "none" ? "float32" : quantize;
  return `${kind} · ${size} MB · ${kept}\nNothing leaves this device.`;
}

/** Reads every card and asks the model; returns whether there is an answer. */
async function ask(bundle, cards) {
  try {
    const given = {};
    for (const card of cards) {
      const value = await card.read();
      if (value) given[card.name] = value;
    }
    if (!Object.keys(given).length)
      throw new Error("There is nothing to answer from yet: add an input.");
    const start = performance.now();
    const texts = {};
    const answer = await bundle.answer(given, (name, text) =>
      showWriting(find("answer"), Object.assign(texts, { [name]: text })),
    );
    const spent = performance.now() - start;
    complain(null);
    showAnswer(find("answer"), bundle, answer, spent, given);
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

function wire(bundle, cards) {
  const [button, live] = [find("ask"), find("live")];
  let asking = false;
  const once = async () => {
    if (asking) return false;
    asking = true;
    const good = await ask(bundle, cards);
    asking = false;
    return good;
  };
  const again = async () => {
    if (!live.checked) return;
    if (await once()) setTimeout(again, LIVE_MS);
    else live.checked = false;
  };
  button.addEventListener("click", async () => {
    await once();
    const shown = find("error").hidden ? find("answer") : find("error");
    shown.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
  live.addEventListener("change", again);
}

async function main() {
  const offline = await startWorker();
  const bundle = await loadBundle("bundle", say);
  document.title = bundle.manifest.name;
  find("name").textContent = bundle.manifest.name;
  const place = (name) => ORDER.indexOf(bundle.inputs[name].web);
  const names = Object.keys(bundle.inputs).sort((a, b) => place(a) - place(b));
  const cards = names.map((name) => makeCard(bundle, name, complain));
  find("inputs").replaceChildren(...cards.map((card) => card.element));
  find("bar").hidden = false;
  wire(bundle, cards);
  say(about(bundle.manifest, offline));
  document.body.dataset.ready = "yes";
}

main().catch((error) => {
  find("name").textContent = "The model could not be loaded";
  say("Nothing was run.");
  complain(error);
});
