# The example function in Bash, of built-ins only: /dev/tcp instead of curl and redis-cli.
PATIENCE=2                         # seconds, for each server
printf -v INSTANCE %08x "$SRANDOM" # made once per environment, outside the handler
INVOCATION=0

handler() {
  local event=$1 out redis url key
  out="\"runtime\":\"bash\",\"instance\":\"$INSTANCE\",\"invocation\":$((++INVOCATION))"
  field "$event" redis && redis=$REPLY || redis=$REDIS_ADDR
  field "$event" whoami && url=$REPLY || url=$WHOAMI_URL
  field "$event" key && key=$REPLY || key=tenant
  if [[ $redis ]]; then
    within get "$redis" "$key" || { ERROR_TYPE=RedisError ERROR_MESSAGE="redis $redis: $REPLY"; return 1; }
    json_string "$REPLY"
    out+=",\"tenant\":$REPLY"
  fi
  if [[ $url ]]; then
    within whoami "$url" || { ERROR_TYPE=WhoamiError ERROR_MESSAGE="whoami $url: $REPLY"; return 1; }
    json_string "$REPLY"
    out+=",\"whoami\":$REPLY"
  fi
  REPLY={$out}
}

# field JSON NAME sets REPLY to a string in the JSON, if it is there and not empty. A teaching piece, not a parser.
field() {
  [[ $1 =~ \"$2\"[[:space:]]*:[[:space:]]*\"([^\"\\]+)\" ]] && REPLY=${BASH_REMATCH[1]}
}

# within FUNCTION ARGS runs it in a child and sets REPLY to what it prints. /dev/tcp has no timeout of its own, so the
# parent waits no longer than its patience, then ends the child.
within() {
  local fd child status=
  exec {fd}< <("$@" 2>/dev/null; printf '\0%d' $?)
  child=$!
  IFS= read -r -d '' -t "$PATIENCE" REPLY <&"$fd" && IFS= read -r -d '' status <&"$fd"
  exec {fd}<&-
  if [[ ! $status ]]; then
    kill "$child" 2>/dev/null
    REPLY="timed out after $PATIENCE s"
  fi
  wait "$child" 2>/dev/null
  [[ $status == 0 ]]
}

# get ADDR KEY asks Redis in its own protocol, RESP: an array of strings goes out, "$<length>\r\n<value>\r\n" comes back.
get() {
  local head value
  exec 4<>"/dev/tcp/${1%:*}/${1##*:}" || { printf 'connection refused or unreachable'; return 1; }
  printf '*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n' "${#2}" "$2" >&4
  IFS= read -r head <&4 || { printf 'connection closed'; return 1; }
  head=${head%$'\r'}
  case $head in
    '$-1') printf 'GET %s: no such key' "$2"; return 1 ;;
    '$'*) IFS= read -r -N "${head#\$}" value <&4 && printf %s "$value" ;;
    *) printf 'GET %s: %s' "$2" "${head#?}"; return 1 ;;
  esac
}

# whoami URL; HTTP/1.0, so that the server closes when it has answered.
whoami() {
  local host path=/ line body
  host=${1#http://}
  [[ $host == */* ]] && path=/${host#*/} host=${host%%/*}
  [[ $host == *:* ]] || host+=:80
  exec 4<>"/dev/tcp/${host%:*}/${host##*:}" || { printf 'connection refused or unreachable'; return 1; }
  printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$path" "$host" >&4
  while IFS= read -r line <&4 && [[ $line != $'\r' ]]; do :; done
  IFS= read -r -d '' body <&4
  field "$body" client || { printf 'no client in the answer'; return 1; }
  printf %s "$REPLY"
}
