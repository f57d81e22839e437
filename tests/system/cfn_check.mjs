// AWS's own validator of templates: what it finds in each of those named, from warnings on, a JSON line each.
import { createRequire } from "node:module";

const { RegoEngine, TemplateFile } = createRequire(`${process.argv[2]}/`)("@aws/cloudformation-validate");
const engine = new RegoEngine();

for (const path of process.argv.slice(3)) {
  const { diagnostics } = engine.validateStandard(new TemplateFile(path), { severityLevel: "WARN" });
  console.log(JSON.stringify(diagnostics.map((d) => `${d.ruleId} line ${d.startLine}: ${d.message}`)));
}
engine.free();
