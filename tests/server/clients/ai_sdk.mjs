// A picture by the AI SDK, and one that it changes: written into FOLDER.
import { writeFileSync } from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import { generateImage } from "ai";

const model = createOpenAI().image("gpt-image-1");
const made = await generateImage({ model, prompt: "a red house", size: "512x512", n: 2 });
made.images.forEach((image, number) =>
  writeFileSync(`${process.argv[2]}/made-${number}.png`, image.uint8Array),
);
const edited = await generateImage({
  model,
  prompt: { images: [made.image.uint8Array], text: "a blue house" },
});
writeFileSync(`${process.argv[2]}/edited.png`, edited.image.uint8Array);
try {
  await generateImage({ model, prompt: "a red house", size: "7x7", maxRetries: 0 });
} catch (error) {
  console.log(error.message);
}
