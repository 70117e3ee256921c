# shellcheck shell=bash
# Throwaway PostgreSQL and Redis servers for whatever sources this file: the tests, a benchmark, a fault suite.
#
#   start_postgres [postgres option...]   sets POSTGRES_SERVER_URL, POSTGRES_SERVER_PID and POSTGRES_SERVER_LOG
#   start_redis [redis-server option...]  sets REDIS_SERVER_URL, REDIS_SERVER_PID and REDIS_SERVER_LOG
#   stop_servers                          stops both and removes their files; meant for `trap stop_servers EXIT`
#
# Each server listens on a free port of 127.0.0.1 under a random password, keeps everything in one temporary
# directory, and dies with the shell that started it, even if that is killed (then the directory stays behind).
# Call the functions in that shell itself: in a subshell, $(...) included, the server would end with the subshell.
#
# The defaults trade durability for speed. Options come last and win, so a benchmark asks for what it measures:
# `start_postgres -c fsync=on -c synchronous_commit=on -c full_page_writes=on`, `start_redis --appendonly yes`.

say() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
}

fail() {
  say "$*"
  exit 1
}

# Prints the folder that holds one version's PostgreSQL programs: the one on PATH, else the newest that Debian's
# packages installed, which they keep off PATH.
postgres_folder() {
  local folder folders=() on_path
  if on_path=$(command -v initdb); then folders=("$(dirname "$(readlink -f "$on_path")")"); fi
  mapfile -t -O "${#folders[@]}" folders < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse)
  for folder in "${folders[@]}"; do
    if [[ -x $folder/initdb && -x $folder/postgres && -x $folder/pg_isready ]]; then
      printf '%s\n' "$folder"
      return
    fi
  done
  return 1
}

has_redis() {
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null
}

start_postgres() {
  local folder data password port
  folder=$(postgres_folder) || fail "PostgreSQL's programs (initdb, postgres, pg_isready) are not installed."
  make_servers_dir
  data=$SERVERS_DIR/postgres
  password=$(random_password)
  POSTGRES_SERVER_LOG=$SERVERS_DIR/postgres.log
  printf '%s\n' "$password" | private_file "$SERVERS_DIR/postgres.password"

  # "password" sends the password as it is, which harms nobody on loopback and spares an unoptimised client the
  # 4096 rounds of hashing that SCRAM asks of it at each connection.
  setsid "${SERVER_RUNNER[@]}" --pdeathsig TERM "$folder/initdb" --pgdata="$data" --username=postgres \
    --pwfile="$SERVERS_DIR/postgres.password" --auth=password --encoding=UTF8 --locale=C.UTF-8 --no-sync \
    >"$POSTGRES_SERVER_LOG" 2>&1 </dev/null &
  POSTGRES_SERVER_PID=$!
  if ! wait "$POSTGRES_SERVER_PID"; then
    POSTGRES_SERVER_PID=''
    fail "initdb failed:" "$(tail -n 20 "$POSTGRES_SERVER_LOG")"
  fi

  while port=$(random_port); do
    # SIGQUIT is "immediate shutdown": there is nothing to save.
    setsid "${SERVER_RUNNER[@]}" --pdeathsig QUIT "$folder/postgres" -D "$data" \
      -c listen_addresses=127.0.0.1 -c port="$port" -c unix_socket_directories="$SERVERS_DIR" -c max_connections=300 \
      -c fsync=off -c synchronous_commit=off -c full_page_writes=off "$@" >"$POSTGRES_SERVER_LOG" 2>&1 </dev/null &
    POSTGRES_SERVER_PID=$!
    disown "$POSTGRES_SERVER_PID"
    # Asked through the socket in our own directory: at the port another server might answer, or hang.
    wait_until_ready "$POSTGRES_SERVER_PID" "$folder/pg_isready" --quiet --host="$SERVERS_DIR" --port="$port" && break
    kill_server "$POSTGRES_SERVER_PID" QUIT
    POSTGRES_SERVER_PID=''
    lost_port_race "$POSTGRES_SERVER_LOG" || fail "PostgreSQL did not start:" "$(tail -n 20 "$POSTGRES_SERVER_LOG")"
  done

  # shellcheck disable=SC2034 # for the sourcing script
  POSTGRES_SERVER_URL="postgres://postgres:$password@127.0.0.1:$port/postgres"
  say "started $("$folder/postgres" --version) on 127.0.0.1:$port"
}

