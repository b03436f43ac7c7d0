// A picture by the `openai` package, one that it changes, and one with previews: into FOLDER.
import { createReadStream, writeFileSync } from "node:fs";
import OpenAI from "openai";

const folder = process.argv[2];
const client = new OpenAI();
const write = (name, data) => writeFileSync(`${folder}/${name}.png`, Buffer.from(data, "base64"));

const made = await client.images.generate({
  model: "gpt-image-1",
  prompt: "a red house",
  size: "512x512",
});
write("made", made.data[0].b64_json);

const edited = await client.images.edit({
  model: "gpt-image-1",
  prompt: "a blue house",
  image: [createReadStream(`${folder}/made.png`)],
});
write("edited", edited.data[0].b64_json);

const stream = await client.images.generate({
  model: "gpt-image-1",
  prompt: "a red house",
  stream: true,
  partial_images: 1,
});
for await (const event of stream) {
  if (event.type === "image_generation.completed") write("streamed", event.b64_json);
}

for await (const model of client.models.list()) console.log(model.id);
try {
  await client.images.generate({ model: "gpt-image-1", prompt: "a red house", size: "7x7" });
} catch (error) {
  console.log(error.constructor.name, error.status, error.type, error.param);
}
