// Step Functions on loopback: the definitions that are shipped, run by npm aws-local-stepfunctions, behind the wire that
// AWS has. What a task asks goes to `lambda`, as Lambda's Invoke; all that came, went and happened is kept for GET /record.
//   node states.mjs PACKAGES LAMBDA-URL ARN=DEFINITION…
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [packages, lambda, ...machines] = process.argv.slice(2);
const { StateMachine } = createRequire(`${packages}/`)("aws-local-stepfunctions");
const definitions = new Map(machines.map((text) => {
  const at = text.indexOf("=");
  return [text.slice(0, at), readFileSync(text.slice(at + 1), "utf8")];
}));
const tasks = new Map(); // by token: { settle, state: "waits" | "over" }
const executions = new Map(); // by name
const record = [];
let away = false;

class Refused extends Error {
  constructor(type) {
    super(type);
    this.type = type;
  }
}

async function invoke(name, payload) {
  const answer = await fetch(`${lambda}/2015-03-31/functions/${name}/invocations`,
    { method: "POST", body: JSON.stringify(payload) });
  const said = await answer.json();
  record.push({ invoked: name, payload, said });
  if (answer.headers.get("x-amz-function-error")) {
    const error = new Error(JSON.stringify(said));
    error.name = said.errorType;
    throw error;
  }
  return said;
}

async function waitFor(token, name, payload) {
  const answer = new Promise((resolve, reject) => tasks.set(token, { state: "waits", resolve, reject }));
  const over = setTimeout(() => { tasks.get(token).state = "over"; },
    1000 * (payload.step === "await-decision" ? payload.pendingSeconds : payload.useSeconds));
  try {
    await invoke(name, payload);
    return await answer;
  } finally {
    clearTimeout(over);
  }
}

function run(arn, name, input) {
  const definition = JSON.parse(definitions.get(arn).replace(/\$\{(\w+?)Arn\}/g, "$1"));
  const Task = { Token: randomUUID() };
  const local = {};
  for (const [state, { Type, Resource }] of Object.entries(definition.States)) {
    if (Type !== "Task") continue;
    local[state] = async ({ FunctionName, Payload }) => {
      if (!Resource.endsWith(".waitForTaskToken")) return { Payload: await invoke(FunctionName, Payload) };
      Task.Token = randomUUID(); // the next step's
      return waitFor(Payload.taskToken, FunctionName, Payload);
    };
  }
  const execution = new StateMachine(definition, { validationOptions: { noValidate: true } })
    .run(input, { context: { Task }, overrides: { taskResourceLocalHandlers: local } });
  const known = { arn, name, input, status: "RUNNING", states: [] };
  executions.set(name, known);
  (async () => {
    for await (const event of execution.eventLogs) {
      record.push({ execution: name, event });
      if (event.type === "StateEntered") known.states.push(event.state.name);
    }
  })();
  known.done = execution.result.then(
    (output) => Object.assign(known, { status: "SUCCEEDED", output }),
    (error) => Object.assign(known, { status: "FAILED", error: error.cause?.name ?? error.name,
      cause: error.cause?.message ?? error.message }));
  return known;
}

function reuse(name, input) {
  const known = executions.get(name);
  if (known && (known.status !== "RUNNING" || JSON.stringify(known.input) !== JSON.stringify(input)))
    throw new Refused("ExecutionAlreadyExists");
  return known;
}

const operations = {
  StartExecution({ stateMachineArn, name, input }) {
    if (!definitions.has(stateMachineArn)) throw new Refused("StateMachineDoesNotExist");
    if (!reuse(name, JSON.parse(input))) run(stateMachineArn, name, JSON.parse(input));
    return { executionArn: `${stateMachineArn.replace("stateMachine", "execution")}:${name}`, startDate: Date.now() / 1000 };
  },
  async StartSyncExecution({ stateMachineArn, input }) {
    if (!definitions.has(stateMachineArn)) throw new Refused("StateMachineDoesNotExist");
    const { status, output, error, cause } = await run(stateMachineArn, randomUUID(), JSON.parse(input)).done;
    return { status, ...(status === "SUCCEEDED" ? { output: JSON.stringify(output) } : { error, cause }) };
  },
  SendTaskSuccess({ taskToken, output }) {
    const task = tasks.get(taskToken);
    if (!task) throw new Refused("InvalidToken");
    if (task.state !== "waits") throw new Refused("TaskTimedOut");
    task.state = "over";
    task.resolve(JSON.parse(output));
    return {};
  },
  DescribeExecution({ executionArn }) {
    const known = executions.get(executionArn.split(":").at(-1));
    if (!known) throw new Refused("ExecutionDoesNotExist");
    const { status, output, states, error } = known;
    return { status, output, states, error };
  },
  Away({ away: now }) { // the test's own: nobody is served
    away = now;
    return {};
  },
};

async function answer(request, body) {
  const name = request.headers["x-amz-target"]?.replace("AWSStepFunctions.", "");
  if (request.method === "GET") return [200, record];
  if (away && name !== "Away") return [503, { __type: "ServiceUnavailable" }];
  if (name !== "DescribeExecution" && name !== "Away" && !/\/states\/aws4_request/.test(request.headers.authorization))
    return [400, { __type: "MissingAuthenticationToken" }];
  record.push({ called: name, body: JSON.parse(body) });
  try {
    return [200, await operations[name](JSON.parse(body))];
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return [400, { __type: `com.amazonaws.states#${error.type}`, message: "as asked for" }];
  }
}

const server = createServer(async (request, response) => {
  const body = (await Array.fromAsync(request)).join("");
  const [status, said] = await answer(request, body);
  response.writeHead(status, { "Content-Type": "application/x-amz-json-1.0" }).end(JSON.stringify(said));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