start_redis() {
  local password port version
  has_redis || fail "Redis' programs (redis-server, redis-cli) are not installed."
  make_servers_dir
  password=$(random_password)
  REDIS_SERVER_LOG=$SERVERS_DIR/redis.log
  # In a file, since every user of the machine can read a command line.
  private_file "$SERVERS_DIR/redis.conf" <<<"requirepass $password"

  while port=$(random_port); do
    setsid "${SERVER_RUNNER[@]}" --pdeathsig TERM redis-server "$SERVERS_DIR/redis.conf" \
      --bind 127.0.0.1 --port "$port" --unixsocket "$SERVERS_DIR/redis.sock" \
      --dir "$SERVERS_DIR" --save '' --appendonly no "$@" >"$REDIS_SERVER_LOG" 2>&1 </dev/null &
    REDIS_SERVER_PID=$!
    disown "$REDIS_SERVER_PID"
    wait_until_ready "$REDIS_SERVER_PID" redis_answers "$SERVERS_DIR/redis.sock" "$password" && break
    kill_server "$REDIS_SERVER_PID" TERM
    REDIS_SERVER_PID=''
    lost_port_race "$REDIS_SERVER_LOG" || fail "Redis did not start:" "$(tail -n 20 "$REDIS_SERVER_LOG")"
  done

  # shellcheck disable=SC2034 # for the sourcing script
  REDIS_SERVER_URL="redis://default:$password@127.0.0.1:$port"
  version=$(redis-server --version)
  version=${version#*v=}
  say "started redis ${version%% *} on 127.0.0.1:$port"
}

# Whatever ended a server before this did is said aloud: it explains the tests that failed.
stop_servers() {
  trap '' INT TERM HUP
  end_server PostgreSQL "${POSTGRES_SERVER_PID:-}" QUIT "${POSTGRES_SERVER_LOG:-}"
  end_server Redis "${REDIS_SERVER_PID:-}" TERM "${REDIS_SERVER_LOG:-}"
  POSTGRES_SERVER_PID='' REDIS_SERVER_PID=''
  if [[ -n ${SERVERS_DIR:-} ]]; then
    rm -rf "$SERVERS_DIR"
    SERVERS_DIR=''
  fi
}

# Sets SERVERS_DIR, which the servers' user owns.
make_servers_dir() {
  [[ -z ${SERVERS_DIR:-} ]] || return 0
  find_server_runner
  # Not under TMPDIR: that may be closed to another user, or too long for the path of a unix socket (107 bytes).
  SERVERS_DIR=$(mktemp -d /tmp/auth-gateway-servers.XXXXXX)
  SERVER_RUNNER=(env -C "$SERVERS_DIR" "${SERVER_RUNNER[@]}")
  if ((EUID == 0)); then chown "$SERVER_OWNER" "$SERVERS_DIR"; fi
}

# Sets SERVER_OWNER, the user that the servers run as, and SERVER_RUNNER, the command that they run under, which takes
# more options of setpriv. initdb and postgres refuse root, and Redis needs none of its rights.
find_server_runner() {
  if ! command -v setsid >/dev/null || ! command -v setpriv >/dev/null; then
    fail "setsid and setpriv (util-linux) are missing: install them, or name servers that already run."
  fi
  SERVER_RUNNER=(env LC_ALL=C setpriv)
  SERVER_OWNER=$(id -un)
  if ((EUID == 0)); then
    SERVER_OWNER=nobody
    if id -u postgres >/dev/null 2>&1; then SERVER_OWNER=postgres; fi
    SERVER_RUNNER+=(--reuid "$SERVER_OWNER" --regid "$(id -g "$SERVER_OWNER")" --init-groups)
  fi
}

# Writes standard input to a file that only the servers' owner can read.
private_file() {
  (umask 077 && cat >"$1")
  if ((EUID == 0)); then chown "$SERVER_OWNER" "$1"; fi
}

random_password() {
  od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# Below the range that the system gives to outgoing connections, so that only another server can hold it.
random_port() {
  printf '%s\n' $((20000 + RANDOM % 12000))
}

lost_port_race() {
  grep -q 'Address already in use' "$1"
}

redis_answers() {
  [[ $(REDISCLI_AUTH=$2 redis-cli -s "$1" ping 2>/dev/null) == PONG ]]
}

# wait_until_ready PID COMMAND...: until the command succeeds; fails when the process is gone or 30 seconds are.
wait_until_ready() {
  local pid=$1 deadline=$((SECONDS + 30))
  shift
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$pid" 2>/dev/null || ((SECONDS >= deadline)); then return 1; fi
    sleep 0.03
  done
}

end_server() {
  local name=$1 pid=$2 signal=$3 log=$4
  [[ -n $pid ]] || return 0
  if ! kill -0 "$pid" 2>/dev/null; then
    say "$name ended during the run; its last words:"
    tail -n 5 "$log" >&2
  fi
  kill_server "$pid" "$signal"
}

# Returns when the process is gone: by the signal, or after 10 seconds by SIGKILL. What it leaves behind in its
# process group would write into the directory while that is removed, so it goes too.
kill_server() {
  local pid=$1 signal=$2 deadline=$((SECONDS + 10))
  while kill -"$signal" "$pid" 2>/dev/null; do
    if ((SECONDS >= deadline)); then signal=KILL; fi
    sleep 0.02
  done
  kill -KILL -- "-$pid" 2>/dev/null || true
}
