#!/usr/bin/env bash
# Runs what others have published for Lambda in a lab, as npm brings it and without a change: Powertools for AWS Lambda
# (logger, metrics, tracer) on nodejs22.x, AWS's own runtime interface client for Node.js (aws-lambda-ric) as a custom
# runtime, and Bun as a custom runtime's interpreter. Prints one line for each, what it skips and why, and a verdict. (AWS's
# tutorial of a custom runtime in Bash is a test: go test ./internal/lambda -run Tutorial.)
#
#   scripts/public-runtimes.sh [DIRECTORY]
#
# DIRECTORY is packages/bun-lambda of a checkout of Bun, whose runtime.ts no registry brings: with it that is run, too.
# Needs root (or user namespaces), Debian's nodejs, npm, awscli and python3, and npm's registry; for aws-lambda-ric, which
# compiles a part of itself, g++, Node.js's headers and libcurl's (libcurl4-openssl-dev; libnode-dev with Debian's nodejs).
# Exit codes: 0 all passed, 1 something failed, 3 something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$(pwd)
PATH=$PATH:/usr/sbin:/sbin

powertools=2.36.0 # of logger, metrics and tracer
bun=1.4.5
aws4fetch=1.0.20 # which Bun's own runtime imports

# What AWS publishes for this machine's Node.js: from 22 on the runtime of nodejs24.x, else that of the older ones.
ric=3.3.0 napi=6.1.0
if [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 22' 2>/dev/null)" = true ]; then ric=4.0.2 napi=8.3.1; fi

main() {
  bun_lambda=${1:+$(realpath "$1")}
  local need
  for need in node npm /usr/bin/aws python3 "$top/bin/enilab"; do
    command -v "$need" >/dev/null || { echo "public-runtimes: $need is missing" >&2 && exit 3; }
  done
  work=$(mktemp -d -t enilab-public-XXXXXX)
  trap clean EXIT
  chmod 755 "$work"
  export ENILAB_HOME=$work/home AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_DEFAULT_REGION=us-east-1 AWS_PAGER=
  mkdir -m 755 "$ENILAB_HOME" "$work/npm" "$work/powertools" "$work/bun" "$work/ric"
  install_packages
  AWS_ENDPOINT_URL=$("$top/bin/enilab" up --name public --listen 127.0.0.1:0 | sed -n 's/.*AWS API: \(http:[^ ]*\) .*/\1/p')
  role=$(aws iam create-role --role-name public --query Role.Arn --output text --assume-role-policy-document \
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}')
  failed=0
  run_powertools
  run_ric
  if [ "$(uname -m)" = x86_64 ]; then
    run_bun
    run_bun_lambda
  else
    echo 'skip  bun: the package here is for amd64'
  fi
  if [ "$failed" -gt 0 ]; then echo "public-runtimes: $failed failed" && exit 1; fi
  echo 'public-runtimes: all passed'
}

clean() {
  "$top/bin/enilab" down --name public >/dev/null 2>&1 || true
  rm -rf "$work"
}

aws() { /usr/bin/aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }

install_packages() {
  echo '{"private":true}' >"$work/npm/package.json"
  local list=()
  for part in logger metrics tracer; do list+=("@aws-lambda-powertools/$part@$powertools"); done
  list+=("node-addon-api@$napi")
  if [ "$(uname -m)" = x86_64 ]; then list+=("@oven/bun-linux-x64@$bun"); fi
  if [ -n "$bun_lambda" ]; then list+=("aws4fetch@$aws4fetch"); fi
  (cd "$work/npm" && npm install --silent --ignore-scripts --no-audit --no-fund "${list[@]}") || { echo 'public-runtimes: npm cannot install the packages' >&2 && exit 3; }
  if [ -d "$work/npm/node_modules/@oven" ]; then
    mv "$work"/npm/node_modules/@oven/bun-linux-x64/bin/bun "$work/bun/bun"
    rm -r "$work/npm/node_modules/@oven"
  fi
  mv "$work/npm/node_modules/node-addon-api" "$work/npm/"
  if [ -n "$bun_lambda" ]; then mv "$work/npm/node_modules/aws4fetch" "$work/npm/"; fi
  (cd "$work/npm" && npm pack --silent "aws-lambda-ric@$ric" >/dev/null) || { echo 'public-runtimes: npm cannot fetch aws-lambda-ric' >&2 && exit 3; }
  tar -xzf "$work/npm/aws-lambda-ric-$ric.tgz" -C "$work/npm" 2>/dev/null
  mv "$work/npm/node_modules" "$work/powertools/node_modules"
}

# pack zips a directory with the modes that files have.
pack() {
  python3 - "$1" "$2" <<'PY'
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as z:
    for root, _, files in os.walk(sys.argv[1]):
        for name in files:
            path = os.path.join(root, name)
            z.write(path, os.path.relpath(path, sys.argv[1]))
PY
}

create() { # NAME RUNTIME HANDLER [OPTION...]
  pack "$work/$1" "$work/$1.zip"
  aws lambda create-function --function-name "$1" --runtime "$2" --handler "$3" --role "$role" --memory-size 512 --timeout 60 --zip-file "fileb://$work/$1.zip" "${@:4}" >/dev/null
  aws lambda wait function-active-v2 --function-name "$1"
}

invoke() { # NAME EVENT: the answer on standard output, the log in $work/log
  aws lambda invoke --function-name "$1" --payload "$2" --cli-binary-format raw-in-base64-out --log-type Tail --query LogResult --output text "$work/answer" | base64 -d >"$work/log"
  cat "$work/answer"
}

check() { # WHAT WANTED FILE: the file has a line that the pattern matches
  if grep -qE "$2" "$3"; then
    echo "ok    $1"
  else
    failed=$((failed + 1))
    echo "FAIL  $1: nothing matches $2 in:"
    sed 's/^/      /' "$3"
  fi
}

run_powertools() {
  cat >"$work/powertools/index.mjs" <<'JS'
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { Tracer } from '@aws-lambda-powertools/tracer';

const logger = new Logger({ serviceName: 'orders' });
const metrics = new Metrics({ namespace: 'shop', serviceName: 'orders' });
const tracer = new Tracer({ serviceName: 'orders' });

export const handler = async (event, context) => {
  logger.addContext(context);
  tracer.annotateColdStart();
  tracer.addServiceNameAnnotation();
  tracer.putAnnotation('order', 'o1');
  logger.info('taken', { order: event.order });
  metrics.addMetric('orders', MetricUnit.Count, 1);
  metrics.publishStoredMetrics();
  return { root: tracer.getRootXrayTraceId() };
};
JS
  create powertools nodejs22.x index.handler
  invoke powertools '{"order":7}' >"$work/first"
  check 'powertools: answers with the trace id' '^\{"root":"1-[0-9a-f]{8}-[0-9a-f]{24}"' "$work/first"
  check 'powertools: logger' '"cold_start":true,"function_arn":"arn:aws:lambda:us-east-1:123456789012:function:powertools","function_memory_size":"?512"?,"function_name":"powertools","function_request_id":"[0-9a-f-]{36}".*"order":7' "$work/log"
  check 'powertools: logger has the trace id' '"xray_trace_id":"1-[0-9a-f]{8}-[0-9a-f]{24}"' "$work/log"
  check 'powertools: metrics' '"Namespace":"shop".*"orders":1' "$work/log"
  if grep -qiE 'error|missing|failed' "$work/log"; then echo 'there is something that failed' >"$work/complaint"; else echo none >"$work/complaint"; fi
  cat "$work/log" >>"$work/complaint"
  check 'powertools: tracer complains of nothing' '^none$' "$work/complaint"
}

# run_ric runs AWS's client as its containers do. Its installation builds a libcurl of its own and needs the network for
# Node.js's headers; here its native part is compiled from its own sources against this machine's.
run_ric() {
  local headers='' dir=$work/npm/package
  for dir in /usr/include/node /usr/include/nodejs/src; do if [ -e "$dir/node_api.h" ]; then headers=$dir; fi; done
  if [ -z "$headers" ] || ! command -v g++ >/dev/null || ! echo '#include <curl/curl.h>' | g++ -E -x c++ - >/dev/null 2>&1; then
    echo 'skip  aws-lambda-ric: to compile its native part takes g++, Node.js'"'"'s headers (libnode-dev) and libcurl4-openssl-dev'
    return
  fi
  dir=$work/npm/package
  local cpp=$work/npm/cpp to main source
  mkdir "$cpp"
  tar -xf "$dir"/deps/aws-lambda-cpp*.tar.* --strip-components=1 -C "$cpp" 2>/dev/null
  sed 's/@PROJECT_VERSION_[A-Z]*@/0/; s/@PROJECT_VERSION@/0.0.0/' "$cpp/src/version.cpp.in" >"$cpp/src/version.cpp" # as its CMakeLists.txt does
  case $ric in
    3.*) to=dist main=bin/index.mjs source=src/rapid-client.cc ;;
    *) to=. main=index.mjs source=src/native/rapid-client.cc ;;
  esac
  g++ -std=c++17 -w -fPIC -shared -DNAPI_CPP_EXCEPTIONS -I"$headers" -I"$work/npm/node-addon-api" -I"$cpp/include" -o "$dir/$to/rapid-client.node" \
    "$dir/$source" "$cpp"/src/{runtime,logging,version}.cpp -lcurl
  rm -r "$dir/deps"
  mkdir -p "$work/ric/node_modules"
  mv "$dir" "$work/ric/node_modules/aws-lambda-ric"
  # shellcheck disable=SC2016 # the bootstrap's variable
  printf '#!/bin/sh\nexec node node_modules/aws-lambda-ric/%s "$_HANDLER"\n' "$main" >"$work/ric/bootstrap"
  chmod 755 "$work/ric/bootstrap"
  cat >"$work/ric/app.js" <<'JS'
