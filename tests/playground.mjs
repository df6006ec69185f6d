// What the playground's modules answer, for tests/test_playground.py.
//
//     node tests/playground.mjs MODULE-FOLDER MODEL-FILE < questions.json
//
// Questions and answers are lists under the same names.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, file] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(`${folder}/${name}.js`));
const { answersEqual, extractAnswer, groupAnswers } = await load("answers");
const { generate, openModel } = await load("pocket");
const { uniformNumbers } = await load("random");

const bytes = readFileSync(file);
const { model, tokenizer } = openModel(new Uint8Array(bytes).buffer);

function complete([prompt, options]) {
  const outputs = [];
  for (const step of generate(model, tokenizer, prompt, options)) {
    for (const { sample, id, text, probability, end } of step) {
      outputs[sample] ??= { ids: [], text: "", logprobs: [] };
      outputs[sample].ids.push(id);
      outputs[sample].text += text;
      outputs[sample].logprobs.push(Math.log(probability));
      outputs[sample].end = end;
    }
  }
  return outputs;
}

const answer = {
  encode: (text) => tokenizer.encode(text),
  decode: (ids) => tokenizer.decode(ids),
  uniform: (question) => Array.from(uniformNumbers(...question)),
  complete,
  equal: ([first, second]) => answersEqual(first, second),
  extract: (text) => extractAnswer(text),
  group: (answers) => groupAnswers(answers),
};
const questions = JSON.parse(readFileSync(0, "utf-8"));
const answers = Object.entries(questions).map(([name, list]) => [
  name,
  list.map((question) => answer[name](question)),
]);
process.stdout.write(JSON.stringify(Object.fromEntries(answers)));
