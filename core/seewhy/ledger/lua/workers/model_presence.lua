#!lua flags=no-writes
-- args: none -> {now in ms, {{model, {device, workers, ...} that have it loaded, when one was last
--       seen}, ...}}
local now = now_ms()
local devices, rows = {}, {}
for _, text in ipairs(redis.call('HVALS', WORKERS)) do
  local worker = cjson.decode(text)
  if worker.seen_ms > now - settings.lease_ms then
    local device = worker.device or 'cpu'
    for _, model in ipairs(worker.models) do
      devices[model] = devices[model] or {}
      devices[model][device] = (devices[model][device] or 0) + 1
    end
  end
end
local seen = redis.call('HGETALL', MODELS_SEEN)
for n = 1, #seen, 2 do
  local flat = {}
  for device, count in pairs(devices[seen[n]] or {}) do
    table.insert(flat, device)
    table.insert(flat, count)
  end
  table.insert(rows, { seen[n], flat, seen[n + 1] })
end
return { now, rows }
