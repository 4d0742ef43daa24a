package lambda_test

import "testing"

// Payloads and log lines are those of AWS's runtime as its open part makes them
// (https://github.com/aws/aws-lambda-nodejs-runtime-interface-client 3.3.0), and as
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html and nodejs-logging.html show them.
func TestNode(t *testing.T) {
	interpreted(t, "nodejs22.x")
	js := func(text string) map[string]string { return map[string]string{"index.js": text} }
	const stamp = `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t`
	const id = `[0-9a-f]{8}-[0-9a-f-]{27}`
	managedBed(t).behave(t, "nodejs22.x", "index.handler", []behaviour{
		// Where handlers are.
		{name: "CommonJS", files: js("exports.handler = async () => 'cjs'"), payload: `"cjs"`},
		{name: ".cjs", files: map[string]string{"index.cjs": "exports.handler = async () => 'cjs'"}, payload: `"cjs"`},
		{name: ".mjs", files: map[string]string{"index.mjs": "const m = await import('node:path'); export const handler = async () => m.sep"}, payload: `"/"`},
		{name: "type module", files: map[string]string{"index.js": "export const handler = async () => import.meta.url", "package.json": `{"type":"module"}`}, payload: `"file:///var/task/index.js"`},
		{name: "type commonjs below", handler: "src/app.handler", files: map[string]string{"src/app.js": "exports.handler = async () => __filename", "package.json": `{"type":"module"}`, "src/package.json": `{}`}, payload: `"/var/task/src/app.js"`},
		{name: "nested path", handler: "src/a/app.handler", files: map[string]string{"src/a/app.mjs": "export const handler = () => Promise.resolve(1)"}, payload: `1`},
		{name: "nested object", handler: "index.api.v1.get", files: js("exports.api = { v1: { get: async () => 'got' } }"), payload: `"got"`},
		{name: "ES modules are not required", files: map[string]string{"index.js": "exports.handler = async () => { try { return require('./m.mjs') } catch (e) { return e.code } }", "m.mjs": "export default 1"}, payload: `"ERR_REQUIRE_ESM"`},
		{name: "a package", handler: "thing.handler", files: map[string]string{"node_modules/thing/index.js": "exports.handler = async () => 'thing'"}, payload: `"thing"`},

		// How handlers answer.
		{name: "undefined", files: js("exports.handler = async () => {}"), payload: `null`},
		{name: "callback", files: js("exports.handler = (e, c, cb) => { setTimeout(() => cb(null, { ok: e.n }), 10) }"), event: `{"n":3}`, payload: `{"ok":3}`},
		{name: "callback with a string for an error", files: js("exports.handler = (e, c, cb) => cb('no')"), kind: "string", payload: `{"errorType":"string","errorMessage":"no","trace":\[\]}`, log: []string{stamp + id + `\tERROR\tInvoke Error \t{"errorType":"Error","errorMessage":"no","stack":\["Error: no",`}},
		{name: "no callback", files: js("exports.handler = (e, c, cb) => { }"), payload: `null`},
		{name: "callback waits", files: js("exports.handler = (e, c, cb) => { setTimeout(() => console.log('late'), 50); cb(null, 1) }"), payload: `1`, log: []string{`INFO\tlate$`, `^END`}},
		{name: "callback does not wait", files: js("exports.handler = (e, c, cb) => { c.callbackWaitsForEmptyEventLoop = false; setTimeout(() => console.log('late'), 3600_000); cb(null, 1) }"), payload: `1`},
		{name: "context.succeed", files: js("exports.handler = (e, c) => c.succeed('yes')"), payload: `"yes"`},
		{name: "context.done", files: js("exports.handler = (e, c) => c.done(null, 'done')"), payload: `"done"`},
		{name: "context.fail", files: js("exports.handler = (e, c) => c.fail(new TypeError('bad'))"), kind: "TypeError", payload: `{"errorType":"TypeError","errorMessage":"bad","trace":\["TypeError: bad","    at exports.handler \(/var/task/index.js:1:36\)".*`},
		{name: "the first answer counts", files: js("exports.handler = (e, c, cb) => { c.succeed(1); cb(null, 2); c.fail('x') }"), payload: `1`},
		{name: "no JSON", files: js("exports.handler = async () => 1n"), kind: "Error", payload: `{"errorType":"Error","errorMessage":"Unable to stringify response body".*`},
		{name: "who calls", files: js("exports.handler = async function () { return this.constructor.name }"), payload: `"Runtime"`},
		{name: "streaming", files: js("exports.handler = awslambda.streamifyResponse(async (e, s, c) => s.end())"), kind: "Runtime.MalformedStreamingHandler", payload: `.*does not stream responses.*`},

		// Errors.
		{
			name: "throws", files: js("exports.handler = async () => {\n  throw Object.assign(new RangeError('too far'), { code: 'E7', more: 1 });\n}"), kind: "RangeError",
			payload: `{"errorType":"RangeError","errorMessage":"too far","trace":\["RangeError: too far","    at exports.handler \(/var/task/index.js:2:23\)",.*\]}`,
			log:     []string{stamp + id + `\tERROR\tInvoke Error \t{"errorType":"RangeError","errorMessage":"too far","code":"E7","more":1,"stack":\["RangeError: too far","    at exports.handler`, `^END RequestId`, `Status: error\tError Type: RangeError`},
		},
		{name: "throws at once", files: js("exports.handler = (e, c, cb) => { null.x }"), kind: "TypeError", payload: `{"errorType":"TypeError","errorMessage":"Cannot read properties of null \(reading 'x'\)".*`},
		{name: "throws no error", files: js("exports.handler = async () => { throw 7 }"), kind: "number", payload: `{"errorType":"number","errorMessage":"7","trace":\[\]}`},
		{name: "never settles", files: js("exports.handler = async () => new Promise(() => {})"), kind: "Runtime.NodeJsExit", payload: `.*most commonly caused by a Promise that was never settled.*`},
		{
			name: "unhandled rejection", files: js("exports.handler = (e, c, cb) => { Promise.reject(new Error('lost')) }"), kind: "Runtime.UnhandledPromiseRejection",
			payload: `{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost","trace":\["Runtime.UnhandledPromiseRejection: Error: lost",.*`,
			log:     []string{`ERROR\tUnhandled Promise Rejection \t{"errorType":"Runtime.UnhandledPromiseRejection","errorMessage":"Error: lost","reason":{"errorType":"Error","errorMessage":"lost","stack":`},
		},
		{name: "uncaught exception", files: js("exports.handler = async () => { setImmediate(() => { throw new Error('later') }); await new Promise(() => setTimeout(() => {}, 1e6)) }"), kind: "Error", payload: `{"errorType":"Error","errorMessage":"later".*`, log: []string{`ERROR\tUncaught Exception \t{"errorType":"Error","errorMessage":"later"`}},
		{name: "exits", files: js("exports.handler = async () => process.exit(3)"), kind: "Runtime.ExitError", payload: `.*exit status 3.*`},

		// Errors of initialisation.
		{
			name: "no file", handler: "gone.handler", files: js("exports.handler = async () => 1"), kind: "Runtime.ImportModuleError",
			payload: `{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module 'gone'\\nRequire stack:\\n- /var/runtime/index.mjs","trace":\["Runtime.ImportModuleError: Error: Cannot find module 'gone'","Require stack:","- /var/runtime/index.mjs".*`,
			log:     []string{stamp + `undefined\tERROR\tUncaught Exception \t{"errorType":"Runtime.ImportModuleError","errorMessage":"Error: Cannot find module 'gone'\\nRequire stack:\\n- /var/runtime/index.mjs","stack":`},
		},
		{name: "a module that is not there", files: js("require('express'); exports.handler = async () => 1"), kind: "Runtime.ImportModuleError", payload: `.*Cannot find module 'express'\\nRequire stack:\\n- /var/task/index.js\\n- /var/runtime/index.mjs.*`},
		{name: "no such export", handler: "index.main", files: js("exports.handler = async () => 1"), kind: "Runtime.HandlerNotFound", payload: `.*"errorMessage":"index.main is undefined or not exported".*`},
		{name: "no function", files: js("exports.handler = 7"), kind: "Runtime.HandlerNotFound", payload: `.*"errorMessage":"index.handler is not a function".*`},
		{name: "malformed name", handler: "index", files: js(""), kind: "Runtime.MalformedHandlerName", payload: `.*"errorMessage":"Bad handler".*`},
		{name: "a way out", handler: "../index.handler", files: js(""), kind: "Runtime.MalformedHandlerName", payload: `.*'../index.handler' is not a valid handler name.*`},
		{name: "syntax error", files: js("exports.handler = async () => {"), kind: "Runtime.UserCodeSyntaxError", payload: `.*"errorMessage":"SyntaxError: Unexpected end of input".*`},
		{name: "never loaded", files: map[string]string{"index.mjs": "await new Promise(() => {})"}, kind: "Runtime.ExitError", payload: `.*exit status 13.*`},
		{name: "throws when loaded", files: js("throw new Error('at once')"), kind: "Error", payload: `{"errorType":"Error","errorMessage":"at once","trace":\["Error: at once","    at Object.<anonymous> \(/var/task/index.js:1:7\)".*`},

		// The context.
		{
			name:    "context",
			files:   js("exports.handler = async (e, c) => [c.functionName === process.env.AWS_LAMBDA_FUNCTION_NAME, c.functionVersion, c.memoryLimitInMB, c.invokedFunctionArn.endsWith(':function:' + c.functionName), c.logGroupName === '/aws/lambda/' + c.functionName, c.awsRequestId.length, c.getRemainingTimeInMillis() > 1000 && c.getRemainingTimeInMillis() <= 60000, c.identity, c.callbackWaitsForEmptyEventLoop]"),
			payload: `[true,"$LATEST","512",true,true,36,true,null,true]`,
		},
		{
			name: "the context's members", files: js("exports.handler = async (e, c) => Object.keys(c).join(' ')"),
			payload: `"callbackWaitsForEmptyEventLoop succeed fail done functionVersion functionName memoryLimitInMB logGroupName logStreamName clientContext identity invokedFunctionArn awsRequestId tenantId getRemainingTimeInMillis"`,
		},

		// The log.
		{
			name:    "console",
			files:   js("console.log('init'); exports.handler = async () => { console.log('a %s', 'b', { c: 1 }); console.error('two\\nlines'); console.warn(1); console.debug('d'); console.trace('t'); console.info('i'); console.log(); process.stdout.write('plain\\n') }"),
			payload: `null`,
			log: []string{
				stamp + `undefined\tINFO\tinit$`, stamp + id + `\tINFO\ta b { c: 1 }$`, stamp + id + `\tERROR\ttwo$`, `^lines$`, `\tWARN\t1$`, `\tDEBUG\td$`, `\tTRACE\tt$`, `\tINFO\ti$`, `\tINFO\tundefined$`, `^plain$`,
			},
		},
		{
			name: "JSON", env: map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}, payload: `null`,
			files: js("exports.handler = async () => { console.log('a', { b: 1 }); console.info({ c: 2 }); console.debug('none'); console.error('e', new TypeError('t')); const x = {}; x.x = x; console.warn(x) }"),
			log: []string{
				`^{"timestamp":"[^"]*Z","level":"INFO","requestId":"` + id + `","message":"a { b: 1 }"}$`, `"level":"INFO","requestId":"` + id + `","message":{"c":2}}$`,
				`"level":"ERROR",.*"message":"e TypeError: t\\n.*","errorType":"TypeError","errorMessage":"t","stackTrace":\["TypeError: t",`, `"level":"WARN",.*"message":"<ref \*1> { x: \[Circular \*1\] }"}$`, `^END`,
			},
		},
		{
			name: "an error in JSON", env: map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON"}, kind: "RangeError", payload: `.*`,
			files: js("exports.handler = async () => { throw new RangeError('far') }"),
			log:   []string{`^{"timestamp":"[^"]*Z","level":"ERROR","requestId":"` + id + `","message":{"errorType":"RangeError","errorMessage":"far","stackTrace":\["RangeError: far",`},
		},
		{
			name: "the request, where loggers look for it", payload: `true`,
			files: js("exports.handler = async (e, c) => c.awsRequestId === globalThis[Symbol.for('aws.lambda.runtime.requestId')]"),
		},
		{
			name: "trace id", payload: `true`,
			files: js("exports.handler = async () => /^Root=1-[0-9a-f]{8}-[0-9a-f]{24};/.test(process.env._X_AMZN_TRACE_ID)"),
		},
	})
}

