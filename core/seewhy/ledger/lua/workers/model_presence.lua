#!lua flags=no-writes
-- args: none -> {now in ms, {{model, workers that have it loaded, when one was last seen}, ...}}
local now = now_ms()
local counts, rows = {}, {}
for _, text in ipairs(redis.call('HVALS', WORKERS)) do
  local worker = cjson.decode(text)
  if worker.seen_ms > now - settings.lease_ms then
    for _, model in ipairs(worker.models) do counts[model] = (counts[model] or 0) + 1 end
  end
end
local seen = redis.call('HGETALL', MODELS_SEEN)
for n = 1, #seen, 2 do
  table.insert(rows, { seen[n], counts[seen[n]] or 0, seen[n + 1] })
end
return { now, rows }
