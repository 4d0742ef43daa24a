// The runtime of the lab for Node.js: it loads the function's handler once, then for each event: next, handler, answer.
//
// What it does is what AWS's runtime does as its open part shows it, https://github.com/aws/aws-lambda-nodejs-runtime-interface-client
// (3.3.0, and for nodejs24.x on 4.0.2): names of errors, payloads, log lines, the order in which files are tried, what ends
// an invocation. Its name is AWS's, too, and so are those of Runtime and BufferedInvokeProcessor, since people know them from
// stack traces. It needs Node.js 18.
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import util from 'node:util';

const require = createRequire(import.meta.url);
const env = process.env;

// AWS has written its runtime anew for nodejs24.x. There are no callbacks
// (https://aws.amazon.com/blogs/compute/node-js-24-runtime-now-available-in-aws-lambda/), all code is imported, and what
// nobody catches ends the process as it does outside of Lambda.
const major = Number(/nodejs(\d+)/.exec(env.AWS_EXECUTION_ENV)?.[1]);
const modern = major >= 24;

// ---- errors

function runtimeError(name) {
  const type = class extends Error {
    constructor(message) {
      super(message);
      if (modern) this.name = `Runtime.${name}`; // a property of its own, which the log shows
    }
  };
  type.prototype.name = `Runtime.${name}`;
  return type;
}
const ImportModuleError = runtimeError('ImportModuleError');
const HandlerNotFound = runtimeError('HandlerNotFound');
const MalformedHandlerName = runtimeError('MalformedHandlerName');
const UserCodeSyntaxError = class extends runtimeError('UserCodeSyntaxError') {
  constructor(error) {
    super(error);
    if (modern) this.stack = error.stack;
  }
};
const MalformedStreamingHandler = runtimeError('MalformedStreamingHandler');
const CallbackHandlerDeprecated = runtimeError('CallbackHandlerDeprecated');
const NodeJsExit = runtimeError('NodeJsExit');
const JSONStringifyError = modern ? runtimeError('JSONStringifyError') : Error;
const UnhandledPromiseRejection = class extends runtimeError('UnhandledPromiseRejection') {
  constructor(reason, promise) {
    super(reason);
    Object.assign(this, { reason, promise });
  }
};

const looksLikeError = (e) => ['name', 'message', 'stack'].every((key) => e?.[key] && typeof e[key] === 'string');

// What the function's caller gets. Anything can be thrown, and getters of it can throw in turn.
function payloadOf(e) {
  const clean = (text) => text?.replaceAll('\x7f', '%7F');
  try {
    if (modern ? e instanceof Error : util.types.isNativeError(e) || looksLikeError(e)) {
      return { errorType: clean(e.name), errorMessage: clean(e.message), trace: clean(e.stack)?.split('\n') ?? [] };
    }
    return { errorType: typeof e, errorMessage: modern ? String(e) : e.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

// ---- the console

// As the log shows it: before the first event "undefined", or from nodejs24.x on "-". Loggers look for it where AWS's
// runtime has it.
const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const requestId = () => globalThis[REQUEST_ID] ?? (modern ? '-' : undefined);

const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];

function textLine(level, args) {
  return `${new Date().toISOString()}\t${requestId()}\t${level}\t${util.format(...args)}`;
}

function errorFields(e) {
  const stackTrace = typeof e.stack === 'string' ? e.stack.split('\n') : [];
  return { errorType: e.constructor?.name ?? 'UnknownError', errorMessage: e.message, stackTrace };
}

function jsonLine(level, args) {
  const line = { timestamp: new Date().toISOString(), level, requestId: requestId() };
  if (args.length === 1) {
    try {
      return JSON.stringify({ ...line, message: args[0] }, (_, v) => (v instanceof Error ? { ...errorFields(v), ...v } : v));
    } catch {
      return JSON.stringify({ ...line, message: util.format(args[0]) }); // it contains itself, or the like
    }
  }
  const error = args.find((a) => a instanceof Error);
  return JSON.stringify({ ...line, message: util.format(...args), ...(error && errorFields(error)) });
}

const json = env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';

function patchConsole() {
  const format = json ? jsonLine : textLine;
  const least = Math.max(0, levels.indexOf(env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()));
  levels.forEach((level, i) => {
    const wanted = i >= least || level === 'FATAL';
    // Without a message it is undefined, and printed.
    console[level.toLowerCase()] = wanted ? (message, ...more) => void process.stdout.write(`${format(level, [message, ...more])}\n`) : () => {};
  });
  console.log = console.info;
}

// For the log an error is JSON with all that it has, behind a tab.
function logError(title, e) {
  const error = e instanceof Error ? e : new Error(modern ? String(e) : e);
  if (json) return console.error(error);
  const visible = (_, v) => {
    if (!(v instanceof Error)) return v;
    const stack = typeof v.stack === 'string' ? { stack: v.stack.split('\n') } : {};
    return { errorType: v.name, errorMessage: v.message, code: v.code, ...v, ...stack };
  };
  let text;
  try {
    text = JSON.stringify(error, visible);
  } catch {
    text = JSON.stringify(payloadOf(error));
  }
  console.error(title, `\t${text}`);
}

// ---- the Runtime API

const [host, port] = env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 }); // an idle connection does not keep the process alive

