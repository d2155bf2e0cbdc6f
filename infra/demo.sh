#!/bin/sh
# Start seewhy on a free port, explain the shipped photos into demo/, and stop it again.
# usage: demo.sh BIN_DIRECTORY MODEL
set -eu
bin=$1
model=$2
log=demo/seewhy.log
ready_timeout_s=600

port=$("$bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port

mkdir -p demo
echo "==> starting seewhy at $url (log: $log)"
"$bin/seewhy" up --port "$port" --data demo/data --model "$model" >"$log" 2>&1 &
up=$!

stop() {
    trap - EXIT INT TERM
    echo "==> stopping seewhy"
    kill "$up" 2>/dev/null || true
    wait "$up" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

shown_lines=0
show_new_lines() {
    lines=$(($(wc -l <"$log")))
    if [ "$lines" -gt "$shown_lines" ]; then
        sed -n "$((shown_lines + 1)),${lines}p" "$log"
        shown_lines=$lines
    fi
}

deadline=$(($(date +%s) + ready_timeout_s))
until grep -q '^seewhy is ready' "$log"; do
    show_new_lines
    if ! kill -0 "$up" 2>/dev/null || [ "$(date +%s)" -ge "$deadline" ]; then
        show_new_lines
        echo "seewhy did not become ready" >&2
        exit 1
    fi
    sleep 0.5
done
show_new_lines

echo "==> explaining examples/photos/*.jpg"
"$bin/seewhy" explain examples/photos/*.jpg --url "$url" --out demo
echo "==> overlays:"
ls demo/*.jpg