// From nodejs24.x on AWS's runtime is another (aws-lambda-nodejs-runtime-interface-client 4.0.2). What it prints of itself is
// in https://github.com/aws/aws-lambda-nodejs-runtime-interface-client/issues/175.
func TestNode24(t *testing.T) {
	interpreted(t, "nodejs24.x")
	js := func(text string) map[string]string { return map[string]string{"index.js": text} }
	const stamp = `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t`
	managedBed(t).behave(t, "nodejs24.x", "index.handler", []behaviour{
		{name: "CommonJS", files: js("exports.handler = async function () { return this.constructor.name }"), payload: `"BufferedInvokeProcessor"`},
		{name: "CommonJS without names", files: js("module.exports = ((x) => x)({ api: { get: () => 'got' } })"), handler: "index.api.get", payload: `"got"`},
		{name: "type module", files: map[string]string{"index.js": "export const handler = async () => import.meta.url", "package.json": `{"type":"module"}`}, payload: `"file:///var/task/index.js"`},
		{name: "nested path", handler: "src/app.handler", files: map[string]string{"src/app.cjs": "exports.handler = async () => __filename"}, payload: `"/var/task/src/app.cjs"`},
		{
			name: "no callbacks", files: js("exports.handler = (e, c) => Object.keys(c).join(' ')"),
			payload: `"clientContext identity invokedFunctionArn awsRequestId tenantId xRayTraceId getRemainingTimeInMillis functionVersion functionName memoryLimitInMB logGroupName logStreamName"`,
		},
		{
			name: "a callback", files: js("exports.handler = (e, c, cb) => cb(null, 1)"), kind: "Runtime.CallbackHandlerDeprecated", payload: `.*AWS Lambda has removed support for callback-based function handlers.*`,
			log: []string{stamp + `-\tERROR\tInit Error \t{"errorType":"Runtime.CallbackHandlerDeprecated".*"name":"Runtime.CallbackHandlerDeprecated","stack":`},
		},
		{name: "throws", files: js("exports.handler = async () => { throw new RangeError('far') }"), kind: "RangeError", payload: `{"errorType":"RangeError","errorMessage":"far","trace":\["RangeError: far",.*`, log: []string{`[0-9a-f-]{36}\tERROR\tInvoke Error \t{"errorType":"RangeError",`}},
		{name: "throws nothing", files: js("exports.handler = async () => { throw undefined }"), kind: "undefined", payload: `{"errorType":"undefined","errorMessage":"undefined","trace":\[\]}`},
		{name: "no JSON", files: js("exports.handler = async () => 1n"), kind: "Runtime.JSONStringifyError", payload: `.*Unable to stringify response body.*`},
		{name: "syntax error", files: js("exports.handler = async () => {"), kind: "Runtime.UserCodeSyntaxError", payload: `{"errorType":"Runtime.UserCodeSyntaxError","errorMessage":"SyntaxError: Unexpected end of input","trace":\["/var/task/index.js:1",.*`},
		{name: "a module that is not there", files: js("require('express')"), kind: "Runtime.ImportModuleError", payload: `.*Cannot find module 'express'\\nRequire stack:\\n- /var/task/index.js".*`},
		// What nobody catches, the interpreter prints by itself.
		{name: "uncaught exception", files: js("exports.handler = () => new Promise(() => setImmediate(() => { throw new Error('later') }))"), kind: "Runtime.ExitError", payload: `.*exit status 1".*`, log: []string{`^Error: later$`}},
		{name: "unhandled rejection", files: js("exports.handler = async () => { Promise.reject(new Error('lost')) }"), kind: "Runtime.ExitError", payload: `.*exit status 1".*`, log: []string{`^Error: lost$`}},
		{name: "never settles", files: js("exports.handler = () => new Promise(() => {})"), kind: "Runtime.ExitError", payload: `.*Runtime exited without providing a reason.*`},
	})
}