// node:http waits for as long as it takes; fetch would give up on next after 5 minutes.
function call(method, route, body = '', headers = {}) {
  return new Promise((resolve, reject) => {
    const options = {
      host, port, method, agent, path: `/2018-06-01/runtime/${route}`,
      headers: { ...headers, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
    };
    const request = http.request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
    });
    request.on('error', reject).end(body);
  });
}

function report(route, e) {
  const payload = payloadOf(e);
  const type = /^[\x20-\x7e]+$/.test(payload.errorType) ? { 'Lambda-Runtime-Function-Error-Type': payload.errorType } : {};
  return call('POST', route, JSON.stringify(payload), type);
}

// ---- loading the handler

// Of two kinds of module the nearest package.json decides, below the nearest node_modules.
function isModuleType(dir) {
  for (; ; dir = path.dirname(dir)) {
    if (dir.endsWith('/node_modules')) return false;
    const file = path.join(dir, 'package.json');
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, 'utf8'))?.type === 'module';
      } catch (e) {
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, e);
        return false;
      }
    }
    if (dir === '/') return false;
  }
}

async function loadModule(root, dir, name) {
  const file = path.resolve(root, dir, name);
  const required = (extension) => (fs.existsSync(file + extension) ? require(file + extension) : undefined);
  const imported = async (extension) => (fs.existsSync(file + extension) ? import(file + extension) : undefined);
  if (modern) {
    return (
      (await imported('')) ||
      (await imported('.js')) ||
      (await imported('.mjs')) ||
      (await imported('.cjs')) ||
      require(require.resolve(name, { paths: [root, path.join(root, dir)] }))
    );
  }
  const esm = fs.existsSync(`${file}.js`) && isModuleType(path.dirname(file));
  return (
    required('') ||
    (!esm && required('.js')) ||
    (esm && (await imported('.js'))) ||
    (await imported('.mjs')) ||
    required('.cjs') ||
    require(require.resolve(name, { paths: [root, dir] }))
  );
}

