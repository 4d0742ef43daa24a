// The runtime of the lab for Node.js: it loads the function's handler once, then for each event: next, handler, answer.
//
// What it does is what AWS's runtime does as its open part shows it, https://github.com/aws/aws-lambda-nodejs-runtime-interface-client
// (3.3.0): names of errors, payloads, log lines, the order in which files are tried, what ends an invocation. Its name is
// AWS's, too, since people know it from stack traces. It needs Node.js 18.
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import util from 'node:util';

const require = createRequire(import.meta.url);
const env = process.env;

// From nodejs24.x on there are no callbacks (https://aws.amazon.com/blogs/compute/node-js-24-runtime-now-available-in-aws-lambda/).
const major = Number(/nodejs(\d+)/.exec(env.AWS_EXECUTION_ENV)?.[1]);
const callbacks = !(major >= 24);

// ---- errors

function runtimeError(name) {
  const type = class extends Error {};
  type.prototype.name = `Runtime.${name}`;
  return type;
}
const ImportModuleError = runtimeError('ImportModuleError');
const HandlerNotFound = runtimeError('HandlerNotFound');
const MalformedHandlerName = runtimeError('MalformedHandlerName');
const UserCodeSyntaxError = runtimeError('UserCodeSyntaxError');
const MalformedStreamingHandler = runtimeError('MalformedStreamingHandler');
const CallbackHandlerDeprecated = runtimeError('CallbackHandlerDeprecated');
const NodeJsExit = runtimeError('NodeJsExit');
const UnhandledPromiseRejection = class extends runtimeError('UnhandledPromiseRejection') {
  constructor(reason, promise) {
    super(reason);
    Object.assign(this, { reason, promise });
  }
};

const looksLikeError = (e) => ['name', 'message', 'stack'].every((key) => e?.[key] && typeof e[key] === 'string');

// What the function's caller gets. Anything can be thrown, and getters of it can throw in turn.
function payloadOf(e) {
  try {
    if (util.types.isNativeError(e) || looksLikeError(e)) {
      return { errorType: e.name, errorMessage: e.message, trace: e.stack.split('\n') };
    }
    return { errorType: typeof e, errorMessage: e.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

// ---- the console

let requestId; // as the log shows it: "undefined" before the first event

const levels = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];

function textLine(level, args) {
  return `${new Date().toISOString()}\t${requestId}\t${level}\t${util.format(...args)}`;
}

function errorFields(e) {
  const stackTrace = typeof e.stack === 'string' ? e.stack.split('\n') : [];
  return { errorType: e.constructor?.name ?? 'UnknownError', errorMessage: e.message, stackTrace };
}

function jsonLine(level, args) {
  const line = { timestamp: new Date().toISOString(), level, requestId };
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
    console[level.toLowerCase()] = wanted ? (...args) => process.stdout.write(`${format(level, args)}\n`) : () => {};
  });
  console.log = console.info;
}

// For the log an error is JSON with all that it has, behind a tab.
function logError(title, e) {
  const error = e instanceof Error ? e : new Error(e);
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
  const handler = base.slice(dot + 1).split('.').reduce((of, key) => of && of[key], module);
  if (!handler) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw new HandlerNotFound(`${name} is not a function`);
  return handler;
}

const streaming = Symbol.for('aws.lambda.runtime.handler.streaming');

// Functions that stream find the names that AWS gives them, so that they fail here and not where they use them.
globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [streaming]: 'response' }),
  HttpResponseStream: class {},
};

function checkHandler(handler) {
  if (handler[streaming]) {
    throw new MalformedStreamingHandler('This lab does not stream responses: return the response from the handler, without awslambda.streamifyResponse');
  }
  if (handler.length < 3 || isAsync(handler)) return;
  if (!callbacks) {
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

function contextOf(headers) {
  const deadline = headers['lambda-runtime-deadline-ms'];
  return {
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parseHeader(headers['lambda-runtime-client-context'], 'ClientContext'),
    identity: parseHeader(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: requestId,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

// invoke runs the handler for one event and returns when it has an answer, as {error} or {result}.
function invoke(handler, event, headers) {
  return new Promise((resolve) => {
    let called = false;
    const once = (f) => (...args) => {
      if (called) return;
      called = true;
      f(...args);
    };
    const finish = (error, result) => {
      whenIdle = () => {};
      resolve(error === undefined || error === null ? { result } : { error });
    };
    whenIdle = () => {
      if (!callbacks || isAsync(handler)) {
        finish(new NodeJsExit('The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes'));
      } else {
        finish(null, null); // a callback that was never called
      }
    };
    const fail = once((error) => finish(error ?? 'handled'));
    const succeed = once((result) => finish(null, result));
    try {
      const context = contextOf(headers);
      if (!callbacks) {
        Promise.resolve(handler(event, context)).then(succeed, fail);
        return;
      }
      let wait = true;
      Object.defineProperty(context, 'callbackWaitsForEmptyEventLoop', { get: () => wait, set: (v) => (wait = v), enumerable: true });
      Object.assign(context, { succeed, fail, done: once(finish) });
      const callback = once((error, result) => {
        if (error !== undefined && error !== null || !wait) finish(error, result);
        else whenIdle = () => finish(null, result);
      });
      const returned = handler(event, context, callback);
      if (typeof returned?.then === 'function') returned.then(succeed, fail);
    } catch (e) {
      fail(e);
    }
  });
}

// serialize makes the body of an answer. Not everything has one: a BigInt, what contains itself.
function serialize(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch {
    throw new Error('Unable to stringify response body');
  }
}

async function serveOne(handler) {
  const { status, headers, body } = await call('GET', 'invocation/next');
  if (status !== 200) throw new Error(`the Runtime API answers next with ${status} ${body}`);
  requestId = headers['lambda-runtime-aws-request-id'];
  const route = `invocation/${requestId}`;
  reportFatal = (e) => report(`${route}/error`, e);
  const trace = headers['lambda-runtime-trace-id'];
  if (trace) env._X_AMZN_TRACE_ID = trace;
  else delete env._X_AMZN_TRACE_ID;

  let answer;
  try {
    const { error, result } = await invoke(handler, JSON.parse(body), headers);
    if (error !== undefined) throw error;
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
  const unhandled = fatal('Unhandled Promise Rejection', 128);
  process.on('uncaughtException', uncaught);
  process.on('unhandledRejection', (reason, promise) => unhandled(new UnhandledPromiseRejection(reason, promise)));
  process.on('beforeExit', () => whenIdle());

  let handler;
  try {
    handler = await loadHandler(env.LAMBDA_TASK_ROOT, env._HANDLER);
    checkHandler(handler);
  } catch (e) {
    return callbacks ? uncaught(e) : fatal('Init Error', 129)(e);
  }
  const next = () => setImmediate(() => {
    serveOne(handler).then(next, (e) => {
      console.log(`Unexpected Top Level Error: ${e}`);
      process.exit(1); // the Runtime API is gone, and so is the environment
    });
  });
  next();
}

// With await, a module that never settles would end the process with status 13.
main();
