// The model at work beside the page, so that the page never waits for it.
//
// Messages in:  {load: url} · {job, prompt, options} · {stop: true}
// Messages out: {loading: {received, total}} · {ready} · {job, events} ·
//               {job, done} · {error}

import { generate, loadModel } from "./pocket.js";

const SLICE = 24; // milliseconds between two looks at what the page wants

let opened = null; // a promise of {model, tokenizer}
let latest = 0; // the job that is wanted

onmessage = async ({ data }) => {
  try {
    if (data.load) {
      latest = 0;
      const report = (received, total) =>
        postMessage({ loading: { received, total } });
      opened = loadModel(data.load, report);
      await opened;
      postMessage({ ready: data.load });
    } else if (data.stop) latest = 0;
    else await write(data);
  } catch (error) {
    postMessage({ error: error.message, job: data.job });
  }
};

/** Write all samples of a job, unless another one takes its place. */
async function write({ job, prompt, options }) {
  latest = job;
  const { model, tokenizer } = await opened;
  const start = performance.now();
  let lastLook = start;
  let numTokens = 0;
  let events = [];
  for (const step of generate(model, tokenizer, prompt, options)) {
    for (const event of step) events.push(withTexts(event, tokenizer));
    numTokens += step.length;
    if (performance.now() - lastLook > SLICE || numTokens === step.length) {
      postMessage({ job, events });
      events = [];
      await nextTask();
      if (latest !== job) return;
      lastLook = performance.now();
    }
  }
  const seconds = (performance.now() - start) / 1000;
  postMessage({ job, events });
  postMessage({ job, done: { numTokens, seconds } });
}

/** Write the alternatives out, which are token ids so far. */
function withTexts(event, tokenizer) {
  const alternatives = event.alternatives.map(([id, probability]) => ({
    id,
    probability,
    isStop: tokenizer.stopIds.has(id),
    text: tokenizer.decode([id]),
  }));
  return { ...event, alternatives };
}

/** Let messages come in; a timer would wait for four milliseconds. */
function nextTask() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
