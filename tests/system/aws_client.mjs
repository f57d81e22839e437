// The same as aws_client.py with the AWS SDK for JavaScript, credentials by its default chain or by PROVIDER:
//   aws_client.mjs PACKAGES ENDPOINT FILE CALLS EVERY [PROVIDER]
import { createRequire } from "node:module";
import { appendFileSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";

const [packages, endpoint, file, calls, every, provider = "fromNodeProviderChain"] = process.argv.slice(2);
const require = createRequire(packages + "/");
const { S3Client, ListBucketsCommand } = require("@aws-sdk/client-s3");
const providers = require("@aws-sdk/credential-providers");

const client = new S3Client({ endpoint, forcePathStyle: true, maxAttempts: 1, credentials: providers[provider]() });
// Near their end it asks for new credentials beside a call, waits for them nowhere, and Node.js ends a program for that.
process.on("unhandledRejection", () => {});
const began = Date.now();
writeFileSync(file, "");
for (let nth = 0; nth < Number(calls); nth++) {
	await setTimeout(Math.max(0, began + nth * Number(every) * 1000 - Date.now()));
	const at = Date.now();
	let said = "ok";
	try {
		await client.send(new ListBucketsCommand({}));
	} catch (error) {
		said = `${error.name}: ${error.message}`;
	}
	appendFileSync(file, JSON.stringify({ at: at / 1000, took: (Date.now() - at) / 1000, said }) + "\n");
}
