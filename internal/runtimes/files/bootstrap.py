"""The runtime of the lab for Python: it loads the function's handler once, then for each event: next, handler, answer.

What it does is what AWS's runtime does as its open part shows it,
https://github.com/aws/aws-lambda-python-runtime-interface-client (4.0.1): names of errors, payloads, log lines. Its
name is AWS's, too, since people know it from stack traces. It needs Python 3.9.
"""

import http.client
import importlib
import json
import logging
import os
import sys
import time

JSON_LOG = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
LOG_LEVEL = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper().replace("TRACE", "DEBUG")  # logging has no level TRACE

# Up to Python 3.11 answers are ASCII.
ASCII = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("python3.")[2] in ("9", "10", "11")


class Fault(Exception):
    """What the runtime has to say of the function, under a name of its own."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = "Runtime." + kind
        self.trace = trace or []


# ---- the log


class Unbuffered:
    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def write(self, text):
        count = self.stream.write(text)
        self.stream.flush()
        return count

    def writelines(self, lines):
        self.stream.writelines(lines)
        self.stream.flush()


class LambdaLoggerFilter(logging.Filter):
    """Tells each record which request it belongs to."""

    request_id = None

    def filter(self, record):
        record.aws_request_id = self.request_id or ""
        record.tenant_id = None
        return True


def print_whole(message):
    """Prints what is an event of its own on AWS, whose runtime tells where one ends: nothing is glued to it. The format's line
    break comes before a traceback, and a format of the function's may have none."""
    sys.stdout.write(message if message.endswith("\n") else message + "\n")


class LambdaLoggerHandler(logging.Handler):
    """Prints records. Libraries look for the root logger's first handler, some by its name, so it is there from the start."""

    def emit(self, record):
        print_whole(self.format(record))


class JSONFormatter(logging.Formatter):
    OWN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "tenant_id"}

    def format(self, record):
        level = min(50, max(0, record.levelno)) // 10 * 10
        line = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": logging.getLevelName(level),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            import traceback

            line["stackTrace"] = traceback.format_tb(record.exc_info[2])
            line["errorType"] = record.exc_info[0].__name__
            line["errorMessage"] = str(record.exc_info[1])
        line["requestId"] = record.aws_request_id
        if record.exc_info:
            line["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        line.update((k, v) for k, v in vars(record).items() if k not in self.OWN and k not in line and v is not None)
        return json.dumps(line, ensure_ascii=False) + "\n"  # what has no JSON is an error of the function's, as on AWS


def set_up_log(requests):
    sys.stdout, sys.stderr = Unbuffered(sys.stdout), Unbuffered(sys.stderr)
    logging.Formatter.converter = time.gmtime
    handler = LambdaLoggerHandler()
    if JSON_LOG:
        handler.setFormatter(JSONFormatter())
    else:
        line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(requests)
    root = logging.getLogger()
    root.addHandler(handler)
    if isinstance(logging.getLevelName(LOG_LEVEL), int):  # else it is no level's name
        root.setLevel(LOG_LEVEL)


def log_error(payload):
    if JSON_LOG:
        line = {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "log_level": "ERROR", **payload}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        return
    lines = [("[ERROR] " + ": ".join(filter(None, (payload["errorType"], payload["errorMessage"])))).rstrip(" ")]
    lines.append("Traceback (most recent call last):")
    for entry in payload["stackTrace"]:
        for line in entry.splitlines():
            code = line.lstrip(" ")
            lines.append("\u00a0" * (len(line) - len(code)) + code)  # a log that trims lines keeps these
    sys.stdout.write("\n".join(lines) + "\n")


# ---- the Runtime API


class RuntimeAPI:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)  # kept alive; next may take for ever

    def call(self, method, route, body=None, headers={}):
        self.connection.request(method, "/2018-06-01/runtime/" + route, body, headers)
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def report(self, route, payload):
        kind = payload["errorType"]
        headers = {"Content-Type": "application/json"}
        if kind.isascii() and kind.isprintable():
            headers["Lambda-Runtime-Function-Error-Type"] = kind
        self.call("POST", route, json.dumps(payload, ensure_ascii=ASCII).encode(), headers)


def payload_of(e, request_id=""):
    """What the function's caller gets. Frames of the runtime before the function's first are nobody's business."""
    if isinstance(e, Fault):
        return {"errorMessage": str(e), "errorType": e.kind, "requestId": request_id, "stackTrace": e.trace}
    import traceback  # costs start-up time, so only when needed

    frames = traceback.extract_tb(e.__traceback__)
    first = next((i for i, f in enumerate(frames) if f.filename != __file__), 0)
    # Without the markers below the code that newer versions add: AWS takes frames apart and puts them together again.
    trace = traceback.format_list([(f.filename, f.lineno, f.name, f.line) for f in frames[first:]])
    return {"errorMessage": str(e), "errorType": type(e).__name__, "requestId": request_id, "stackTrace": trace}


def objects(v):
    """Makes objects of named tuples, which json has as lists. AWS's runtime has simplejson, which does as this."""
    try:
        return without_tuples(v)
    except RecursionError:
        return v  # json has words for what contains itself


