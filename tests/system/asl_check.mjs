// AWS's own states language, as npm asl-validator knows it: the errors of each definition named, a JSON line each.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const validate = createRequire(`${process.argv[2]}/`)("asl-validator");

for (const path of process.argv.slice(3)) {
  const { errors } = validate(JSON.parse(readFileSync(path, "utf8")), { checkPaths: true, checkArn: true });
  console.log(JSON.stringify(errors));
}
