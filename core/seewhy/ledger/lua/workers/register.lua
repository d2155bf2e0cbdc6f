#!lua flags=allow-oom
-- args: worker_id, models, device, measurements [{model, name, values}]
local KEEP_MS = 30 * 24 * 3600 * 1000
local known = redis.call('HGET', WORKERS, args.worker_id)
local now = now_ms()
redis.call('HSET', WORKERS, args.worker_id, cjson.encode({
  models = args.models,
  device = args.device,
  started_ms = known and cjson.decode(known).started_ms or now,
  seen_ms = now,
}))
for _, model in ipairs(args.models) do redis.call('HSET', MODELS_SEEN, model, now) end

for _, measured in ipairs(args.measurements) do
  local key, name = device_times_key(measured.model), measured.name .. '|' .. args.device
  local kept = redis.call('HGET', key, name)
  if kept or redis.call('HLEN', key) < settings.measurements_limit then
    local values = kept and cjson.decode(kept) or {}
    for _, value in ipairs(measured.values) do table.insert(values, value) end
    while #values > settings.measured_values do table.remove(values, 1) end
    redis.call('HSET', key, name, cjson.encode(values))
    redis.call('PEXPIRE', key, KEEP_MS)
  end
end
