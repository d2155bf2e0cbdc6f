#!/bin/sh
# Start seewhy on a free port, explain the shipped photos into demo/, stop it again.
# usage: demo.sh BIN_DIRECTORY MODEL
set -eu
bin=$1
model=$2
ready_within_s=600

port=$("$bin/python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port

mkdir -p demo
echo "==> seewhy up, on $url (its log: demo/seewhy.log)"
"$bin/seewhy" up --port "$port" --data demo/data --model "$model" >demo/seewhy.log 2>&1 &
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

is_ready() {
    "$bin/python" -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' \
        "$url/readyz" 2>/dev/null
}
give_up_at=$(($(date +%s) + ready_within_s))
until is_ready; do
    if ! kill -0 "$up" 2>/dev/null || [ "$(date +%s)" -ge "$give_up_at" ]; then
        echo "seewhy did not become ready; the end of demo/seewhy.log:" >&2
        tail -n 20 demo/seewhy.log >&2
        exit 1
    fi
    sleep 1
done

echo "==> explaining examples/photos/*.jpg"
"$bin/seewhy" explain examples/photos/*.jpg --url "$url" --out demo
echo "==> where the model looked:"
ls demo/*.jpg