exports.handler = async (event, context) => {
  console.log('seen', event.n);
  if (event.fail) throw new RangeError('too far');
  return { got: event.n, trace: process.env._X_AMZN_TRACE_ID, left: context.getRemainingTimeInMillis() > 1000, name: context.functionName };
};
JS
  create ric provided.al2023 app.handler
  invoke ric '{"n":1}' >"$work/first"
  check "aws-lambda-ric $ric: answers, with a trace id" '^\{"got":1,"trace":"Root=1-[^"]*","left":true,"name":"ric"\}' "$work/first"
  check 'aws-lambda-ric: its log knows the request' '[0-9a-f-]{36}.INFO.seen 1' "$work/log"
  invoke ric '{"n":2,"fail":true}' >"$work/second"
  check 'aws-lambda-ric: its errors' '^\{"errorType":"RangeError","errorMessage":"too far","trace":\["RangeError: too far"' "$work/second"
  invoke ric '{"n":3}' >"$work/third"
  check 'aws-lambda-ric: serves on' '^\{"got":3,' "$work/third"
}

# run_bun_lambda runs Bun's own runtime as its layer has it.
run_bun_lambda() {
  if [ -z "$bun_lambda" ]; then
    echo "skip  bun-lambda: no registry has Bun's own runtime; name packages/bun-lambda of a checkout of Bun to run it"
    return
  fi
  mkdir -p "$work/bun-layer/node_modules" "$work/bun-code"
  cp "$work/bun/bun" "$bun_lambda"/{bootstrap,runtime.ts} "$work/bun-layer/"
  cp -r "$work/npm/aws4fetch" "$work/bun-layer/node_modules/"
  chmod 755 "$work/bun-layer/bootstrap"
  # shellcheck disable=SC2016 # a template of JavaScript's
  echo 'export default { async fetch(request) { return new Response(`hello ${(await request.json()).event.name} ${request.headers.get("x-amzn-trace-id")}`); } };' >"$work/bun-code/app.ts"
  pack "$work/bun-layer" "$work/bun-layer.zip"
  layer=$(aws lambda publish-layer-version --layer-name bun --zip-file "fileb://$work/bun-layer.zip" --query LayerVersionArn --output text)
  create bun-code provided.al2023 app.fetch --layers "$layer"
  invoke bun-code '{"name":"you"}' >"$work/first"
  check "bun-lambda: Bun's own runtime, from its layer" '^hello you Root=1-' "$work/first"
}

