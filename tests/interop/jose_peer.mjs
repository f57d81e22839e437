// The other side of the sealing tests: npm jose. One JSON question a line on standard input, one answer a line.
//   {"do":"key"} → {"jwk":{public}}    {"do":"open","jwe":…} → {"text":…}    {"do":"seal","jwk":…,"text":…,"alg","enc"} → {"jwe":…}
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const modules = process.argv[2];
const found = createRequire(`${modules}/`).resolve("jose");
const jose = await import(pathToFileURL(found).href);

const pair = await jose.generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
const publicJwk = await jose.exportJWK(pair.publicKey);

async function answer(question) {
  switch (question.do) {
    case "key":
      return { jwk: publicJwk };
    case "open": {
      const { plaintext, protectedHeader } = await jose.compactDecrypt(question.jwe, pair.privateKey);
      return { text: Buffer.from(plaintext).toString("base64"), header: protectedHeader };
    }
    case "seal": {
      const key = await jose.importJWK(question.jwk, question.alg);
      const jwe = await new jose.CompactEncrypt(Buffer.from(question.text, "base64"))
        .setProtectedHeader({ alg: question.alg, enc: question.enc })
        .encrypt(key);
      return { jwe };
    }
  }
  return { error: "an unknown question" };
}

for await (const line of createInterface({ input: process.stdin })) {
  let said;
  try {
    said = await answer(JSON.parse(line));
  } catch (error) {
    said = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
