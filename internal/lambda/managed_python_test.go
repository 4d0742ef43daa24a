package lambda_test

import (
	"strings"
	"testing"
)

// Payloads and log lines are those of AWS's runtime as its open part makes them
// (https://github.com/aws/aws-lambda-python-runtime-interface-client 4.0.1), and as
// https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html and python-logging.html show them.
func TestPython(t *testing.T) {
	py := func(text string) map[string]string { return map[string]string{"app.py": text} }
	const id = `[0-9a-f]{8}-[0-9a-f-]{27}`
	const stamp = `\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t`
	const nbsp = "\u00a0"
	i, b := interpreted(t, "python3.13"), managedBed(t)
	minor := strings.Join(strings.Split(i.Version, ".")[:2], ".")
	layer := b.publish(t, "modules", entry{"python/dep.py", 0o644, "x = 1"}, entry{"python/lib/python" + minor + "/site-packages/far.py", 0o644, "x = 2"},
		entry{"python/lib/python3.13/site-packages/named.py", 0o644, "x = 3"})
	b.behave(t, "python3.13", "app.handler", []behaviour{
		// Where handlers are, and what they find.
		{name: "event", files: py("def handler(event, context):\n    return {'got': event['n'] + 1, 'word': 'ü'}"), event: `{"n":3}`, payload: `{"got": 4, "word": "ü"}`},
		{name: "ASCII up to python3.11", runtime: "python3.11", files: py("def handler(e, c):\n    return 'ü'"), payload: `"\u00fc"`},
		{name: "a package", handler: "src.pkg.app.main", files: map[string]string{"src/pkg/app.py": "def main(e, c):\n    return __name__"}, payload: `"src.pkg.app"`},
		{name: "a path", handler: "src/app.main", files: map[string]string{"src/app.py": "def main(e, c):\n    return 1"}, payload: `1`},
		{
			name: "a module that is not there", files: py("import lib\ndef handler(e, c):\n    return 1"),
			payload: `{"errorMessage": "Unable to import module 'app': No module named 'lib'", "errorType": "Runtime.ImportModuleError", "requestId": "", "stackTrace": \[\]}`, kind: "Runtime.ImportModuleError",
			log: []string{`^\[ERROR\] Runtime.ImportModuleError: Unable to import module 'app': No module named 'lib'$`, `^Traceback \(most recent call last\):$`},
		},
		{name: "its own modules", files: map[string]string{"app.py": "import sys\nfrom lib import x\ndef handler(e, c):\n    return [x.y, sys.path[0], '/opt/python' in sys.path[2:4], '/var/runtime' in sys.path, __import__('os').environ['PYTHONPATH']]", "lib/__init__.py": "", "lib/x.py": "y = 7"}, payload: `[7, "/var/task", true, true, "/var/runtime"]`},
		{
			name:    "context",
			files:   py("import os\ndef handler(e, c):\n    return [c.function_name == os.environ['AWS_LAMBDA_FUNCTION_NAME'], c.function_version, c.memory_limit_in_mb, c.invoked_function_arn.endswith(':function:' + c.function_name), len(c.aws_request_id), c.log_group_name == '/aws/lambda/' + c.function_name, 1000 < c.get_remaining_time_in_millis() <= 60000, c.identity.cognito_identity_id, c.client_context]"),
			payload: `[true, "$LATEST", "512", true, 36, true, true, null, null]`,
		},
		{
			name: "the context's members", files: py("handler = lambda e, c: ' '.join(vars(c))"),
			payload: `"aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb function_version invoked_function_arn tenant_id client_context identity _epoch_deadline_time_in_ms"`,
		},

		// How handlers answer.
		{name: "None", files: py("handler = lambda e, c: None"), payload: `null`},
		{name: "bytes", files: py("handler = lambda e, c: b'{\"raw\":1}'"), payload: `{"raw":1}`},
		{name: "Decimal", files: py("from decimal import Decimal\nhandler = lambda e, c: {'a': Decimal('1.10'), 'b': [Decimal(7)], 'c': '\"'}"), payload: `{"a": 1.10, "b": [7], "c": "\""}`},
		{
			name: "what simplejson makes of it", payload: `{"a": {"x": 1, "y": [2, {"x": 3, "y": null}]}, "b": "ü", "c": [NaN]}`,
			files: py("from collections import namedtuple\nP = namedtuple('P', 'x y')\nhandler = lambda e, c: {'a': P(1, (2, P(3, None))), 'b': 'ü'.encode(), 'c': [float('nan')]}"),
		},
		{name: "contains itself", files: py("a = []\na.append(a)\nhandler = lambda e, c: a"), kind: "Runtime.MarshalError", payload: `.*Unable to marshal response: Circular reference detected.*`},
		{name: "no JSON", files: py("handler = lambda e, c: {1, 2}"), kind: "Runtime.MarshalError", payload: `{"errorMessage": "Unable to marshal response: Object of type set is not JSON serializable", "errorType": "Runtime.MarshalError", "requestId": "` + id + `", "stackTrace": \[\]}`},

		// Errors.
		{
			name: "raises", files: py("def deeper():\n    raise ValueError('too far')\n\ndef handler(event, context):\n    deeper()\n"), kind: "ValueError",
			payload: `{"errorMessage": "too far", "errorType": "ValueError", "requestId": "` + id + `", "stackTrace": \["  File \\"/var/task/app.py\\", line 5, in handler\\n    deeper\(\)\\n", "  File \\"/var/task/app.py\\", line 2, in deeper\\n    raise ValueError\('too far'\)\\n"\]}`,
			log: []string{
				`^\[ERROR\] ValueError: too far$`, `^Traceback \(most recent call last\):$`, `^` + nbsp + nbsp + `File "/var/task/app.py", line 5, in handler$`, `^` + nbsp + nbsp + nbsp + nbsp + `deeper\(\)$`, `^END RequestId`,
				`Status: error\tError Type: ValueError`,
			},
		},
		{name: "exits", files: py("import sys\nhandler = lambda e, c: sys.exit(3)"), kind: "Runtime.ExitError", payload: `.*exit status 3.*`},
		{name: "syntax error", files: py("def handler(e, c)\n    return 1"), kind: "Runtime.UserCodeSyntaxError", payload: `{"errorMessage": "Syntax error in module 'app': expected ':' \(app.py, line 1\)", "errorType": "Runtime.UserCodeSyntaxError", "requestId": "", "stackTrace": \["  File \\"/var/task/app.py\\" Line 1\\n    def handler\(e, c\)\\n"\]}`},
		{name: "no such function", handler: "app.main", files: py("x = 1"), kind: "Runtime.HandlerNotFound", payload: `.*"errorMessage": "Handler 'main' missing on module 'app'".*`},
		{name: "malformed name", handler: "app", files: py("x = 1"), kind: "Runtime.MalformedHandlerName", payload: `.*"Bad handler 'app': not enough values to unpack \(expected 2, got 1\)".*`},
		{name: "a module of Python's own", handler: "sys.handler", files: py("x = 1"), kind: "Runtime.BuiltInModuleConflict", payload: `.*Cannot use built-in module sys as a handler module.*`},
		{name: "raises when loaded", files: py("1 / 0"), kind: "ZeroDivisionError", payload: `{"errorMessage": "division by zero", "errorType": "ZeroDivisionError", "requestId": "", "stackTrace": .*\\"/var/task/app.py\\", line 1, in <module>\\n    1 / 0\\n"\]}`},

		// The log.
		{
			name: "logging", payload: `null`,
			files: py("import logging\nlogging.getLogger().setLevel(logging.INFO)\nprint('init')\nlogging.warning('early')\ndef handler(e, c):\n    print('printed')\n    logging.info('an %s', 'info')\n    logging.getLogger('x').error('two\\nlines')\n    logging.debug('nothing')"),
			log:   []string{`^init$`, `^\[WARNING\]` + stamp + `\tearly$`, `^printed$`, `^\[INFO\]` + stamp + id + `\tan info$`, `^\[ERROR\]` + stamp + id + `\ttwo$`, `^lines$`, `^END`},
		},
		{
			name: "records are whole", payload: `null`,
			files: py("import logging\ndef handler(e, c):\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        logging.exception('caught')\n    print('multi')\n" +
				"    c.log('told')\n    logging.getLogger().handlers[0].setFormatter(logging.Formatter('own %(message)s'))\n    logging.error('a')\n    logging.error('b')"),
			log: []string{`^\[ERROR\]` + stamp + id + `\tcaught$`, `^Traceback \(most recent call last\):$`, `^ZeroDivisionError: division by zero$`, `^multi$`, `^told$`, `^own a$`, `^own b$`, `^END`},
		},
		{
			name: "JSON", env: map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}, payload: `null`,
			files: py("import logging\ndef handler(e, c):\n    logging.info('an %s', 'info', extra={'order': 7})\n    logging.debug('nothing')\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        logging.exception('failed')"),
			log: []string{
				`^{"timestamp": "[^"]*Z", "level": "INFO", "message": "an info", "logger": "root", "requestId": "` + id + `", "order": 7}$`,
				`^{"timestamp": "[^"]*Z", "level": "ERROR", "message": "failed", "logger": "root", "stackTrace": \["  File .*, "errorType": "ZeroDivisionError", "errorMessage": "division by zero", "requestId": "` + id + `", "location": "/var/task/app.py:handler:8"}$`,
				`^END`,
			},
		},
		{
			name: "no JSON in the log", env: map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON"}, kind: "TypeError", payload: `.*Object of type set is not JSON serializable.*`,
			files: py("import logging\nhandler = lambda e, c: logging.error('x', extra={'y': {1}})"),
		},
		{
			name: "no level", env: map[string]string{"AWS_LAMBDA_LOG_LEVEL": "BOGUS"}, payload: `["LambdaLoggerHandler", 30]`,
			files: py("import logging\nhandler = lambda e, c: [type(logging.getLogger().handlers[0]).__name__, logging.getLogger().level]"),
		},
		{
			name: "an error in JSON", env: map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON"}, kind: "KeyError", payload: `.*`,
			files: py("handler = lambda e, c: e['x']"),
			log:   []string{`^{"timestamp": "[^"]*Z", "log_level": "ERROR", "errorMessage": "'x'", "errorType": "KeyError", "requestId": "` + id + `", "stackTrace": \["  File .*\]}$`},
		},
		{name: "trace id", payload: `true`, files: py("import os, re\nhandler = lambda e, c: bool(re.match('Root=1-[0-9a-f]{8}-[0-9a-f]{24};', os.environ['_X_AMZN_TRACE_ID']))")},
		{name: "modules of a layer", layers: []string{layer.ARN}, files: py("import dep, far, named\nhandler = lambda e, c: [dep.x, far.x, named.x]"), payload: `[1, 2, 3]`},
	})
}