# A runtime that dies without a trace id, as Bun's own does (packages/bun-lambda/runtime.ts).
run_bun() {
  cat >"$work/bun/bootstrap" <<'SH'
#!/bin/sh
exec /var/task/bun /var/task/runtime.ts
SH
  cat >"$work/bun/runtime.ts" <<'TS'
const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;
for (;;) {
  const next = await fetch(`${api}/invocation/next`, { timeout: false } as RequestInit);
  const [id, trace, arn] = ["Aws-Request-Id", "Trace-Id", "Invoked-Function-Arn"].map((h) => next.headers.get(`Lambda-Runtime-${h}`));
  if (!id || !trace || !arn) process.exit(1);
  const body = JSON.stringify({ bun: Bun.version, trace, got: await next.json() });
  await fetch(`${api}/invocation/${id}/response`, { method: "POST", body });
}
TS
  chmod 755 "$work/bun/bootstrap" "$work/bun/bun"
  create bun provided.al2023 none
  invoke bun '{"a":1}' >"$work/first"
  check 'bun: answers, with a trace id' "^\{\"bun\":\"$bun\",\"trace\":\"Root=1-[^\"]*\",\"got\":\{\"a\":1\}\}" "$work/first"
  invoke bun '{"a":2}' >"$work/second"
  check 'bun: again' '"got":\{"a":2\}' "$work/second"
}

main "$@"