def without_tuples(v):
    if isinstance(v, dict):
        return {k: without_tuples(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        fields = getattr(v, "_asdict", None)
        return without_tuples(fields()) if fields else [without_tuples(x) for x in v]
    return v


def encode(answer):
    """Makes the body of an answer: bytes as they are, inside of an answer as text, a Decimal as the number it is."""
    if isinstance(answer, bytes):
        return answer, "application/unknown"
    nonce = None

    def default(v):
        nonlocal nonce
        if isinstance(v, bytes):
            return v.decode()
        if "decimal" not in sys.modules or not isinstance(v, sys.modules["decimal"].Decimal):
            raise TypeError(f"Object of type {type(v).__name__} is not JSON serializable")
        if v.is_nan():
            return float("nan")
        nonce = nonce or os.urandom(16).hex()
        return f"{nonce}{v}"

    try:
        text = json.dumps(objects(answer), ensure_ascii=ASCII, default=default)
    except Exception as e:
        raise Fault("MarshalError", f"Unable to marshal response: {e}")
    if nonce:
        import re

        text = re.sub(f'"{nonce}([^"]*)"', r"\1", text)
    return text.encode(), "application/json"


# ---- what the handler gets


class Fields:
    """Attributes of the names in NAMES, None unless they are given."""

    NAMES = ()

    def __init__(self, values):
        for name in self.NAMES:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return f"{type(self).__name__}([{','.join(f'{n}={getattr(self, n)}' for n in self.NAMES)}])"


class CognitoIdentity(Fields):
    NAMES = ("cognito_identity_id", "cognito_identity_pool_id")


class Client(Fields):
    NAMES = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class ClientContext(Fields):
    NAMES = ("custom", "env", "client")


class LambdaContext:
    """Its attributes, and the order in which they are printed, are those of AWS's runtime."""

    def __init__(self, headers):
        client = parse_header(headers, "Lambda-Runtime-Client-Context", "Client Context")
        cognito = parse_header(headers, "Lambda-Runtime-Cognito-Identity", "Cognito Identity") or {}
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.tenant_id = headers["Lambda-Runtime-Aws-Tenant-Id"]
        self.client_context = None
        if client is not None:
            self.client_context = ClientContext(client)
            if self.client_context.client is not None:
                self.client_context.client = Client(self.client_context.client)
        names = {"cognito_identity_id": "cognitoIdentityId", "cognito_identity_pool_id": "cognitoIdentityPoolId"}
        self.identity = CognitoIdentity({name: cognito.get(header) for name, header in names.items()})
        self._epoch_deadline_time_in_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message):
        print_whole(str(message))

    def __repr__(self):
        shown = {k: v for k, v in vars(self).items() if not k.startswith("_")}
        shown["tenant_id"] = shown.pop("tenant_id")  # the last
        return f"LambdaContext([{','.join(f'{k}={v}' for k, v in shown.items())}])"


def parse_header(headers, name, what):
    text = headers[name]
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as e:
        raise Fault("LambdaContextUnmarshalError", f"Unable to parse {what} JSON: {e}")


# ---- the life of an environment


def load(handler):
    module, dot, name = handler.rpartition(".")
    if not dot:
        raise Fault("MalformedHandlerName", f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)")
    if module.split(".")[0] in sys.builtin_module_names:
        raise Fault("BuiltInModuleConflict", f"Cannot use built-in module {module} as a handler module")
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as e:
        raise Fault("ImportModuleError", f"Unable to import module '{module}': {e}")
    except SyntaxError as e:
        trace = [f'  File "{e.filename}" Line {e.lineno}\n    {e.text}']
        raise Fault("UserCodeSyntaxError", f"Syntax error in module '{module}': {e}", trace)
    try:
        return getattr(loaded, name)
    except AttributeError:
        raise Fault("HandlerNotFound", f"Handler '{name}' missing on module '{module}'")


def run_once(handler, event, headers):
    context = LambdaContext(headers)
    try:
        event = json.loads(event)
    except ValueError as e:
        raise Fault("UnmarshalError", f"Unable to unmarshal input: {e}")
    return encode(handler(event, context))


def main():
    requests = LambdaLoggerFilter()
    set_up_log(requests)
    api = RuntimeAPI(os.environ["AWS_LAMBDA_RUNTIME_API"])
    root = os.environ["LAMBDA_TASK_ROOT"]
    own = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    named = os.environ["AWS_EXECUTION_ENV"].removeprefix("AWS_Lambda_")  # what layers are made for, whatever runs them
    sites = [f"/opt/python/lib/{version}/site-packages" for version in dict.fromkeys([own, named])]
    sys.path[:0] = [root, *sites, "/opt/python"]
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as e:
        payload = payload_of(e)
        log_error(payload)
        api.report("init/error", payload)
        sys.exit(1)
    while True:
        status, headers, event = api.call("GET", "invocation/next")
        if status != 200:
            sys.exit(f"the Runtime API answers next with {status} {event.decode()}")
        requests.request_id = request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        if trace := headers["Lambda-Runtime-Trace-Id"]:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        try:
            body, content_type = run_once(handler, event, headers)
        except Exception as e:
            payload = payload_of(e, request_id)
            log_error(payload)
            api.report(f"invocation/{request_id}/error", payload)
        else:
            api.call("POST", f"invocation/{request_id}/response", body, {"Content-Type": content_type})


main()
