# shellcheck shell=bash
# Starts temporary PostgreSQL and Redis servers, for scripts that source this file.
#
#   start_postgres [postgres option...]   starts PostgreSQL; sets POSTGRES_SERVER_URL,
#                                         POSTGRES_SERVER_PID and POSTGRES_SERVER_LOG
#   start_redis [redis-server option...]  starts Redis; sets REDIS_SERVER_URL, REDIS_SERVER_PID
#                                         and REDIS_SERVER_LOG
#   stop_servers                          stops both and removes their files; meant for
#                                         `trap stop_servers EXIT`
#
# Each server listens on a free port of 127.0.0.1 with a random password, and keeps its files in one
# temporary directory. It ends with the shell that started it, even if that is killed; then the
# directory remains. Do not call the functions in a subshell, such as $(...): the server would end
# with the subshell.
#
# The defaults prefer speed to durability. The caller's options come last and win, for example:
# `start_postgres -c fsync=on -c synchronous_commit=on -c full_page_writes=on`, `start_redis
# --appendonly yes`.

say() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
}

fail() {
  say "$*"
  exit 1
}

# Prints the directory with the PostgreSQL programs: the one on PATH, else the newest that Debian's
# packages installed, which is not on PATH.
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

  # "password" sends the password in plain text, which is safe on loopback. SCRAM would cost an
  # unoptimised client 4096 rounds of hashing for each connection.
  setsid "${SERVER_RUNNER[@]}" --pdeathsig TERM "$folder/initdb" --pgdata="$data" --username=postgres \
    --pwfile="$SERVERS_DIR/postgres.password" --auth=password --encoding=UTF8 --locale=C.UTF-8 --no-sync \
    >"$POSTGRES_SERVER_LOG" 2>&1 </dev/null &
  POSTGRES_SERVER_PID=$!
  if ! wait "$POSTGRES_SERVER_PID"; then
    POSTGRES_SERVER_PID=''
    fail "initdb failed:" "$(tail -n 20 "$POSTGRES_SERVER_LOG")"
  fi

  while port=$(random_port); do
    # SIGQUIT means "immediate shutdown": no data needs to be saved.
    setsid "${SERVER_RUNNER[@]}" --pdeathsig QUIT "$folder/postgres" -D "$data" \
      -c listen_addresses=127.0.0.1 -c port="$port" -c unix_socket_directories="$SERVERS_DIR" -c max_connections=300 \
      -c fsync=off -c synchronous_commit=off -c full_page_writes=off "$@" >"$POSTGRES_SERVER_LOG" 2>&1 </dev/null &
    POSTGRES_SERVER_PID=$!
    disown "$POSTGRES_SERVER_PID"
    # Checks the socket in our own directory: at the port, another server might answer or hang.
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
  # The password is in a file, because every user of the machine can read a command line.
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

# Reports a server that ended before this, because that explains failed tests.
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

# Sets SERVERS_DIR to a new directory that belongs to the servers' user.
make_servers_dir() {
  [[ -z ${SERVERS_DIR:-} ]] || return 0
  find_server_runner
  # Not under TMPDIR: another user may be unable to read it, or its path too long for a unix socket
  # (107 bytes).
  SERVERS_DIR=$(mktemp -d /tmp/auth-gateway-servers.XXXXXX)
  SERVER_RUNNER=(env -C "$SERVERS_DIR" "${SERVER_RUNNER[@]}")
  if ((EUID == 0)); then chown "$SERVER_OWNER" "$SERVERS_DIR"; fi
}

# Sets SERVER_OWNER to the user that runs the servers, and SERVER_RUNNER to the command that starts
# them, which accepts further options of setpriv. initdb and postgres refuse to run as root, and
# Redis needs no root rights.
find_server_runner() {
  if ! command -v setsid >/dev/null || ! command -v setpriv >/dev/null; then
    fail "setsid and setpriv (util-linux) are missing: install them, or use servers that already run."
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

# Below the range for outgoing connections, so that only another server can use the port.
random_port() {
  printf '%s\n' $((20000 + RANDOM % 12000))
}

lost_port_race() {
  grep -q 'Address already in use' "$1"
}

redis_answers() {
  [[ $(REDISCLI_AUTH=$2 redis-cli -s "$1" ping 2>/dev/null) == PONG ]]
}

# wait_until_ready PID COMMAND...: waits until the command succeeds. Fails if the process ends, or
# after 30 seconds.
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
    say "$name ended during the run; the end of its log:"
    tail -n 5 "$log" >&2
  fi
  kill_server "$pid" "$signal"
}

# Sends the signal, and SIGKILL after 10 seconds, and waits until the process has ended. Then kills
# the rest of its process group, which would write into the directory while that is removed.
kill_server() {
  local pid=$1 signal=$2 deadline=$((SECONDS + 10))
  while kill -"$signal" "$pid" 2>/dev/null; do
    if ((SECONDS >= deadline)); then signal=KILL; fi
    sleep 0.02
  done
  kill -KILL -- "-$pid" 2>/dev/null || true
}