async function loadHandler(root, name) {
  if (name.includes('..')) {
    throw new MalformedHandlerName(`'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = path.basename(name);
  const dot = base.indexOf('.');
  if (dot < 0) throw new MalformedHandlerName('Bad handler');
  let module;
  try {
    module = await loadModule(root, name.slice(0, name.indexOf(base)), base.slice(0, dot));
  } catch (e) {
    if (e instanceof SyntaxError) throw new UserCodeSyntaxError(e);
    if (e?.code === 'MODULE_NOT_FOUND') throw new ImportModuleError(e);
    throw e;
  }
  const find = (where) => base.slice(dot + 1).split('.').reduce((of, key) => of && of[key], where);
  const handler = find(module) || (modern && find(module.default)); // what CommonJS exports is not always found by its name
  if (!handler) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw new HandlerNotFound(`${name} is not a function`);
  return handler;
}

const streaming = Symbol.for('aws.lambda.runtime.handler.streaming');

// Functions that stream find the names that AWS gives them, so that they fail here and not where they use them.
if (!['1', 'true'].includes(env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
  globalThis.awslambda = {
    streamifyResponse: (handler) => Object.assign(handler, { [streaming]: 'response' }),
    HttpResponseStream: class {},
  };
}

function checkHandler(handler) {
  if (handler[streaming]) {
    throw new MalformedStreamingHandler('This lab does not stream responses: return the response from the handler, without awslambda.streamifyResponse');
  }
  if (modern && handler.length >= 3) {
    throw new CallbackHandlerDeprecated('ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.');
  }
}

const isAsync = (handler) => handler.constructor?.name === 'AsyncFunction';

// ---- invocations

// What happens when nothing is left to do, and whom a failure that nobody caught concerns.
let whenIdle = () => {};
let reportFatal = (e) => report('init/error', e);

function parseHeader(text, name) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new Error(`Cannot parse ${name} as json: ${e}`);
  }
}

// What the handler learns of its event, in the order in which it is printed.
function contextOf(headers) {
  const deadline = headers['lambda-runtime-deadline-ms'];
  const ofEnvironment = {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
  };
  const ofEvent = {
    clientContext: parseHeader(headers['lambda-runtime-client-context'], 'ClientContext'),
    identity: parseHeader(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: requestId(),
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    ...(modern && { xRayTraceId: headers['lambda-runtime-trace-id'] }),
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  return modern ? { ...ofEvent, ...ofEnvironment } : { ...ofEnvironment, ...ofEvent };
}

// Who calls the handler: its \`this\`, and what stack traces show.
class BufferedInvokeProcessor {
  constructor(handler) {
    this.handler = handler;
  }

  // processInvoke returns when there is an answer, as {error} or {result}.
  async processInvoke(event, headers) {
    const answer = {};
    try {
      answer.result = await this.handler(event, contextOf(headers));
    } catch (error) {
      Object.assign(answer, { failed: true, error });
    }
    await new Promise(setImmediate); // what nobody has caught ends the process first
    return answer;
  }
}

class Runtime {
  constructor(handler) {
    this.handler = handler;
  }

  // handleOnceNonStreaming does the same where there are callbacks.
  handleOnceNonStreaming(event, headers) {
    return new Promise((resolve) => {
      let called = false;
      const once = (f) => (...args) => {
        if (called) return;
        called = true;
        f(...args);
      };
      const finish = (error, result) => {
        whenIdle = () => {};
        const failed = error !== undefined && error !== null;
        resolve(failed ? { failed, error } : { result });
      };
      whenIdle = () => {
        if (isAsync(this.handler)) {
          finish(new NodeJsExit('The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes'));
        } else {
          finish(null, null); // a callback that was never called
        }
      };
      const fail = once((error) => finish(error ?? 'handled'));
      const succeed = once((result) => finish(null, result));
      try {
        let wait = true;
        const context = {
          get callbackWaitsForEmptyEventLoop() {
            return wait;
          },
          set callbackWaitsForEmptyEventLoop(value) {
            wait = value;
          },
          succeed,
          fail,
          done: once(finish),
        };
        const callback = once((error, result) => {
          if ((error !== undefined && error !== null) || !wait) finish(error, result);
          else whenIdle = () => finish(null, result);
        });
        const returned = this.handler(event, Object.assign(context, contextOf(headers)), callback);
        if (typeof returned?.then === 'function') returned.then(succeed, fail);
      } catch (e) {
        fail(e);
      }
    });
  }
}

// serialize makes the body of an answer. Not everything has one: a BigInt, what contains itself.
function serialize(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch {
    throw new JSONStringifyError('Unable to stringify response body');
  }
}

async function serveOne(invoke) {
  const { status, headers, body } = await call('GET', 'invocation/next');
  if (status !== 200) throw new Error(`the Runtime API answers next with ${status} ${body}`);
  globalThis[REQUEST_ID] = headers['lambda-runtime-aws-request-id'];
  const route = `invocation/${requestId()}`;
  reportFatal = (e) => report(`${route}/error`, e);
  const trace = headers['lambda-runtime-trace-id'];
  if (trace) env._X_AMZN_TRACE_ID = trace;
  else delete env._X_AMZN_TRACE_ID;

  let answer;
  try {
    const { failed, error, result } = await invoke(JSON.parse(body), headers);
    if (failed) throw error;
    answer = serialize(result);
  } catch (e) {
    logError('Invoke Error', e);
    await report(`${route}/error`, e);
    return;
  }
  await call('POST', `${route}/response`, answer);
}

async function main() {
  patchConsole();
  const fatal = (title, code) => async (e) => {
    logError(title, e);
    try {
      await reportFatal(e);
    } finally {
      process.exit(code);
    }
  };
  const uncaught = fatal('Uncaught Exception', 129);
  if (!modern) {
    const unhandled = fatal('Unhandled Promise Rejection', 128);
    process.on('uncaughtException', uncaught);
    process.on('unhandledRejection', (reason, promise) => unhandled(new UnhandledPromiseRejection(reason, promise)));
    process.on('beforeExit', () => whenIdle());
  }

  let invoke;
  try {
    const handler = await loadHandler(env.LAMBDA_TASK_ROOT, env._HANDLER);
    checkHandler(handler);
    const [runtime, processor] = [new Runtime(handler), new BufferedInvokeProcessor(handler)];
    invoke = (event, headers) => (modern ? processor.processInvoke(event, headers) : runtime.handleOnceNonStreaming(event, headers));
  } catch (e) {
    if (!modern) return uncaught(e);
    logError('Init Error', e);
    await report('init/error', e);
    throw e;
  }
  const next = () => setImmediate(() => {
    serveOne(invoke).then(next, (e) => {
      console.log(`Unexpected Top Level Error: ${e}`);
      process.exit(1); // the Runtime API is gone, and so is the environment
    });
  });
  next();
}

// A module that never settles ends the process with status 13, as long as that is awaited here, or else with 0.
if (modern) main();
else await main();
