// One picture by the `openai` package for Node: OUT_FOLDER as its argument, the rest as it reads it.
import { writeFileSync } from "node:fs";
import OpenAI from "openai";

const answer = await new OpenAI().images.generate({
  model: "gpt-image-1",
  prompt: "a red house",
  size: "512x512",
});
writeFileSync(`${process.argv[2]}/picture.png`, Buffer.from(answer.data[0].b64_json, "base64"));
